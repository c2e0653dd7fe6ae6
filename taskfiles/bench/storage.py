#!/usr/bin/env python3
"""Measures albergue-crypt against the sqlcipher command line, and page stores against ordinary encrypted databases, side by
side in one run: the part `storage` of docs/benchmarks.md.

Usage: storage.py [--rows N] [--rounds N] [--no-write]
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from report import ROOT, Table, spread

BINARIES = os.path.join(ROOT, ".build", "release")
CRYPT = os.path.join(BINARIES, "albergue-crypt")
KEY, NEW_KEY = "a1" * 32, "b2" * 32
PROFILES = {"sqlcipher4": "SHA512", "sqlcipher4-sha256": "SHA256"}


def sqlcipher(path, sql, key=KEY, mac="SHA512"):
    """Runs SQL through the command line; the key goes through standard input."""
    keyed = f"PRAGMA key=\"x'{key}'\";\nPRAGMA cipher_hmac_algorithm=HMAC_{mac};\n" if key else ""
    run = subprocess.run(["sqlcipher", "-batch", "-bail", path], input=keyed + sql, text=True, capture_output=True)
    if run.returncode:
        sys.exit(f"bench: sqlcipher failed on {path}: {run.stderr.strip()}")
    return run.stdout


def ours(*arguments):
    """Runs albergue-crypt and returns its peak resident memory in MiB."""
    process = subprocess.Popen([CRYPT, *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"bench: albergue-crypt {arguments[0]} ended with {process.returncode}")
    return usage.ru_maxrss / 1024


def make_database(path, rows, mac):
    sql = f"""
      PRAGMA temp_store=MEMORY; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;
      CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b BLOB);
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
        INSERT INTO t SELECT i, 'row-' || i || '-' || hex(randomblob(20)), randomblob(300) FROM n;
      CREATE INDEX ta ON t (a);
    """
    if mac is None:
        sqlcipher(path, sql, key=None)
        return
    # Before the key, so that the file gets the reserve of its MAC.
    run = subprocess.run(["sqlcipher", "-batch", "-bail", path], text=True, capture_output=True,
                         input=f"PRAGMA cipher_default_hmac_algorithm=HMAC_{mac};\nPRAGMA key=\"x'{KEY}'\";\n{sql}")
    if run.returncode:
        sys.exit(f"bench: cannot make {path}: {run.stderr.strip()}")


def timed(body):
    start = time.perf_counter()
    body()
    return time.perf_counter() - start


def measure(arguments, folder, table):
    keys = {}
    for name, key in (("old", KEY), ("new", NEW_KEY)):
        keys[name] = os.path.join(folder, name + ".key")
        with open(os.open(keys[name], os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write(key + "\n")
    memory, sizes = {}, {}
    for profile, mac in PROFILES.items():
        path = os.path.join(folder, mac + ".db")
        make_database(path, arguments.rows, mac)
        sizes[profile] = os.path.getsize(path) / 1e6
        theirs, quick, full_theirs, full = [], [], [], []
        for round_ in range(arguments.rounds + 1):
            samples = (
                timed(lambda: sqlcipher(path, "PRAGMA cipher_integrity_check;", mac=mac)),
                timed(lambda: memory.__setitem__("verify", ours("verify", "--quick", path, "--key-file", keys["old"]))),
            )
            if round_:  # the first round warms up
                theirs.append(samples[0])
                quick.append(samples[1])
        table.at_least(f"verify --quick, {profile}, against cipher_integrity_check", theirs, quick,
                  3 if mac == "SHA512" else 4.5)
        for _ in range(max(3, arguments.rounds // 3)):
            check = "PRAGMA cipher_integrity_check; PRAGMA integrity_check; PRAGMA foreign_key_check;"
            full_theirs.append(timed(lambda: sqlcipher(path, check, mac=mac)))
            full.append(timed(lambda: ours("verify", path, "--key-file", keys["old"])))
        table.at_least(f"verify, {profile}, against cipher_integrity_check + integrity_check + foreign_key_check",
                  full_theirs, full, 1)
        theirs, mine = [], []
        for round_ in range(arguments.rounds + 1):
            copy = os.path.join(folder, "copy.db")
            runs = (
                lambda: sqlcipher(copy, f"PRAGMA rekey=\"x'{NEW_KEY}'\";", mac=mac),
                lambda: memory.__setitem__("rekey", ours(
                    "rekey", copy, "--key-file", keys["old"], "--new-key-file", keys["new"])),
            )
            samples = []
            for run in runs:
                # Each side starts with its file in the page cache and nothing of the other one left to write.
                shutil.copyfile(path, copy)
                os.sync()
                with open(copy, "rb") as file:
                    while file.read(1 << 20):
                        pass
                samples.append(timed(run))
                os.remove(copy)
            if round_:
                theirs.append(samples[0])
                mine.append(samples[1])
        table.at_least(f"rekey, {profile}, against PRAGMA rekey", theirs, mine, 2 if mac == "SHA512" else 3.5)
    for what, value in memory.items():
        table.limit(f"peak memory of {what}", value, f"{value:.0f} MiB", 64, "<= 64 MiB")
    plain = os.path.join(folder, "plain.db")
    make_database(plain, arguments.rows, None)
    run = subprocess.run([os.path.join(BINARIES, "storage-benchmark"), plain, os.path.join(folder, "SHA512.db"), KEY,
                          str(arguments.rounds)], text=True, capture_output=True, check=True)
    inner = json.loads(run.stdout)
    opening = inner["open_ours"] / inner["open_plain"]
    table.limit("open, first read, close with a raw key, against a plaintext file", opening,
                    f"{opening:.2f} x their time (library alone, keyed: {inner['open_library']:.0f} us)", 4, "<= 4 x",
                    f"{inner['open_plain']:.0f} us", f"{inner['open_ours']:.0f} us")
    for name, what in (("scan", "full scan"), ("scan_rows", "row by row")):
        ratio = inner[name + "_ours"] / inner[name + "_library"]
        table.limit(f"{what} through a connection, against the library alone", ratio,
                        f"{(ratio - 1) * 100:+.1f} %", 1.03 if name == "scan" else 1.25,
                        "<= +3 %" if name == "scan" else "<= +25 %", f"{inner[name + '_library'] / 1e6:.3f} s",
                        f"{inner[name + '_ours'] / 1e6:.3f} s")
    return sizes


def measure_store(arguments, folder, table):
    """The page store against an ordinary encrypted database; the program measures both in turns in one process."""
    program = os.path.join(BINARIES, "store-benchmark")
    plain = os.path.join(folder, "plain.db")
    changed = plain + "-changed"
    shutil.copyfile(plain, changed)
    step = max(1, arguments.rows // 10_000)
    sqlcipher(changed, f"UPDATE t SET b = randomblob(300) WHERE id % {step} = 1;", key=None)
    image = os.path.getsize(plain)
    for profile, mac in PROFILES.items():
        exports, fills, memory, size = [], [], 0, 0
        export, store = os.path.join(folder, "export.db"), os.path.join(folder, "store.db")

        def remove(*paths):
            for path in paths:
                for suffix in ("", "-wal", "-shm"):
                    if os.path.exists(path + suffix):
                        os.remove(path + suffix)
            os.sync()

        for round_ in range(max(3, arguments.rounds // 2) + 1):
            remove(export, store)
            theirs = timed(lambda: sqlcipher(
                plain, f"PRAGMA cipher_default_hmac_algorithm=HMAC_{mac};\n"
                f"ATTACH '{export}' AS e KEY \"x'{KEY}'\"; SELECT sqlcipher_export('e');", key=None))
            remove(export)
            process = subprocess.Popen([program, plain, folder, profile, "1", "bootstrap"], stdout=subprocess.PIPE)
            output = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                sys.exit("bench: store-benchmark bootstrap failed")
            inner = json.loads(output)
            size = inner["store_bytes"]
            if round_:
                exports.append(theirs)
                fills.append(inner["bootstrap"] / 1e6)
                memory = max(memory, usage.ru_maxrss / 1024)
        rate = image / 1e6 / statistics.median(fills)
        ratio = statistics.median(exports) / statistics.median(fills)
        table.limit(
            f"page store, {profile}: bootstrap, checked and durable", -max(rate / 100, ratio / 0.9),
            f"{rate:.0f} MB/s; {ratio:.2f} x as fast as sqlcipher_export", -1, ">= 100 MB/s or >= 0.9 x",
            spread(exports), spread(fills))
        table.limit(f"page store, {profile}: peak memory of a bootstrap", memory, f"{memory:.0f} MiB", 32, "<= 32 MiB")
        overhead = (size / image - 1) * 100
        table.limit(f"page store, {profile}: size of the file beyond the image", overhead, f"{overhead:+.1f} %", 4,
                        "<= +4 %")
        remove(store)
        run = subprocess.run([program, plain, folder, profile, str(arguments.rounds), "use"], text=True,
                             capture_output=True, check=True)
        inner = json.loads(run.stdout)
        remove(store, store + "-primary", os.path.join(folder, "ordinary.db"))
        for name, what, limit in (
            ("scan", "full scan", 1.2), ("point", "random point reads, small cache", 1.5),
            ("warm", "random point reads, warm", 1.15), ("apply_10000", "apply of 10,000 pages", 1.0),
            ("write", "one row per transaction", 2.2),
            ("write_durable", "one row per transaction, waiting for the disk", 2.2),
        ):
            ours, theirs = inner[name + "_store"], inner[name + "_ordinary"]
            table.limit(f"page store, {profile}: {what}, against an ordinary encrypted database", ours / theirs,
                            f"{ours / theirs:.2f} x their time", limit, f"<= {limit} x", f"{theirs / 1e3:.1f} ms",
                            f"{ours / 1e3:.1f} ms")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=430_000, help="rows per file; the default makes 200 MB")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--no-write", action="store_true", help="leave docs/benchmarks.md as it is")
    arguments = parser.parse_args()
    table = Table("storage")
    with tempfile.TemporaryDirectory(prefix="albergue-bench-") as folder:
        sizes = measure(arguments, folder, table)
        measure_store(arguments, folder, table)
    if not arguments.no_write:
        table.write(f"{arguments.rounds} rounds after one for warming up, process start included; files of "
                    + ", ".join(f"{size:.0f} MB ({profile})" for profile, size in sizes.items()))


if __name__ == "__main__":
    main()
