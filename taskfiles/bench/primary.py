#!/usr/bin/env python3
"""Measures albergue-primary with wrk and the official clients: the part `primary` of docs/benchmarks.md.

Usage: primary.py [--megabytes N] [--seconds N] [--hrana HOST:PORT] [--no-write]

--hrana names another server of Hrana 3, to compare with; no package registry has one. That of the protocol's authors is
github.com/libsql/hrana-test-server: `ENCODING=json LOG_LEVEL=ERROR PERSISTENT_DB=FILE python3 server_v3.py`. Its tables t and w
are replaced.
"""
import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from report import ROOT, Table

PRIMARY = os.path.join(ROOT, ".build", "release", "albergue-primary")
KEY = "a1" * 32

REQUEST = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
request = function()
  return wrk.format(nil, "/v3/pipeline", nil, string.format([[%s]], math.random(1, %d)))
end
done = function(summary, latency, requests)
  io.write(string.format("RESULT %%d %%d %%d %%d %%d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), summary.errors.status + summary.errors.read + summary.errors.timeout))
end
"""


class Hrana:
    """A server of Hrana 3."""

    def __init__(self, host, port):
        self.host, self.port = host, port
        self.url = f"http://{host}:{port}"

    def run(self, *sql):
        connection = http.client.HTTPConnection(self.host, self.port)
        requests = [{"type": "execute", "stmt": {"sql": text, "want_rows": True}} for text in sql]
        connection.request("POST", "/v3/pipeline", json.dumps({"requests": requests + [{"type": "close"}]}),
                           {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())
        for result in answer["results"]:
            if result["type"] == "error":
                sys.exit(f"bench: {result['error']['message']}")
        return answer["results"]


class Server(Hrana):
    """The real server on a free port, its key in the environment."""

    def __init__(self, folder, *arguments):
        self.store = os.path.join(folder, "primary.db")
        self.process = subprocess.Popen(
            [PRIMARY, "serve", "--store", self.store, "--listen", "127.0.0.1:0", "--transaction-secs", "600",
             "--statement-secs", "600", *arguments],
            stdout=subprocess.PIPE, text=True, env={"PATH": os.environ["PATH"], "TURSO_ENCRYPTION_KEY": KEY})
        line = self.process.stdout.readline()
        if "http://" not in line:
            sys.exit("bench: albergue-primary did not start")
        super().__init__("127.0.0.1", int(line.split(",")[0].rsplit(":", 1)[1]))

    def status(self, name):
        with open(f"/proc/{self.process.pid}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith(name + ":"))

    def reset_peak(self):
        with open(f"/proc/{self.process.pid}/clear_refs", "w") as file:
            file.write("5")

    def cpu(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.terminate()
        if self.process.wait() != 0:
            sys.exit("bench: albergue-primary did not end with 0")


def wrk(server, folder, body, highest, connections, seconds):
    script = os.path.join(folder, "load.lua")
    with open(script, "w") as file:
        file.write(REQUEST % (body, highest))
    output = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", script, server.url],
        capture_output=True, text=True, check=True).stdout
    fields = next(line for line in output.splitlines() if line.startswith("RESULT")).split()[1:]
    count, duration, middle, late, errors = map(int, fields)
    if errors:
        sys.exit(f"bench: {errors} requests failed")
    return count / (duration / 1e6), middle / 1000, late / 1000


def pipeline(sql):
    return json.dumps({"baton": None, "requests": [
        {"type": "execute", "stmt": {"sql": sql, "args": [{"type": "integer", "value": "%d"}]}}, {"type": "close"}]})


SELECT, INSERT = pipeline("SELECT id, name, note FROM t WHERE id = ?"), pipeline("INSERT INTO w (a) VALUES (?)")


def fill_small(server):
    server.run("DROP TABLE IF EXISTS t", "DROP TABLE IF EXISTS w",
               "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, note TEXT)",
               "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) "
               "INSERT INTO t SELECT i, 'guest-' || i, hex(randomblob(40)) FROM n",
               "CREATE TABLE w (id INTEGER PRIMARY KEY, a INTEGER)")


def measure_sql(folder, seconds, other, table):
    servers = [Server(folder)] + ([Hrana(*other)] if other else [])
    for server in servers:
        fill_small(server)
    for what, body, connections, name in (
            ("SELECT by key, 16 keep-alive connections", SELECT, 16, "requests/s"),
            ("INSERT of one row, a durable transaction each, 1 connection(s)", INSERT, 1, "transactions/s"),
            ("INSERT of one row, a durable transaction each, 16 connection(s)", INSERT, 16, "transactions/s")):
        figures = []
        for server in servers:
            wrk(server, folder, body, 100_000, connections, 2)
            figures.append(wrk(server, folder, body, 100_000, connections, seconds))
        texts = [f"{rate:.0f} {name}, p50 {middle:.2f} ms, p99 {late:.2f} ms" for rate, middle, late in figures]
        table.add(what, texts[0])
        if other:
            table.add(f"{what}: the plaintext test server of Hrana's authors (Python)", f"{figures[0][0] / figures[1][0]:.1f} x their rate",
                      theirs=texts[1], ours=texts[0])
    table.add("peak memory of the server meanwhile", f"{servers[0].status('VmHWM') / 1024:.0f} MiB")
    servers[0].stop()


def fill(server, megabytes):
    """A table of rows of about a kilobyte, so many thousand of them. Returns the size of the database in MB."""
    server.run("CREATE TABLE big (id INTEGER PRIMARY KEY, a TEXT, b BLOB)")
    for begin in range(0, megabytes, 20):
        count = min(20, megabytes - begin) * 1000
        server.run(f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) "
                   "INSERT INTO big (a, b) SELECT hex(randomblob(100)), randomblob(750) FROM n")
    pages = int(server.run("PRAGMA page_count")[0]["response"]["result"]["rows"][0][0]["value"])
    return pages * 4096 / 1e6


LIBSQL = """
import libsql, sys, time
start = time.perf_counter()
connection = libsql.connect(sys.argv[2] + "/libsql.db", sync_url=sys.argv[1], auth_token="")
connection.sync()
print(connection.execute("SELECT count(*) FROM big").fetchone()[0], time.perf_counter() - start)
"""
PYTURSO = """
import sys, time
import turso.sync
start = time.perf_counter()
connection = turso.sync.connect(sys.argv[2] + "/turso.db", remote_url=sys.argv[1])
print(connection.execute("SELECT count(*) FROM big").fetchone()[0], time.perf_counter() - start)
"""


def measure_bootstrap(folder, megabytes, table):
    server = Server(folder)
    size = fill(server, megabytes)
    server.run("PRAGMA user_version")
    for name, program in (("libsql 0.1.11", LIBSQL), ("pyturso 0.8.3", PYTURSO)):
        times, peaks = [], []
        for round_ in range(3):
            with tempfile.TemporaryDirectory(prefix="albergue-replica-") as target:
                server.reset_peak()
                run = subprocess.run([sys.executable, "-c", program, server.url, target], capture_output=True, text=True)
                if run.returncode:
                    sys.exit(f"bench: {name}: {run.stderr.strip()[-500:]}")
                times.append(float(run.stdout.split()[1]))
                peaks.append(server.status("VmHWM") / 1024)
        rate = size / statistics.median(times)
        table.add(f"first pull of {size:.0f} MB by {name}", f"{rate:.0f} MB/s ({min(times):.2f}-{max(times):.2f} s)")
        table.limit(f"peak memory of the server meanwhile, {name}", max(peaks), f"{max(peaks):.0f} MiB", 64, "<= 64 MiB")
    server.stop()


def measure_polling(folder, seconds, table):
    """200 replicas ask once a second for what is new, while 10 rows a second are written."""
    server = Server(folder)
    server.run("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)", "INSERT INTO t (a) VALUES ('first')")
    stop = threading.Event()

    def write():
        while not stop.is_set():
            server.run("INSERT INTO t (a) VALUES (hex(randomblob(50)))")
            stop.wait(0.1)

    latencies, failures = [], []

    def poll(offset):
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        frame = generation = 1
        time.sleep(offset)
        while not stop.is_set():
            start = time.perf_counter()
            connection.request("GET", f"/sync/{generation}/{frame}/{frame + 128}")
            answer = connection.getresponse()
            body = answer.read()
            latencies.append(time.perf_counter() - start)
            if answer.status == 200:
                frame += len(body) // 4120
            elif answer.status == 400:
                newest = json.loads(body)["generation"]
                if newest > generation:
                    generation, frame = generation + 1, 1
            else:
                failures.append(answer.status)
            stop.wait(max(0, 1 - (time.perf_counter() - start)))

    threads = [threading.Thread(target=write)] + [threading.Thread(target=poll, args=(i / 200,)) for i in range(200)]
    for thread in threads:
        thread.start()
    time.sleep(2)
    latencies.clear()
    before, start = server.cpu(), time.perf_counter()
    time.sleep(seconds)
    share = (server.cpu() - before) / (time.perf_counter() - start)
    stop.set()
    for thread in threads:
        thread.join()
    if failures:
        sys.exit(f"bench: polls failed: {failures[:5]}")
    ordered = sorted(latencies)
    table.add("200 replicas polling each second (V2), 10 rows a second written",
              f"{share * 100:.0f} % of one core, {len(ordered) / seconds:.0f} polls/s, p50 "
              f"{ordered[len(ordered) // 2] * 1000:.1f} ms, p99 {ordered[int(len(ordered) * 0.99)] * 1000:.1f} ms, peak memory "
              f"{server.status('VmHWM') / 1024:.0f} MiB")
    server.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--megabytes", type=int, default=300)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--hrana", metavar="HOST:PORT", help="another server of Hrana 3 to compare with")
    parser.add_argument("--no-write", action="store_true", help="leave docs/benchmarks.md as it is")
    arguments = parser.parse_args()
    table = Table("primary")
    other = None
    if arguments.hrana:
        host, _, port = arguments.hrana.rpartition(":")
        other = (host, int(port))
    for measure in (lambda folder: measure_sql(folder, arguments.seconds, other, table),
                    lambda folder: measure_polling(folder, arguments.seconds, table),
                    lambda folder: measure_bootstrap(folder, arguments.megabytes, table)):
        with tempfile.TemporaryDirectory(prefix="albergue-bench-") as folder:
            measure(folder)
    if not arguments.no_write:
        table.write(f"load and server share the machine, {arguments.seconds} s each after 2 s for warming up; first pulls are "
                    "medians of three; profile sqlcipher4")


if __name__ == "__main__":
    main()
