#!/usr/bin/env python3
"""Measures the same work on databases of 10 MB, 100 MB and 1 GB: the part `growth` of docs/benchmarks.md.

What a change costs should grow with the change; only what reads everything may grow with the database.
Usage: growth.py [--rounds N] [--megabytes N,N,N] [--no-write]
"""
import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from primary import KEY, Server, fill
from report import ROOT, Table
from sync import REPLICA_KEY, Worker

RELEASE = os.path.join(ROOT, ".build", "release")
CHANGE, DATABASE = "the change", "the database"


def crypt(folder, *arguments):
    """Seconds and peak memory in MiB of a run of albergue-crypt on the replica."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [os.path.join(RELEASE, "albergue-crypt"), *arguments], stdout=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "TURSO_ENCRYPTION_KEY_FILE": os.path.join(folder, "old.key")})
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"bench: albergue-crypt {arguments[0]} ended with {process.returncode}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def measure(megabytes, rounds):
    """What was measured on a database of that size: rows of what, the figure, and what it grows with."""
    rows = []

    def note(what, times, grows):
        middle = statistics.median(times)
        rows.append((what, f"{middle * 1000:.1f} ms" if middle < 1 else f"{middle:.2f} s", grows))

    def note_memory(what, mebibytes):
        rows.append((what, f"{mebibytes:.0f} MiB", DATABASE))

    with tempfile.TemporaryDirectory(prefix="albergue-bench-") as folder:
        for name, key in (("old", REPLICA_KEY), ("new", KEY)):
            with open(os.path.join(folder, name + ".key"), "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
                file.write(key)
        server = Server(folder)
        fill(server, megabytes)
        highest = int(server.run("SELECT max(id) FROM big")[0]["response"]["result"]["rows"][0][0]["value"])
        replica = os.path.join(folder, "replica.db")
        worker = Worker(os.path.join(RELEASE, "sync-benchmark"), replica, server.url, REPLICA_KEY)
        note("first pull, checked", worker.ask("sync"), DATABASE)
        note_memory("peak memory of it", worker.peak())
        worker.ask("sync")

        def repeat(what, count, work):
            work(0)
            note(what, [work(round_ + 1) for round_ in range(count)], CHANGE)

        def update(where):
            start = time.perf_counter()
            server.run(f"UPDATE big SET a = hex(randomblob(100)) WHERE {where}")
            return time.perf_counter() - start

        def sync_after(where):
            update(where)
            return worker.ask("sync")[0]

        step = max(1, highest // 1000)
        repeat("commit of one row at the primary", rounds * 10, lambda n: update(f"id = {n * 37 % highest + 1}"))
        worker.ask("sync")
        repeat("sync without a change", rounds * 10, lambda _: worker.ask("sync")[0])
        repeat("sync after one row has changed", rounds * 10, lambda n: sync_after(f"id = {n * 37 % highest + 1}"))
        repeat("sync after 1,000 pages have changed, all over the database", rounds,
               lambda n: sync_after(f"id % {step} = {n % step} AND id / {step} < 1000"))
        note_memory("peak memory of first pull and all syncs", worker.peak())
        worker.stop()
        server.stop()
        repeat("status: open, state and classification", rounds, lambda _: crypt(folder, "status", replica)[0])
        repeat("query of one row by its key, from opening to closing", rounds,
               lambda n: crypt(folder, "query", replica, f"SELECT id FROM big WHERE id = {n * 991 % highest + 1}")[0])
        seconds, memory = zip(*(crypt(folder, "verify", "--quick", replica) for _ in range(3)))
        note("verify --quick", seconds, DATABASE)
        note_memory("peak memory of it", max(memory))
        seconds, memory = crypt(folder, "rekey", replica, "--new-key-file", os.path.join(folder, "new.key"))
        note("rekey", [seconds], DATABASE)
        note_memory("peak memory of it", memory)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", default="10,100,1000", help="three sizes")
    parser.add_argument("--no-write", action="store_true", help="leave docs/benchmarks.md as it is")
    arguments = parser.parse_args()
    sizes = [int(word) for word in arguments.megabytes.split(",")]
    results = []
    for size in sizes:
        results.append(measure(size, arguments.rounds))
        for what, text, _ in results[-1]:
            print(f"{size} MB, {what}: {text}", flush=True)
    rows = [(same[0][0], *(text for _, text, _ in same), same[0][2]) for same in zip(*results)]
    if not arguments.no_write:
        Table("growth").write(f"sizes of {arguments.megabytes} MB; medians of {arguments.rounds} rounds, ten times as many of small "
                              "changes, after one for warming up; profile sqlcipher4", rows)


if __name__ == "__main__":
    main()
