"""Requests that no honest client sends, one scenario at a time: hostile.py URL SCENARIO.

Every scenario ends with a request that must succeed: whatever was sent before, the server goes on.
"""

import base64
import http.client
import json
import os
import socket
import struct
import sys
import urllib.parse

url = urllib.parse.urlsplit(sys.argv[1])
ADDRESS = (url.hostname, url.port)
BATON = "0" * 96


def fail(what):
    sys.exit("%s: %s" % (sys.argv[2], what))


def call(path, body=b"", method="POST", headers=None):
    """Status and body of one request on a connection of its own."""
    connection = http.client.HTTPConnection(*ADDRESS, timeout=60)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    result = answer.status, answer.read()
    connection.close()
    return result


def pipeline(*requests, baton=None):
    status, body = call("/v3/pipeline", json.dumps({"baton": baton, "requests": list(requests)}))
    if status != 200:
        fail("status %d: %r" % (status, body))
    return json.loads(body)


def execute(sql):
    return {"type": "execute", "stmt": {"sql": sql}}


def must_serve():
    answer = pipeline(execute("SELECT 42"), {"type": "close"})
    if answer["results"][0]["response"]["result"]["rows"] != [[{"type": "integer", "value": "42"}]]:
        fail("the server does not answer any more: %r" % answer)


def refused(path, body, statuses, method="POST", headers=None):
    """The answer is one of `statuses`, in JSON, with words for a person."""
    status, answer = call(path, body, method, headers)
    if status not in statuses:
        fail("%s %r: status %d, %r" % (path, body[:80], status, answer[:200]))
    try:
        parsed = json.loads(answer)
    except ValueError:
        fail("%s %r: not JSON: %r" % (path, body[:80], answer[:200]))
    if not (parsed.get("message") or parsed.get("error")):
        fail("%s: no message in %r" % (path, answer))


def malformed():
    statement = '{"baton":null,"requests":[{"type":"execute","stmt":%s}]}'
    bodies = [
        b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"requests":1}', b'{"requests":[{"type":"nothing"}]}',
        b'{"requests":[{}]}', b'{"baton":1,"requests":[]}', b'{"baton":null,"requests":[],"baton":null}',
        statement % '{"sql":1}', statement % "{}", statement % '{"sql":"a","sql_id":1}',
        statement % '{"sql":"SELECT ?","args":[{"type":"integer","value":1}]}',
        statement % '{"sql":"SELECT ?","args":[{"type":"integer","value":"9223372036854775808"}]}',
        statement % '{"sql":"SELECT ?","args":[{"type":"integer","value":"1e3"}]}',
        statement % '{"sql":"SELECT ?","args":[{"type":"float","value":1e999}]}',
        statement % '{"sql":"SELECT ?","args":[{"type":"blob","base64":"*"}]}',
        statement % '{"sql":"SELECT ?","args":[{"type":"text","value":"\\ud800"}]}',
        statement % '{"sql":"SELECT ?","args":[{"type":"what"}]}',
        "[" * 100_000, '{"baton":null,"requests":' + "[" * 100_000,
        '{"baton":null,"requests":[{"type":"batch","batch":{"steps":[{"condition":{"type":"ok","step":0},'
        '"stmt":{"sql":"SELECT 1"}}]}}]}',
        '{"baton":null,"requests":[{"type":"batch","batch":{"steps":[{"condition":'
        + '{"type":"not","cond":' * 1000 + '{"type":"is_autocommit"}' + "}" * 1000 + ',"stmt":{"sql":"SELECT 1"}}]}}]}',
        '{"baton":null,"requests":[{"type":"close"},{"type":"close"}]}',
        '{"baton":null,"requests":[]} trailing',
    ]
    for body in bodies:
        body = body if isinstance(body, bytes) else body.encode()
        for path in ("/v2/pipeline", "/v3/pipeline"):
            refused(path, body, {400})
    for path in ("/v3/cursor", "/v1/execute", "/v1/batch"):
        for body in (b"", b"{", b"[]", b"\xff"):
            refused(path, body, {400})


def batons():
    for baton in ("x", "", "é", "0" * 95, "0" * 97, "g" * 96, "A" * 100_000):
        refused("/v3/pipeline", json.dumps({"baton": baton, "requests": []}).encode(), {400})
    for path, body in (
        ("/v3/pipeline", {"baton": BATON, "requests": [execute("SELECT 1")]}),
        ("/v3/cursor", {"baton": BATON, "batch": {"steps": [{"stmt": {"sql": "SELECT 1"}}]}}),
    ):
        status, answer = call(path, json.dumps(body))
        first = json.loads(answer.split(b"\n")[0])
        if status != 200 or first["baton"] is not None or b"STREAM_EXPIRED" not in answer:
            fail("a foreign baton on %s: %d %r" % (path, status, answer))
    used = pipeline(execute("SELECT 1"))["baton"]
    pipeline(execute("SELECT 1"), baton=used)
    refused("/v3/pipeline", json.dumps({"baton": used, "requests": []}).encode(), {400})


def paths():
    for method, path, statuses in (
        ("GET", "/", {404}), ("GET", "/v3/pipeline", {404, 405}), ("DELETE", "/v3/pipeline", {404, 405}),
        ("POST", "/v9/pipeline", {404}), ("GET", "/../etc/passwd", {404}), ("GET", "/%00", {404, 400}),
        ("GET", "/sync/1/2/1", {400}), ("GET", "/sync/0/0/x", {400, 404}), ("GET", "/sync/1/1/99999999999", {400}),
        ("GET", "/export/0", {400, 404}), ("GET", "/export/77", {400, 404, 409}), ("POST", "/sync/1/1/2", {400}),
        ("GET", "/sync/77/1/129", {400, 409}),
    ):
        refused(path, b"", statuses, method)
    for path in ("Hello", "BatchLogEntries", "Snapshot"):
        for body in (b"", b"\xff" * 20, b"\0\0\0\0\x05ab", b"\0\xff\xff\xff\xff"):
            status, answer = call("/wal_log.ReplicationLog/" + path, body)
            if status != 200 or b"grpc-status" not in answer or b"grpc-status:0" in answer:
                fail("%s with %r: %d %r" % (path, body, status, answer))
    for path in ("Execute", "Describe", "Disconnect"):
        status, answer = call("/proxy.Proxy/" + path, b"\xff" * 20)
        if status != 200 or b"grpc-status:3" not in answer:
            fail("%s: %d %r" % (path, status, answer))
    for body in (b"\xff" * 30, b"\x08\x01", b"\x2a\x04abcd"):
        refused("/pull-updates", body, {400, 415, 501})


def read_answer(connection):
    connection.settimeout(60)
    received = b""
    try:
        while True:
            more = connection.recv(65536)
            if not more:
                return received
            received += more
    except ConnectionError:
        return received


def large():
    """A body that is too large is refused when it says so, and when it does not."""
    connection = socket.create_connection(ADDRESS)
    connection.sendall(b"POST /v3/pipeline HTTP/1.1\r\nhost: x\r\ncontent-length: 104857600\r\n\r\n")
    if b" 413 " not in connection.recv(65536).split(b"\r\n")[0]:
        fail("100 MB were not refused")
    connection.close()
    connection = socket.create_connection(ADDRESS)
    connection.sendall(b"POST /v3/pipeline HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
    sent = 0
    try:
        for _ in range(1600):
            connection.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            sent += 65536
    except ConnectionError:
        pass
    answer = read_answer(connection)
    if b" 413 " not in answer.split(b"\r\n")[0] and sent > 90_000_000:
        fail("100 MB in chunks were taken: %r" % answer[:100])
    if 0 < sent < 104857600 or not answer:
        fail("the refusal was lost: %d bytes sent, %r" % (sent, answer[:100]))
    connection.close()
    # Within the limit of a request, beyond that of a statement.
    answer = pipeline(execute("SELECT '" + "x" * (20 << 20) + "'"))
    if answer["results"][0]["error"]["code"] != "SQLITE_TOOBIG":
        fail("a long statement: %r" % answer["results"][0])
    answer = pipeline(execute("SELECT hex(zeroblob(40000000))"))
    if answer["results"][0]["error"]["code"] not in ("RESPONSE_TOO_LARGE", "SQLITE_TOOBIG"):
        fail("a long answer: %r" % answer["results"][0]["type"])
    status, _ = call("/v3/pipeline", b"{}", headers={"x-long": "y" * 200_000})
    if status not in (400, 413, 431):
        fail("a header of 200 kB: %d" % status)


def broken():
    """Connections that end in the middle, wherever that is."""
    body = json.dumps({"baton": None, "requests": [execute("SELECT 1")]}).encode()
    request = b"POST /v3/pipeline HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
    for end in range(0, len(request), 3):
        connection = socket.create_connection(ADDRESS)
        connection.sendall(request[:end])
        connection.close()
    for text in (b"\0\0\0\0\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\r\n" * 100, b"GET / HTTP/1.1\r\n: x\r\n\r\n",
                 b"POST /v3/pipeline HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
                 b"POST /v3/pipeline HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
                 b"POST /v3/pipeline HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"):
        connection = socket.create_connection(ADDRESS)
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
        read_answer(connection)
        connection.close()


def slow():
    """Clients that send next to nothing are cut off, and hold nobody up meanwhile. The server waits for one second."""
    connections = []
    for index in range(300):
        connection = socket.create_connection(ADDRESS)
        path = [b"/v3/pipeline", b"/pull-updates", b"/wal_log.ReplicationLog/Hello"][index % 3]
        connection.sendall([b"P", b"POST " + path + b" HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"][index % 2])
        connections.append(connection)
    must_serve()
    for index, connection in enumerate(connections):
        answer = read_answer(connection)
        head = answer.split(b"\r\n")[0]
        # A call of gRPC is answered with 200, and its own status.
        if answer and not any(status in head for status in (b" 408 ", b" 400 ")) and b"grpc-status: 14" not in answer.lower():
            fail("a slow client got %r" % answer[:100])
        connection.close()


def idle():
    """A thousand streams that nobody uses, and as many connections."""
    connections = []
    body = json.dumps({"baton": None, "requests": [execute("CREATE TABLE IF NOT EXISTS t (a)"), execute("SELECT * FROM t")]})
    for _ in range(1000):
        connection = http.client.HTTPConnection(*ADDRESS, timeout=60)
        connection.request("POST", "/v3/pipeline", body)
        if connection.getresponse().read().count(b'"ok"') != 2:
            fail("a stream was refused")
        connections.append(connection)
    must_serve()
    for connection in connections:
        connection.close()


def websocket(protocol):
    connection = socket.create_connection(ADDRESS)
    connection.settimeout(60)
    key = base64.b64encode(os.urandom(16)).decode()
    connection.sendall(
        ("GET / HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n"
         "sec-websocket-key: %s\r\nsec-websocket-protocol: %s\r\n\r\n" % (key, protocol)).encode())
    head = b""
    while b"\r\n\r\n" not in head:
        more = connection.recv(1)
        if not more:
            break
        head += more
    return connection, head


def frame(opcode, payload, final=True):
    mask = os.urandom(4)
    length = len(payload)
    head = bytes([(0x80 if final else 0) | opcode])
    if length < 126:
        head += bytes([0x80 | length])
    elif length < 65536:
        head += bytes([0x80 | 126]) + struct.pack(">H", length)
    else:
        head += bytes([0x80 | 127]) + struct.pack(">Q", length)
    return head + mask + bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))


def sockets():
    _, head = websocket("graphql-ws")
    if head.startswith(b"HTTP/1.1 101"):
        fail("an unknown subprotocol was taken")
    hello = frame(1, b'{"type":"hello","jwt":null}')
    request = b'{"type":"request","request_id":1,"request":{"type":"open_stream","stream_id":1}}'
    for frames in (
        frame(1, b"{"), frame(1, b"\xff"), frame(2, b"{}"), frame(1, request), hello + frame(1, b'{"type":"no"}'),
        frame(0, b"x"), frame(1, b"x" * 70_000), b"\xff" * 50,
        hello + b"".join(frame(1, request) for _ in range(3000)),
    ):
        connection, head = websocket("hrana3")
        if not head.startswith(b"HTTP/1.1 101"):
            fail("no WebSocket: %r" % head)
        try:
            connection.sendall(frames)
            connection.shutdown(socket.SHUT_WR)
        except ConnectionError:
            pass
        read_answer(connection)
        connection.close()
    # In parts, with a ping between them, as an honest client may.
    connection, _ = websocket("hrana2, hrana3")
    text = b'{"type":"hello","jwt":null}'
    connection.sendall(frame(1, text[:5], final=False) + frame(9, b"now") + frame(0, text[5:]))
    received = b""
    while b"hello_ok" not in received:
        more = connection.recv(4096)
        if not more:
            fail("a message in parts was not answered: %r" % received)
        received += more
    connection.close()


SCENARIOS = {
    "malformed": malformed, "batons": batons, "paths": paths, "large": large, "broken": broken, "slow": slow, "idle": idle,
    "sockets": sockets,
}
SCENARIOS[sys.argv[2]]()
must_serve()
