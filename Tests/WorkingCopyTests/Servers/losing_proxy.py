"""An HTTP/1.1 proxy before one server on loopback that loses requests or answers.

  losing_proxy.py PORT

Prints its own port. Each line on standard input is a rule, answered by a line: {"text": T, "lose": "answer" | "request",
"times": n}. The next n requests whose body holds T are lost: with "answer" after the server has acted, with "request" before.
{} asks for nothing, and is answered by the number of requests lost so far. Standard library only; ends with its input.
"""
import http.client
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

lock = threading.Lock()
rule = {}
lost = 0


def loss(body):
    global lost
    with lock:
        if rule.get("times", 0) > 0 and rule["text"].encode() in body:
            rule["times"] -= 1
            lost += 1
            return rule["lose"]
    return None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def forward(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        fate = loss(body)
        if fate == "request":
            self.close_connection = True
            return
        server = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
        server.request(self.command, self.path, body, headers)
        answer = server.getresponse()
        data = answer.read()
        server.close()
        if fate == "answer":
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = forward


proxy = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=proxy.serve_forever, daemon=True).start()
print(proxy.server_port, flush=True)
for line in sys.stdin:
    with lock:
        change = json.loads(line)
        if change:
            rule = change
        print(lost, flush=True)
