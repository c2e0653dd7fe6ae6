#!/usr/bin/env python3
"""Simulates many replicas that poll one primary, from measured costs, and writes docs/scale.md.

Usage: scale.py [--seed N] [--no-write]

What one poll costs is read from docs/benchmarks.md, so new measurements change this document. The simulation is of
events: each replica polls when its interval (up to a tenth less, as SyncSchedule has it) is over after its last answer; the
primary has some cores, and one queue in order of arrival.
"""
import argparse
import heapq
import math
import os
import random
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from report import ROOT, figures

COUNTS = (100, 1000, 10000)
INTERVALS = (1, 5, 10, 30, 60)
CORES = 2
PAGE = 4096
# Pages that change in a second, somewhere in the database. The measurement has about as many: 10 rows a second.
CHANGED_PAGES = 2.0
# A client waits so long for the first byte (TransportConfiguration.Timeouts.response); then it has failed.
TIMEOUT = 60.0


def measured():
    """Mean CPU seconds of a poll, the spread of its time, seconds for each page more, transactions a second, and
    the measured case itself: replicas, p50 and p99 in milliseconds."""
    text = "\n".join(f"{what} | {result}" for what, result in figures("primary").items())
    # 200 replicas, 18 %, 200 polls/s, 1.2 ms, 2.2 ms.
    poll = re.search(r"(\d+) replicas polling.*? \| (\d+) % of one core, (\d+) polls/s, p50 ([\d.]+) ms, p99 ([\d.]+) ms", text)
    pull = re.search(r"first pull of .*? \| (\d+) MB/s", text)
    writes = re.search(r"durable transaction each, 16 connection\(s\) \| (\d+) transactions/s", text)
    if not (poll and pull and writes):
        sys.exit("scale: docs/benchmarks.md has no figures for polls, first pulls and writes; run bench:primary")
    cost = int(poll[2]) / 100 / int(poll[3])
    # A logarithmic normal distribution through the measured median and 99th percentile.
    sigma = math.log(float(poll[5]) / float(poll[4])) / 2.326
    return cost, sigma, PAGE / (int(pull[1]) * 1e6), int(writes[1]), (int(poll[1]), float(poll[4]), float(poll[5]))


class Primary:
    """Cores that serve one request at a time each, in order of arrival."""

    def __init__(self, cores):
        self.free = [0.0] * cores
        self.busy = 0.0

    def serve(self, arrival, seconds):
        start = max(arrival, heapq.heappop(self.free))
        heapq.heappush(self.free, start + seconds)
        self.busy += seconds
        return start + seconds


def percentile(values, share):
    return values[min(len(values) - 1, int(len(values) * share))]


def simulate(count, interval, figures, generator, together=False):
    """Utilisation of all cores, polls/s, times of answers, ages of replicas and bytes/s; `together`: all begin at once."""
    cost, sigma, page_cost = figures[:3]
    location = math.log(cost) - sigma * sigma / 2
    warm_up = 0 if together else 2 * interval
    end = warm_up + max(60.0, 3 * interval)
    # No more polls than tell something: a large, long case is cut.
    end = min(end, warm_up + max(2.0 * interval, 1_000_000 * interval / count))
    primary = Primary(CORES)
    events = [(0.0 if together else generator.random() * interval, 0.0) for _ in range(count)]
    heapq.heapify(events)
    answers, ages, sent = [], [], 0.0
    busy_before = 0.0
    is_warm = together
    while events:
        now, last = heapq.heappop(events)
        if now >= end:
            break
        if not is_warm and now >= warm_up:
            is_warm, busy_before = True, primary.busy
        pages = 1 + CHANGED_PAGES * min(now - last, 3600)
        done = primary.serve(now, generator.lognormvariate(location, sigma) + (pages - 1) * page_cost)
        if is_warm:
            answers.append(done - now)
            # Something that was committed at a random moment since the last poll is seen when this one is answered.
            ages.append(done - last - generator.random() * (now - last))
            sent += pages * (PAGE + 24)
        heapq.heappush(events, (done + interval * (1 - 0.1 * generator.random()), now))
        if together and len(answers) == count:
            break
    seconds = end - warm_up
    answers.sort()
    ages.sort()
    return {
        "utilisation": min(1.0, (primary.busy - busy_before) / seconds / CORES), "rate": len(answers) / seconds, "answers": answers,
        "ages": ages, "bytes": sent / seconds, "longest": answers[-1] if answers else 0.0,
    }


def duration(seconds):
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.1f} s"


def table(figures, seed):
    lines = ["| replicas | interval | polls/s | primary's cores used | answer p50 / p99 | age of a replica p50 / p99 | sent |",
             "|---:|---:|---:|---:|---:|---:|---:|"]
    for count in COUNTS:
        for interval in INTERVALS:
            result = simulate(count, interval, figures, random.Random(seed))
            used = result["utilisation"]
            note = " (saturated)" if used > 0.98 else ""
            lines.append(
                f"| {count} | {interval} s | {result['rate']:.0f} | {used * 100:.0f} %{note} "
                f"| {duration(percentile(result['answers'], 0.5))} / {duration(percentile(result['answers'], 0.99))} "
                f"| {duration(percentile(result['ages'], 0.5))} / {duration(percentile(result['ages'], 0.99))} "
                f"| {result['bytes'] * 8 / 1e6:.1f} Mbit/s |")
    return lines


def herd(figures, seed):
    lines = ["| replicas | all have their answer after |", "|---:|---:|"]
    for count in COUNTS:
        result = simulate(count, 3600, figures, random.Random(seed), together=True)
        lines.append(f"| {count} | {duration(result['longest'])} |")
    return lines


def document(seed):
    figures = measured()
    cost, sigma, page_cost, writes, (case, median, slowest) = figures

    def comfortable(interval):
        """Replicas that use half of the cores."""
        pause = 0.95 * interval
        return round(0.5 * CORES / (cost + CHANGED_PAGES * pause * page_cost) * pause, -1)

    check = simulate(case, 1, figures, random.Random(seed))["answers"]
    check = f"p50 {percentile(check, 0.5) * 1000:.1f} ms, p99 {percentile(check, 0.99) * 1000:.1f} ms"
    rows = [f"| {interval} s | {comfortable(interval):.0f} |" for interval in INTERVALS]
    return f"""# Scale

How many replicas one `albergue-primary` serves, and what to do beyond. Written by `./taskw bench:scale` from the figures of
[benchmarks.md](benchmarks.md); seed {seed}. **This is arithmetic and a simulation, not a measurement**: the
largest number of replicas that was really run is that of the benchmark.

## What it is computed from
| what | value | from |
|---|---|---|
| CPU of one poll (V2), with what 10 rows a second change | {cost * 1000:.2f} ms | share of a core over polls/s |
| its spread | p99 = {math.exp(2.326 * sigma):.2f} x median | p50 and p99 of the polls, as a logarithmic normal distribution |
| each page more in an answer | {page_cost * 1e6:.0f} us | MB/s of a first pull |
| durable transactions | {writes}/s | 16 connections |
| cores of the primary | {CORES} | the machine of the benchmark; there, load and server shared them |
| pages that change, anywhere | {CHANGED_PAGES:.0f}/s | assumed, as in the benchmark |

A poll that finds nothing new costs less than this, so the figures are on the careful side for quiet databases. Not in it:
TLS (a proxy ends it, on other cores), the network between, and writes, which take CPU from polls: at 100 writes a second
about {100 / writes * 100:.0f} % of what the machine can write.

The benchmark's own case, {case} replicas at 1 s, simulated: {check}; measured: p50 {median} ms, p99 {slowest} ms, the
way to the client and back included.

## Replicas per primary
Up to half of the cores, which leaves the other half for writes, first pulls and peaks:

| interval | replicas |
|---:|---:|
{chr(10).join(rows)}

## 10,000 replicas, simulated
Each replica polls when its interval is over, up to a tenth early (as `SyncSchedule` does), after the answer to the last
poll. The age of a replica is the time from a commit until a reader of the replica sees it, without the time to apply it.

{chr(10).join(table(figures, seed))}

What follows from it:
- The interval makes the age; the primary adds milliseconds until it is saturated. Between, there is hardly anything: an
  answer takes longer only near the full use of the cores.
- Longer intervals save polls, not pages: what changed is sent to everybody once, and at some point that is the cost.
- Saturated, replicas get older, and that is all: each polls again only after its answer, so the load cannot grow
  beyond what there are replicas, and no request waits longer than the number of replicas times the cost of one.

### All at once
After a restart of the primary every replica may ask in the same moment, before pauses and jitter spread them again:

{chr(10).join(herd(figures, seed))}

A client waits {TIMEOUT:.0f} s for an answer. Pauses after failures double and have a jitter of half their
length (`SyncSchedule`, `RetryPolicy`), which spreads those that were refused.

## First pulls
A first pull costs what the image weighs: at {PAGE / page_cost / 1e6:.0f} MB/s, 10,000 replicas of 100 MB take
{10_000 * 100e6 / (PAGE / page_cost) / 3600:.1f} hours in all, whatever the interval is. Roll new replicas out in groups.

## Beyond one primary
- **Longer intervals first**: from 5 s to 30 s is a factor of 6, and most readers do not notice.
- **Fewer replicas per machine**: one `turso-sync` per machine keeps one file fresh, and any number of processes reads it.
- **Turso Cloud as the upstream**: the replicas are the same (V1 and V2 are spoken to both), the edge locations do the
  fan-out, and backup, point-in-time recovery and operation are theirs. What is at rest in the cloud is under their key, or
  under a customer key that they hold while they work.
- **Chained primaries** do not exist here: the server serves stores of its own, not replicas. Ten relays with
  {COUNTS[1]} replicas each would serve 10,000 at 1 s, and add the relay's interval to the age. A page store has what that
  needs, the list of changed pages.

## When to stay on Turso Cloud
- More than about {comfortable(5):.0f} replicas at 5 s, or replicas on several continents.
- More than some hundred durable writes a second for long: there is one writer (measured: {writes}/s at the very most).
- Nobody who operates a server: backups, restarts and certificates are then one's own.

`albergue-primary` is for the opposite: data that must not be in somebody else's hands, replicas that reach it in
milliseconds, and a cost that does not depend on rows read.
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-write", action="store_true", help="print it, and leave docs/scale.md as it is")
    arguments = parser.parse_args()
    text = document(arguments.seed)
    if arguments.no_write:
        print(text)
        return
    with open(os.path.join(ROOT, "docs", "scale.md"), "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main()
