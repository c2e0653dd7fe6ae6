#!/usr/bin/env python3
"""Measures encrypted replicas against libsql's plaintext ones, of the same primary in one run: the part `replica` of
docs/benchmarks.md.

Usage: sync.py [--megabytes N] [--rounds N] [--no-write]
"""
import argparse
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from primary import Server, fill
from report import ROOT, Table

RELEASE = os.path.join(ROOT, ".build", "release")
REPLICA_KEY = "b2" * 32

LIBSQL = """
import libsql, sys, time
connection = None
for line in sys.stdin:
    start = time.perf_counter()
    # Connecting makes the first pull.
    connection = connection or libsql.connect(sys.argv[2], sync_url=sys.argv[1], auth_token="")
    connection.sync()
    print(time.perf_counter() - start, flush=True)
"""


class Worker:
    """A process that synchronises a replica once for each line it is sent."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"bench: {self.process.args[0]} ended: {self.process.wait()}")
        return [float(word) for word in answer.split()]

    def peak(self):
        """Highest memory so far, in MiB."""
        with open(f"/proc/{self.process.pid}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:")) / 1024

    def stop(self):
        self.process.stdin.close()
        if self.process.wait() != 0:
            sys.exit(f"bench: {self.process.args[0]} did not end with 0")


def workers(server, folder):
    ours = Worker(os.path.join(RELEASE, "sync-benchmark"), os.path.join(folder, "ours.db"), server.url, REPLICA_KEY)
    theirs = Worker(sys.executable, "-c", LIBSQL, server.url, os.path.join(folder, "libsql.db"))
    return ours, theirs


def settle(log):
    """Waits until ours has emptied its log, which it does after its answer, so that nobody else is measured meanwhile."""
    deadline = time.monotonic() + 10
    while os.path.exists(log) and os.path.getsize(log) > 1000 * 4120 and time.monotonic() < deadline:
        time.sleep(0.01)


def measure(megabytes, rounds, table):
    with tempfile.TemporaryDirectory(prefix="albergue-bench-") as folder:
        server = Server(folder)
        size = fill(server, megabytes)
        first, peaks = ([], []), ([], [])
        for round_ in range(3):
            with tempfile.TemporaryDirectory(prefix="albergue-replica-") as target:
                pair = workers(server, target)
                # In turns, so that neither always finds the file cache as the other left it.
                for index in ((0, 1), (1, 0))[round_ % 2]:
                    first[index].append(pair[index].ask("sync")[0])
                    peaks[index].append(pair[index].peak())
                    pair[index].stop()
        table.at_most(f"first pull of {size:.0f} MB", first[1], first[0], 1.0)
        one, other = max(peaks[0]), max(peaks[1])
        table.limit("peak memory of it", one / other, f"{one / other:.2f} x their memory", 0.2, "<= 0.2 x", f"{other:.0f} MiB",
                    f"{one:.0f} MiB")
        ours, theirs = workers(server, folder)
        for worker in (ours, theirs):
            worker.ask("sync")
            worker.ask("sync")

        def syncs(what, count, goal, change):
            times = ([], [])
            for round_ in range(count):
                change(round_)
                for index in ((0, 1), (1, 0))[round_ % 2]:
                    times[index].append((ours, theirs)[index].ask("sync")[0])
                    settle(os.path.join(folder, "ours.db-wal"))
            table.at_most(what, times[1], times[0], goal, "ms", 1000, 2)

        syncs("sync without a change", rounds * 10, 0.7, lambda _: None)
        syncs("sync after one row has changed", rounds * 10, 0.8,
              lambda n: server.run(f"UPDATE big SET a = hex(randomblob(100)) WHERE id = {n * 37 + 1}"))
        # Rows of about 1 kB: every fourth is on a page of its own.
        syncs("sync after 10,000 pages have changed", 5, 1.0,
              lambda n: server.run(f"UPDATE big SET a = hex(randomblob(100)) WHERE id % 4 = {n % 4} AND id <= 40000"))
        plain = os.path.join(folder, "libsql.db")
        theirs.stop()
        everything = megabytes * 1000
        for what, line in (("100,000 reads of a row by its key, of 20 MB that fit into the cache", f"points {plain} 20000 100000"),
                           ("reading these rows in order", f"scan {plain} 20000"),
                           ("100,000 reads of a row by its key, of everything", f"points {plain} {everything} 100000"),
                           ("reading all rows in order", f"scan {plain} {everything}")):
            one, other = ours.ask(line)
            table.at_most(what, [other], [one], 1.2 if " 20000" in line else None, "ms", 1000, 1)
        ours.stop()
        server.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--megabytes", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--no-write", action="store_true", help="leave docs/benchmarks.md as it is")
    arguments = parser.parse_args()
    table = Table("replica")
    measure(arguments.megabytes, arguments.rounds, table)
    if not arguments.no_write:
        table.write("encrypted replicas (page store, sqlcipher4) against the plaintext replicas of `libsql` 0.1.11, by V2 from the "
                    f"same `albergue-primary`; {arguments.rounds * 10} syncs of small changes, 5 of large ones, 3 first pulls; reads "
                    "through `Session` in Swift against SQLite's C API, a cache of 64 MiB each, medians of 5 rounds")


if __name__ == "__main__":
    main()
