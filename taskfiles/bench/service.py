#!/usr/bin/env python3
"""Measures albergue-service with wrk: reads of a replica against reads of an ordinary encrypted file by the same service, and
against reads of a plaintext SQLite database through the same routes, queries and readers (`service-benchmark`, since the service
itself opens no plaintext); and reads of a replica while many pages are synchronised against reads of an idle one: the part
`service` of docs/benchmarks.md.

All programs share the machine. In the last part the primary, which is another machine in earnest, runs at the lowest priority, so
that what is measured is the service with its sync, and not how two programs share a processor.

Usage: service.py [--seconds N] [--syncing-seconds N] [--rounds N] [--pages N] [--only-syncs] [--no-write]
"""
import argparse
import atexit
import contextlib
import http.client
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from primary import Server
from report import ROOT, Table

RELEASE = os.path.join(ROOT, ".build", "release")
KEY, COLUMNS = "b2" * 32, "c3" * 32
BOOKING, BOOKING_COUNT = "/v1/bookings/BENCH-%d", 50_000

REQUEST = """
request = function() return wrk.format("GET", string.format([[%s]], math.random(1, %d))) end
done = function(summary, latency, requests)
  io.write(string.format("RESULT %%d %%d %%d %%d %%d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), summary.errors.status + summary.errors.read + summary.errors.timeout))
end
"""


class Plain:
    """The routes of the service on a plaintext database."""

    def __init__(self, replica, url, path):
        self.process = subprocess.Popen(
            [os.path.join(RELEASE, "service-benchmark"), replica, url, path], stdout=subprocess.PIPE, text=True)
        atexit.register(self.process.kill)
        line = self.process.stdout.readline()
        if "http://" not in line:
            sys.exit("bench: service-benchmark did not start")
        self.port = int(line.rsplit(":", 1)[1])

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Service:
    """The real service on a free port, without tokens, on loopback."""

    def __init__(self, folder, mode, path, remote=None, interval="0"):
        self.environment = {
            "PATH": os.environ["PATH"], "DB_MODE": mode, "TURSO_REPLICA_PATH": path, "TURSO_ENCRYPTION_KEY": KEY,
            "PILGRIM_ENCRYPTION_KEY": COLUMNS, "TURSO_SYNC_INTERVAL_SECS": interval}
        if remote:
            self.environment["TURSO_DATABASE_URL"] = remote
        program = os.path.join(RELEASE, "albergue-service")
        subprocess.run([program, "migrate"], env=self.environment, check=True, capture_output=True)
        self.process = subprocess.Popen(
            [program, "serve", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True, env=self.environment)
        atexit.register(self.process.kill)
        line = self.process.stdout.readline()
        if "http://" not in line:
            sys.exit("bench: albergue-service did not start")
        self.port = int(line.rsplit(":", 1)[1])
        while self.get("/health")[0] != 200:
            time.sleep(0.05)

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    def syncs(self):
        """Syncs that succeeded so far."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request("GET", "/metrics")
        lines = dict(line.split(" ") for line in connection.getresponse().read().decode().splitlines() if line[0] != "#")
        return int(float(lines["albergue_service_syncs_total"]) - float(lines["albergue_service_sync_failures_total"]))

    def stop(self):
        self.process.terminate()
        if self.process.wait() != 0:
            sys.exit("bench: albergue-service did not end with 0")


def wrk(service, folder, path, highest, seconds):
    """Requests a second, and the 50th and 99th percentile of the time in milliseconds, on 16 connections."""
    script = os.path.join(folder, f"load-{service.port}.lua")
    with open(script, "w") as file:
        file.write(REQUEST % (path, highest))
    output = subprocess.run(
        ["wrk", "-t1", "-c16", f"-d{seconds}s", "--timeout", "30s", "-s", script, f"http://127.0.0.1:{service.port}"],
        capture_output=True, text=True, check=True).stdout
    fields = next(line for line in output.splitlines() if line.startswith("RESULT")).split()[1:]
    count, duration, middle, late, errors = map(int, fields)
    if errors:
        sys.exit(f"bench: {errors} requests failed")
    return count / (duration / 1e6), middle / 1000, late / 1000


def statements(name):
    with open(os.path.join(ROOT, "taskfiles", "sql", name), encoding="utf-8") as file:
        return file.read()


def sequence(server, sql):
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request("POST", "/v3/pipeline", json.dumps({"requests": [{"type": "sequence", "sql": sql}, {"type": "close"}]}))
    answer = json.loads(connection.getresponse().read())
    if answer["results"][0]["type"] == "error":
        sys.exit(f"bench: {answer['results'][0]['error']['message']}")


def bookings(count):
    """Beds and bookings, enough that a look at a booking is a walk down its index."""
    return (
        "INSERT INTO pilgrims (id, first_name_encrypted, last_name1_encrypted, birth_date_encrypted, document_type, "
        "document_number_encrypted, gender, phone_encrypted, address_country, address_street_encrypted, "
        "address_city_encrypted, address_postal_code) VALUES (1, 'x', 'x', 'x', 'PAS', 'x', 'M', 'x', 'ESP', 'x', 'x', '06800');"
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 24) INSERT INTO beds (bed_number, room_number, "
        "room_name, price_per_night, status) SELECT i, 1 + i / 8, 'Dormitorio', 15.0, 'available' FROM n;"
        f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) INSERT INTO bookings (pilgrim_id, "
        "reference_number, check_in_date, check_out_date, number_of_nights, status, bed_assignment_id, total_amount, "
        "reservation_expires_at, payment_deadline) SELECT 1, 'BENCH-' || i, date('2000-01-01', '+' || (i / 24 * 2) || ' days'), "
        "date('2000-01-03', '+' || (i / 24 * 2) || ' days'), 2, 'checked_out', 1 + i % 24, 30.0, '2000-01-01T00:00:00+00:00', "
        "'2000-01-01T00:00:00+00:00' FROM n;")


def text(figures):
    return "%.0f reads/s, p50 %.2f ms, p99 %.2f ms" % tuple(figures)


def compare(folder, server, options, table):
    """Reads of a replica, an ordinary encrypted file and a plaintext database, in turns."""
    replica = Service(folder, "libsql_embedded_replica", os.path.join(folder, "replica.db"), server.url)
    exported, clear = os.path.join(folder, "hostel.db"), os.path.join(folder, "plain.db")
    with open(os.path.join(folder, "key"), "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write(KEY)
    for arguments in (["--dest-key-file", os.path.join(folder, "key"), os.path.join(folder, "replica.db"), exported],
                      ["--plaintext", "--yes-write-plaintext", os.path.join(folder, "replica.db"), clear]):
        subprocess.run([os.path.join(RELEASE, "albergue-crypt"), "export", *arguments], check=True, capture_output=True,
                       env={"PATH": os.environ["PATH"], "TURSO_ENCRYPTION_KEY": KEY})
    with contextlib.closing(sqlite3.connect(clear)) as database:
        database.execute("PRAGMA journal_mode=WAL")
    services = (("replica", replica), ("an ordinary encrypted file", Service(folder, "seaorm_sqlite", exported)),
                ("plaintext", Plain(os.path.join(folder, "replica.db"), server.url, clear)))
    for name, path, highest in (
            ("a booking by its reference", BOOKING, BOOKING_COUNT),
            ("free beds of a stay", "/v1/availability?check_in=2027-01-01&check_out=2027-01-03&limit=%d", 24)):
        results = {label: [] for label, _ in services}
        # In turns, so that what else the machine does falls on all of them.
        for turn in range(options.rounds):
            for label, service in services:
                if turn == 0:
                    wrk(service, folder, path, highest, 2)
                results[label].append(wrk(service, folder, path, highest, options.seconds))
        middle = {label: [statistics.median(values) for values in zip(*runs)] for label, runs in results.items()}
        for label, goal in (("an ordinary encrypted file", None), ("plaintext", 0.8)):
            ratio = middle["replica"][0] / middle[label][0]
            table.add(f"{name}, 16 connections: a replica against {label}",
                      f"{ratio:.2f} x their rate, p99 {middle['replica'][2] / middle[label][2]:.2f} x",
                      f">= {goal} x" if goal else "none", ratio >= goal if goal else None, text(middle[label]),
                      text(middle["replica"]))
    for _, service in services:
        service.stop()


def during_syncs(folder, server, options, table):
    """Reads of a replica that nobody synchronises, of one that looks every second and finds nothing, and while much is written."""
    sequence(server, "CREATE TABLE ballast (a BLOB)")
    for thread in os.listdir(f"/proc/{server.process.pid}/task"):
        os.setpriority(os.PRIO_PROCESS, int(thread), 19)

    def start(interval):
        service = Service(folder, "libsql_embedded_replica", os.path.join(folder, "replica.db"), server.url, interval)
        wrk(service, folder, BOOKING, BOOKING_COUNT, 5)
        return service

    alone = start("3600")
    idle = wrk(alone, folder, BOOKING, BOOKING_COUNT, options.syncing_seconds)
    alone.stop()
    following = start("1")
    looking = wrk(following, folder, BOOKING, BOOKING_COUNT, options.syncing_seconds)
    stop = threading.Event()

    def write():
        while not stop.is_set():
            sequence(server, f"DELETE FROM ballast; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                             f"WHERE i < {options.pages}) INSERT INTO ballast SELECT randomblob(4000) FROM n;")

    writer = threading.Thread(target=write)
    writer.start()
    former = following.syncs()
    busy = wrk(following, folder, BOOKING, BOOKING_COUNT, options.syncing_seconds)
    syncs = following.syncs() - former
    stop.set()
    writer.join()
    table.add("a booking, looking for changes every second, against no sync",
              f"{looking[0] / idle[0]:.2f} x their rate, p99 {looking[2] / idle[2]:.2f} x", theirs=text(idle), ours=text(looking))
    table.limit(f"a booking during {syncs} syncs, of {options.pages} changed pages at a time, against no sync",
                busy[2] / idle[2], f"{busy[2] / idle[2]:.2f} x their p99", 2, "<= 2 x", text(idle), text(busy))
    following.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--syncing-seconds", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pages", type=int, default=10_000)
    parser.add_argument("--only-syncs", action="store_true", help="measure the last part only; write nothing")
    parser.add_argument("--no-write", action="store_true", help="leave docs/benchmarks.md as it is")
    options = parser.parse_args()
    table = Table("service")
    with tempfile.TemporaryDirectory() as folder:
        server = Server(folder)
        atexit.register(server.process.kill)
        sequence(server, statements("hostel-schema.sql") + bookings(BOOKING_COUNT))
        if not options.only_syncs:
            compare(folder, server, options, table)
        during_syncs(folder, server, options, table)
        server.stop()
    if not options.no_write and not options.only_syncs:
        table.write(f"medians of {options.rounds} rounds of {options.seconds} s in turns; load, service and primary share the machine, "
                    f"the primary at the lowest priority in the last part, of {options.syncing_seconds} s each")


if __name__ == "__main__":
    main()
