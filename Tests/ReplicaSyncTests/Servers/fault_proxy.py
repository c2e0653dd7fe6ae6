"""An HTTP/1.1 proxy before one server, which makes mistakes when told to.

Arguments: the port of the server. Prints its own port and that of a second listener, which only records what it is asked:
another origin. Commands are lines of JSON on standard input, each answered by a line on standard output:

  {"rules": [RULE...]}   replaces the rules
  {"release": true}      sends the requests on that "drop": "late" has held back; answers with their statuses and bodies
  {"let_go": true}       lets the answers go that "hold" keeps, and keeps no more of them
  {"seen": true}         requests since the last time, as [method, path], and how many came to the other origin
  {"chaos": {"seed": n, "rate": p, "faults": [FAULT...]}}   from now on a request to which no rule applies gets one of these
                         faults with probability p; "chaos": null ends it. Answers how many were made until then

A RULE is tried in order: {"path": prefix, "method": M, "skip": n, "times": n, ...one fault}. "skip" lets the first n requests
that fit pass, "times" is how often the fault is made (default: for ever). Faults:

  "status": n [, "body": text, "headers": {}]   the server is not asked
  "redirect": true                              to the other origin; the server is not asked
  "drop": "before" | "after" | "late"           the connection is closed without an answer; "after": the server has acted;
                                                "late": it will act when it is told to
  "kill": pid                                   with "drop": that process is killed before its connection is closed
  "cut": n                                      the connection is closed after n bytes of the body
  "shorten": n                                  the last n bytes of the body are missing, and the length says so
  "lengthen": n                                 the length says n bytes more than come
  "delay": seconds                              before the answer
  "hold": true                                  before the answer, until {"let_go": true}
  "duplicate": "first" | "second"               the server gets the request twice; its first or second answer is passed on
  "instead": text                               the server has acted; this is answered, with status 200 or "instead_status": n
  "anonymous": true                             the server does not say which database it is, as Turso's does not
  "without_block": [size, index]                block `index` of the body is missing, and the length says so
"""
import http.client
import json
import os
import random
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import time

lock = threading.Lock()
rules = []
seen = []
foreign = []
held = []
# Answers that were told to wait.
letting_go = threading.Event()
# What {"chaos": ...} has set: a generator, the probability and the faults; and how many were made.
chaos = None
chaos_count = 0


def fault_for(method, path):
    global chaos_count
    with lock:
        seen.append([method, path])
        for rule in rules:
            if not path.startswith(rule.get("path", "")) or rule.get("method", method) != method:
                continue
            if rule.get("skip", 0) > 0:
                rule["skip"] -= 1
                continue
            if rule.get("times", 1) <= 0:
                continue
            if "times" in rule:
                rule["times"] -= 1
            return dict(rule)
        if chaos is not None:
            generator, rate, faults = chaos
            if generator.random() < rate:
                chaos_count += 1
                return dict(generator.choice(faults))
    return {}


def ask(method, path, request, headers):
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
    connection.request(method, path, request, headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def body(self):
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            data = b""
            while True:
                size = int(self.rfile.readline().strip(), 16)
                data += self.rfile.read(size)
                self.rfile.readline()
                if size == 0:
                    return data
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def close(self, fault={}):
        if "kill" in fault:
            os.kill(fault["kill"], signal.SIGKILL)
        self.close_connection = True

    def answer(self, status, headers, body, length=None):
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        self.send_header("content-length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        if length is not None:
            self.close()

    def handle_any(self):
        request = self.body()
        fault = fault_for(self.command, self.path)
        if "status" in fault:
            text = fault.get("body", "").encode()
            return self.answer(fault["status"], list(fault.get("headers", {}).items()), text)
        if "redirect" in fault:
            target = "http://127.0.0.1:%d%s" % (other.server_address[1], self.path)
            return self.answer(307, [("location", target)], b"")
        if fault.get("drop") == "before":
            return self.close(fault)
        passed_on = ("transfer-encoding", "connection", "content-length")
        sent = {name: value for name, value in self.headers.items() if name.lower() not in passed_on}
        sent["content-length"] = str(len(request))
        if fault.get("drop") == "late":
            with lock:
                held.append((self.command, self.path, request, sent))
            return self.close(fault)
        try:
            response, body = ask(self.command, self.path, request, sent)
            if "duplicate" in fault:
                repeated = ask(self.command, self.path, request, sent)
                if fault["duplicate"] == "second":
                    response, body = repeated
        except (OSError, http.client.HTTPException):
            return self.close()
        if "hold" in fault:
            letting_go.wait()
        if "delay" in fault:
            time.sleep(fault["delay"])
        if fault.get("drop") == "after":
            return self.close(fault)
        headers = response.getheaders()
        if "instead" in fault:
            return self.answer(fault.get("instead_status", 200), headers, fault["instead"].encode())
        if "cut" in fault:
            return self.answer(response.status, headers, body[: fault["cut"]], len(body) + 1)
        if "lengthen" in fault:
            return self.answer(response.status, headers, body, len(body) + fault["lengthen"])
        if "shorten" in fault:
            body = body[: max(0, len(body) - fault["shorten"])]
        if "anonymous" in fault:
            headers = [(name, value) for name, value in headers if name.lower() != "x-albergue-database"]
            if self.path == "/info":
                body = json.dumps({"current_generation": json.loads(body)["current_generation"]}).encode()
        if "without_block" in fault:
            size, index = fault["without_block"]
            body = body[: size * index] + body[size * (index + 1) :]
        self.answer(response.status, headers, body)

    do_GET = do_POST = handle_any


class Foreign(BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def handle_any(self):
        with lock:
            foreign.append(self.path)
        self.send_response(200)
        self.end_headers()

    do_GET = do_POST = handle_any


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, address):
        pass


proxy = Server(("127.0.0.1", 0), Handler)
other = Server(("127.0.0.1", 0), Foreign)
for server in (proxy, other):
    threading.Thread(target=server.serve_forever, daemon=True).start()
print(proxy.server_address[1], other.server_address[1], flush=True)
for line in sys.stdin:
    command = json.loads(line)
    late = []
    if "release" in command:
        with lock:
            requests, held[:] = list(held), []
        for request in requests:
            try:
                response, body = ask(*request)
            except (OSError, http.client.HTTPException):
                continue
            late.append([str(response.status), body.decode(errors="replace")])
    if "let_go" in command:
        letting_go.set()
    with lock:
        if "rules" in command:
            letting_go.clear()
            rules[:] = command["rules"]
            answer = {}
        elif "chaos" in command:
            wanted = command["chaos"]
            answer = {"count": chaos_count}
            chaos = wanted and (random.Random(wanted["seed"]), wanted["rate"], wanted["faults"])
        else:
            answer = {"seen": list(seen), "foreign": len(foreign), "late": late}
            del seen[:]
    print(json.dumps(answer), flush=True)
