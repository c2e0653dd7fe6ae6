#!/usr/bin/env python3
"""Measures encrypted replicas against libsql's plaintext ones, of the same primary in one run, and writes docs/benchmarks-sync.md.

Usage: sync.py [--megabytes N] [--rounds N] [--no-write]
"""
import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from primary import ROOT, Server, fill, machine

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


def ratio(rows, what, ours, theirs, goal, unit=1000, name="ms"):
    one, other = statistics.median(ours), statistics.median(theirs)
    spread = f"{min(ours) * unit:.1f}-{max(ours) * unit:.1f} against {min(theirs) * unit:.1f}-{max(theirs) * unit:.1f}"
    rows.append((what, f"{one * unit:.1f} {name}", f"{other * unit:.1f} {name}", f"{one / other:.2f}x", goal, spread))


def measure(megabytes, rounds):
    rows = []
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
        ratio(rows, f"first pull of {size:.0f} MB", *first, "1.0x", 1, "s")
        one, other = max(peaks[0]), max(peaks[1])
        rows.append(("peak memory of it", f"{one:.0f} MiB", f"{other:.0f} MiB", f"{one / other:.2f}x", "0.2x", ""))
        ours, theirs = workers(server, folder)
        for worker in (ours, theirs):
            worker.ask("sync")
            worker.ask("sync")

        def syncs(count, change):
            times = ([], [])
            for round_ in range(count):
                change(round_)
                for index in ((0, 1), (1, 0))[round_ % 2]:
                    times[index].append((ours, theirs)[index].ask("sync")[0])
                    settle(os.path.join(folder, "ours.db-wal"))
            return times

        ratio(rows, "sync without a change", *syncs(rounds * 10, lambda _: None), "0.7x")
        ratio(rows, "sync after one row has changed",
              *syncs(rounds * 10, lambda n: server.run(f"UPDATE big SET a = hex(randomblob(100)) WHERE id = {n * 37 + 1}")),
              "0.8x")
        # Rows of about 1 kB: every fourth is on a page of its own.
        ratio(rows, "sync after 10,000 pages have changed",
              *syncs(5, lambda n: server.run(f"UPDATE big SET a = hex(randomblob(100)) WHERE id % 4 = {n % 4} AND id <= 40000")),
              "1.0x")
        plain = os.path.join(folder, "libsql.db")
        theirs.stop()
        everything = megabytes * 1000
        for what, line in (("100,000 reads of a row by its key, of 20 MB that fit into the cache", f"points {plain} 20000 100000"),
                           ("reading these rows in order", f"scan {plain} 20000"),
                           ("100,000 reads of a row by its key, of everything", f"points {plain} {everything} 100000"),
                           ("reading all rows in order", f"scan {plain} {everything}")):
            one, other = ours.ask(line)
            rows.append((what, f"{one * 1000:.0f} ms", f"{other * 1000:.0f} ms", f"{one / other:.2f}x", "1.2x" if "20000" in line else "none", ""))
        ours.stop()
        server.stop()
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--megabytes", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--no-write", action="store_true", help="leave docs/benchmarks-sync.md as it is")
    arguments = parser.parse_args()
    rows = measure(arguments.megabytes, arguments.rounds)
    for row in rows:
        print(" | ".join(row))
    if arguments.no_write:
        return
    lines = ["# Benchmarks of replicas", "",
             "Written by `./taskw bench:sync`, which reproduces it. Encrypted replicas (page store, profile sqlcipher4) against the "
             "plaintext replicas of `libsql`", "0.1.11, by V2 from the same `albergue-primary`, in turns in one run, medians. "
             f"{machine()}", "",
             "Reads are through `Session` in Swift, against SQLite's C API on the plaintext file that libsql has written, both "
             "with a cache of 64 MiB. What does not fit into it costs a decryption and an authentication for each page here, and a copy from "
             "the system's cache there.", "",
             "| what | ours, encrypted | libsql, plaintext | ratio | goal | spread |", "|---|---|---|---|---|---|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    with open(os.path.join(ROOT, "taskfiles", "bench", "notes-sync.md")) as file:
        lines += ["", file.read().rstrip()]
    with open(os.path.join(ROOT, "docs", "benchmarks-sync.md"), "w") as file:
        file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
