"""What a proxy could change on the way: headers, limits, errors and large bodies."""

import json
import urllib.error
import urllib.request

from judge import arguments, expect, report

url, folder, token = arguments()


def call(path, body=None, authorization="Bearer " + token):
    """Status, headers and bytes of an answer."""
    request = urllib.request.Request(url + path, data=body)
    if authorization:
        request.add_header("Authorization", authorization)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def pipeline(sql, *values):
    arguments = [{"type": "text", "value": value} for value in values]
    requests = [{"type": "execute", "stmt": {"sql": sql, "args": arguments}}, {"type": "close"}]
    status, _, answer = call("/v2/pipeline", json.dumps({"baton": None, "requests": requests}).encode())
    expect("status of " + sql, status, 200)
    return json.loads(answer)["results"][0]["response"]["result"]


expect("health", call("/health", authorization=None)[0], 200)
expect("metrics stay inside", call("/metrics")[0], 404)
status, headers, body = call("/v2/pipeline", b"{}", authorization=None)
expect("without a token", (status, headers["WWW-Authenticate"], "error" in json.loads(body)), (401, "Bearer", True))
# A token of 8 KiB arrives, and is refused by the primary, not by the proxy.
status, headers, body = call("/v2/pipeline", b"{}", authorization="Bearer " + "a" * 8192)
expect("a long token", (status, "error" in json.loads(body)), (401, True))

# Megabytes in both directions.
text = "x" * (9 << 20)
pipeline("CREATE TABLE large(s TEXT)")
pipeline("INSERT INTO large VALUES (?)", text)
expect("a large text", pipeline("SELECT s FROM large")["rows"][0][0]["value"] == text, True)
try:
    expect("too large", call("/v2/pipeline", b" " * (33 << 20))[0], 413)
except OSError:
    pass  # The answer came while the request was being sent, and the connection was closed.
report("through a proxy", dump=[])
