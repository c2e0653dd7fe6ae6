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
    """What was measured, as texts, for a database of that size."""
    result = {}

    def note(what, times, grows):
        middle = statistics.median(times)
        result[what, grows] = f"{middle * 1000:.1f} ms" if middle < 1 else f"{middle:.2f} s"

    with tempfile.TemporaryDirectory(prefix="albergue-bench-") as folder:
        for name, key in (("old", REPLICA_KEY), ("new", KEY)):
            with open(os.path.join(folder, name + ".key"), "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
                file.write(key)
        server = Server(folder)
        fill(server, megabytes)
        rows = int(server.run("SELECT max(id) FROM big")[0]["response"]["result"]["rows"][0][0]["value"])
        replica = os.path.join(folder, "replica.db")
        worker = Worker(os.path.join(RELEASE, "sync-benchmark"), replica, server.url, REPLICA_KEY)
        note("first pull, checked", worker.ask("sync"), DATABASE)
        result["peak memory of it", DATABASE] = f"{worker.peak():.0f} MiB"
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

        step = max(1, rows // 1000)
        repeat("commit of one row at the primary", rounds * 10, lambda n: update(f"id = {n * 37 % rows + 1}"))
        worker.ask("sync")
        repeat("sync without a change", rounds * 10, lambda _: worker.ask("sync")[0])
        repeat("sync after one row has changed", rounds * 10, lambda n: sync_after(f"id = {n * 37 % rows + 1}"))
        repeat("sync after 1,000 pages have changed, all over the database", rounds,
               lambda n: sync_after(f"id % {step} = {n % step} AND id / {step} < 1000"))
        result["peak memory of first pull and all syncs", DATABASE] = f"{worker.peak():.0f} MiB"
        worker.stop()
        server.stop()
        repeat("status: open, state and classification", rounds, lambda _: crypt(folder, "status", replica)[0])
        repeat("query of one row by its key, from opening to closing", rounds,
               lambda n: crypt(folder, "query", replica, f"SELECT id FROM big WHERE id = {n * 991 % rows + 1}")[0])
        seconds, memory = zip(*(crypt(folder, "verify", "--quick", replica) for _ in range(3)))
        note("verify --quick", seconds, DATABASE)
        result["peak memory of it ", DATABASE] = f"{max(memory):.0f} MiB"
        seconds, memory = crypt(folder, "rekey", replica, "--new-key-file", os.path.join(folder, "new.key"))
        note("rekey", [seconds], DATABASE)
        result["peak memory of it  ", DATABASE] = f"{memory:.0f} MiB"
    return result


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
        for (what, _), text in results[-1].items():
            print(f"{size} MB, {what.strip()}: {text}", flush=True)
    rows = [(what.strip(), *(result[what, grows] for result in results), grows) for what, grows in results[0]]
    if not arguments.no_write:
        Table("growth").write(f"sizes of {arguments.megabytes} MB; medians of {arguments.rounds} rounds, ten times as many of small "
                              "changes, after one for warming up; profile sqlcipher4", rows)


if __name__ == "__main__":
    main()
