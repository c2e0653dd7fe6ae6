"""A server that does to clients what servers and networks do: answers from a script, whole, cut, late, or not at all.

Standard library only. Binds 127.0.0.1 on two free ports and prints them: the first for clients, the second, without
TLS, for control. Ends when its standard input does. As a proxy it makes tunnels (CONNECT).

  server.py [--certificate FILE --key FILE [--client-authority FILE]]

Control, which is not recorded:
  POST /_routes    {"GET /path": [ANSWER, ...]}; the last answer of a list is given again and again
  GET  /_requests  what has been asked: method, path, headers, body (base64), number of the connection

ANSWER: status, headers [[name, value]], body (base64), framing, cut_at, close, require_authorization
framing: length (default), chunked, until-close, cut-length, cut-chunked, reset, silence, drop,
         dribble-head, dribble-body, stall, echo
"""

import argparse
import base64
import json
import socket
import ssl
import struct
import sys
import threading
import time

lock = threading.Lock()
routes = {}
requests = []
connections = 0


class Closed(Exception):
    pass


class Connection:
    def __init__(self, sock, number):
        self.sock, self.number, self.buffer = sock, number, b""

    def more(self):
        data = self.sock.recv(65536)
        if not data:
            raise Closed
        self.buffer += data

    def take(self, count):
        while len(self.buffer) < count:
            self.more()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def line(self):
        while b"\r\n" not in self.buffer:
            self.more()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode("latin-1")

    def request(self):
        method, path, _ = self.line().split(" ", 2)
        headers = []
        while line := self.line():
            name, value = line.split(":", 1)
            headers.append([name.lower(), value.strip()])
        fields = dict(headers)
        body = b""
        if fields.get("transfer-encoding") == "chunked":
            while size := int(self.line(), 16):
                body += self.take(size)
                self.line()
            self.line()
        elif "content-length" in fields:
            body = self.take(int(fields["content-length"]))
        return method, path, headers, body

    def serve(self):
        while True:
            method, path, headers, body = self.request()
            if path == "/_routes":
                with lock:
                    routes.update(json.loads(body))
                self.answer({"status": 200})
                continue
            if path == "/_requests":
                with lock:
                    text = json.dumps(requests).encode()
                self.answer({"status": 200, "body": base64.b64encode(text).decode()})
                continue
            with lock:
                requests.append(
                    {
                        "method": method,
                        "path": path,
                        "headers": headers,
                        "body": base64.b64encode(body).decode(),
                        "connection": self.number,
                    }
                )
                answers = routes.get(f"{method} {path}") or routes.get(f"{method} *")
                answer = {"status": 404} if not answers else answers.pop(0) if len(answers) > 1 else answers[0]
            if method == "CONNECT":
                self.tunnel(path)
                return
            wanted = answer.get("require_authorization")
            if wanted and dict(headers).get("authorization") != wanted:
                answer = {"status": 401, "body": answer.get("refusal", "")}
            if answer.get("framing") == "echo":
                answer = dict(answer, framing="length", body=base64.b64encode(json.dumps(headers).encode()).decode())
            if self.answer(answer):
                return

    def answer(self, answer):
        """Gives True when the connection is done with."""
        status = answer.get("status", 200)
        body = base64.b64decode(answer.get("body", "")) * answer.get("times", 1)
        framing = answer.get("framing", "length")
        cut = answer.get("cut_at", len(body) // 2)
        head = f"HTTP/1.1 {status} Status\r\n"
        for name, value in answer.get("headers", []):
            head += f"{name}: {value}\r\n"
        if framing in ("length", "cut-length", "dribble-body", "stall", "reset"):
            head += f"content-length: {len(body)}\r\n"
        elif framing in ("chunked", "cut-chunked"):
            head += "transfer-encoding: chunked\r\n"
        head = (head + "\r\n").encode("latin-1")
        send = self.sock.sendall
        if framing == "drop":
            return True
        if framing == "silence":
            self.wait_for_the_other()
            return True
        if framing == "dribble-head":
            for byte in head + body:
                send(bytes([byte]))
                time.sleep(0.02)
            return True
        send(head)
        if framing == "length":
            send(body)
        elif framing == "chunked":
            for start in range(0, len(body), 50_000):
                self.chunk(body[start : start + 50_000])
            send(b"0\r\n\r\n")
        elif framing == "until-close":
            send(body)
            return True
        elif framing == "cut-length":
            send(body[:cut])
            return True
        elif framing == "cut-chunked":
            if cut:
                self.chunk(body[:cut])
            return True
        elif framing == "reset":
            send(body[:cut])
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return True
        elif framing == "stall":
            send(body[:cut])
            self.wait_for_the_other()
            return True
        elif framing == "dribble-body":
            for byte in body:
                send(bytes([byte]))
                time.sleep(0.02)
        return answer.get("close", False)

    def tunnel(self, target):
        host, port = target.rsplit(":", 1)
        with socket.create_connection((host, int(port))) as other:
            self.sock.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            back = threading.Thread(target=pump, args=(other, self.sock), daemon=True)
            back.start()
            pump(self.sock, other)
            back.join()

    def chunk(self, data):
        self.sock.sendall(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def wait_for_the_other(self):
        while self.sock.recv(65536):
            pass


def pump(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def handle(sock, context):
    global connections
    try:
        if context:
            sock = context.wrap_socket(sock, server_side=True)
        with lock:
            connections += 1
            number = connections
        Connection(sock, number).serve()
    except (Closed, OSError):
        pass
    finally:
        sock.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    parser.add_argument("--client-authority")
    arguments = parser.parse_args()
    context = None
    if arguments.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(arguments.certificate, arguments.key)
        if arguments.client_authority:
            context.load_verify_locations(arguments.client_authority)
            context.verify_mode = ssl.CERT_REQUIRED
    for wrapping in (context, None):
        listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        print(listener.getsockname()[1], flush=True)
        threading.Thread(target=accept, args=(listener, wrapping), daemon=True).start()
    sys.stdin.read()


def accept(listener, context):
    while True:
        sock, _ = listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=handle, args=(sock, context), daemon=True).start()


main()
