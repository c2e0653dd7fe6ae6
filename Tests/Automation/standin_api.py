"""A stand-in for Turso's Platform API on this machine, with the failures that the real one has.

It knows databases, tokens for them and one platform token. `behaviour` makes it fail:

    "unauthorized"    401 to everything                "slow"            does not answer before `release` is called
    "plan"            402 to a new database            "silent-destroy"  says that it destroyed, and does not
    "name-taken-422"  422 instead of 409               "no-token"        a token that is none
    "prose"           200 with text instead of JSON    "other-database"  answers for another database than was asked for
    "no-host"         a host that is none              "echo"            an error that repeats what it was sent

Paths, fields and codes: docs of Turso's Platform API, and turso-cli (internal/turso/databases.go).
"""
import base64
import http.server
import json
import re
import threading
import urllib.parse


class StandInAPI:
    """Listens on 127.0.0.1 from the beginning; `close` ends it."""

    def __init__(self, token, organisation="hostel", sign=None, host_of=None):
        self.token = token
        self.organisation = organisation
        self.databases = {}
        self.behaviour = set()
        self.requests = []
        self.page_size = 100
        self.sign = sign or (lambda name: "e30.e30." + base64.urlsafe_b64encode(name.encode()).decode().rstrip("="))
        self.host_of = host_of or (lambda name: f"{name}-{organisation}.turso.example")
        self.released = threading.Event()
        stand_in = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def handle_any(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                status, answer = stand_in.answer(self.command, self.path, self.headers, body)
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                try:
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)
                except OSError:
                    self.close_connection = True

            do_GET = do_POST = do_DELETE = handle_any

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.release()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def release(self):
        """Lets answers go that were held back."""
        self.released.set()

    def describe(self, name):
        host = "not a host" if "no-host" in self.behaviour else self.host_of(name)
        return {"DbId": f"id-{name}", "Hostname": host, "Name": name, "group": self.databases[name]}

    def answer(self, method, target, headers, body):
        self.requests.append((method, target, dict(headers), body))
        if "slow" in self.behaviour:
            self.released.wait()
        if "prose" in self.behaviour:
            return 200, b"Service temporarily in a good mood"
        if "unauthorized" in self.behaviour or headers.get("Authorization") != f"Bearer {self.token}":
            return 401, {"error": "token is invalid"}
        if "echo" in self.behaviour:
            return 400, {"error": f"cannot read {headers.get('Authorization')}"}
        parts = urllib.parse.urlsplit(target)
        prefix = f"/v1/organizations/{self.organisation}/databases"
        if not parts.path.startswith(prefix):
            return 404, {"error": "organization not found"}
        names = [urllib.parse.unquote(part) for part in parts.path[len(prefix):].split("/") if part]
        query = dict(urllib.parse.parse_qsl(parts.query))
        if not names:
            return self.create(body) if method == "POST" else self.list(query)
        if names[0] not in self.databases:
            return 404, {"error": f"could not find database with name {names[0]}"}
        if names[1:] == ["auth", "tokens"] and method == "POST":
            return 200, {"jwt": "no token" if "no-token" in self.behaviour else self.sign(names[0])}
        if method == "DELETE":
            if "silent-destroy" not in self.behaviour:
                del self.databases[names[0]]
            return 200, {"database": names[0]}
        return 200, {"database": self.describe(names[0])}

    def list(self, query):
        names = sorted(self.databases)
        first = int(query.get("cursor", "0"))
        page = names[first:first + self.page_size]
        answer = {"databases": [self.describe(name) for name in page]}
        if first + self.page_size < len(names):
            answer["pagination"] = {"next": str(first + self.page_size)}
        return 200, answer

    def create(self, body):
        wanted = json.loads(body)
        name, group = wanted["name"], wanted["group"]
        if "plan" in self.behaviour:
            return 402, {"error": "upgrade your plan to create more databases"}
        if not re.fullmatch(r"[a-z0-9-]{1,64}", name):
            return 400, {"error": "name is invalid"}
        if group not in ("default", "europe"):
            return 404, {"error": "group not found"}
        if name in self.databases:
            return (422 if "name-taken-422" in self.behaviour else 409), {"error": f"database {name} already exists"}
        self.databases[name] = group
        answer = self.describe(name)
        if "other-database" in self.behaviour:
            answer["Name"] = "something-else"
        return 200, {"database": answer}
