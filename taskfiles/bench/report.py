"""The table of measurements, and docs/benchmarks.md, which holds the tables of all parts.

A part (engine and store, primary, replica, service, growth) is measured by a task of its own, all of them by
`./taskw bench`. A part that is measured again replaces its own rows and leaves those of the others.
"""
import os
import platform
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DOCUMENT = os.path.join(ROOT, "docs", "benchmarks.md")
NOTES = os.path.join(ROOT, "taskfiles", "bench")
# In the order of the document, with the task that measures it.
PARTS = {"storage": "bench:storage", "primary": "bench:primary", "replica": "bench:sync", "service": "bench:service",
         "growth": "bench:growth"}
COLUMNS = ("part", "what", "theirs", "ours", "result", "goal", "met")
GROWTH = ("what", "10 MB", "100 MB", "1 GB", "grows with")


def spread(values, unit="s", scale=1, digits=3):
    """Median with the smallest and the largest."""
    low, middle, high = (f"{value * scale:.{digits}f}" for value in (min(values), statistics.median(values), max(values)))
    return f"{middle} {unit} ({low}-{high})"


class Table:
    """Rows of one part: what was measured, and whether its goal was reached."""

    def __init__(self, part):
        assert part in PARTS
        self.part, self.rows = part, []

    def add(self, what, result, goal="none", met=None, theirs="-", ours="-"):
        word = {None: "-", True: "yes", False: "NO"}[met]
        self.rows.append((self.part, what, theirs, ours, result, goal, word))
        print(f"{what}: {result} (goal: {goal}) theirs {theirs}, ours {ours}", flush=True)

    def at_least(self, what, theirs, mine, goal):
        """Times in seconds, measured in turns: how many times as fast ours is, by the medians."""
        ratio = statistics.median(theirs) / statistics.median(mine)
        self.add(what, f"{ratio:.2f} x as fast", f">= {goal} x", ratio >= goal, spread(theirs), spread(mine))

    def at_most(self, what, theirs, mine, goal=None, unit="s", scale=1, digits=3):
        """Times in seconds, measured in turns: ours over theirs, by the medians."""
        ratio = statistics.median(mine) / statistics.median(theirs)
        self.add(what, f"{ratio:.2f} x their time", "none" if goal is None else f"<= {goal} x",
                 None if goal is None else ratio <= goal,
                 spread(theirs, unit, scale, digits), spread(mine, unit, scale, digits))

    def limit(self, what, value, text, limit, goal, theirs="-", ours="-"):
        self.add(what, text, goal, value <= limit, theirs, ours)

    def write(self, how, growth=None):
        """Puts the part into the document. `how`: rounds and sizes, in a sentence."""
        rows, parts, former_growth = read()
        rows = [row for row in rows if row[0] != self.part] + self.rows
        parts[self.part] = (f"`./taskw {PARTS[self.part]}`", f"{time.strftime('%Y-%m-%d', time.gmtime())}, {commit()}", how)
        order = list(PARTS)
        rows.sort(key=lambda row: order.index(row[0]))
        missed = [f"{row[1]} ({row[0]})" for row in rows if row[6] == "NO"]
        lines = ["# Benchmarks", "",
                 "Written by `./taskw bench`, which measures everything again; a part alone by its own task. Two sides are measured in",
                 "turns, in one run, on the same data, with fsync on both; a cell is a median with (smallest-largest). Goals were set",
                 "before anything was measured; what is missed is said, with its cause below.", ""]
        lines += [f"- {line}" for line in machine()]
        lines += [""] + table(("part", "command", "measured", "how"),
                              [(part, *parts[part]) for part in order if part in parts])
        lines += ["", "## Against the others", ""] + table(COLUMNS, rows)
        lines += ["", f"Goals missed: {len(missed)} of {sum(row[5] != 'none' for row in rows)}"
                  + (": " + "; ".join(missed) if missed else "") + ".", ""]
        growth = growth or former_growth
        if growth:
            lines += ["## Growth", "",
                      "What a change costs should grow with the change, not with the database.", ""]
            lines += table(GROWTH, growth) + [""]
        lines += ["## Reading the tables"]
        for part in order:
            path = os.path.join(NOTES, f"notes-{part}.md")
            if part in parts and os.path.exists(path):
                with open(path, encoding="utf-8") as file:
                    lines += ["", file.read().rstrip()]
        with open(DOCUMENT, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        print(f"wrote {os.path.relpath(DOCUMENT)}")


def table(columns, rows):
    return ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)] + ["| " + " | ".join(row) + " |" for row in rows]


def read():
    """Rows of the big table, the parts, and the rows of growth, as the document has them."""
    rows, parts, growth = [], {}, []
    if not os.path.exists(DOCUMENT):
        return rows, parts, growth
    heading = ""
    with open(DOCUMENT, encoding="utf-8") as file:
        for line in file:
            heading = line.strip("# \n") if line.startswith("#") else heading
            cells = tuple(cell.strip() for cell in line.strip().strip("|").split(" | ")) if line.startswith("| ") else ()
            if heading == "Growth" and len(cells) == len(GROWTH) and cells != GROWTH:
                growth.append(cells)
            elif len(cells) == len(COLUMNS) and cells[0] in PARTS:
                rows.append(cells)
            elif len(cells) == 4 and cells[0] in PARTS:
                parts[cells[0]] = cells[1:]
    return rows, parts, growth


def figures(part):
    """What the document says of a part: what is measured, and the result."""
    return {row[1]: row[4] for row in read()[0] if row[0] == part}


def output(*command):
    """The first line that a program prints."""
    try:
        return subprocess.run(command, text=True, capture_output=True, cwd=ROOT).stdout.strip().split("\n")[0]
    except OSError as error:
        sys.exit(f"bench: {command[0]}: {error.strerror}")


def commit():
    return output("git", "rev-parse", "--short", "HEAD") or "no commit"


def hmac_speed(mac):
    """MB/s of OpenSSL on one core."""
    run = subprocess.run(["openssl", "speed", "-seconds", "1", "-bytes", "4096", "-hmac", mac], text=True, capture_output=True)
    return float(run.stdout.strip().split("\n")[-1].split()[-1].rstrip("k")) / 1000


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "unknown")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return [
        f"{os.cpu_count()} cores of {model}, {memory:.0f} GiB, Linux {platform.release()}; files on disk and in its cache",
        f"SQLCipher: {output('sqlcipher', '-version')}",
        f"{output('openssl', 'version')}; {output('swift', '--version')}; release build",
        "HMAC of 4096-byte blocks on one core, by `openssl speed`: "
        + ", ".join(f"{mac} {hmac_speed(mac):.0f} MB/s" for mac in ("sha512", "sha256")),
    ]
