#!/usr/bin/env python3
"""Prints one field of the JSON on standard input, for the shell scripts.

    json-field.py PATH      PATH is keys separated by dots; [] takes every element, [N] one: databases[].Name

One value per line: texts as they are, everything else as JSON. Line breaks in a text become spaces, so that one value
stays one line. Exit codes: 0 printed (nothing for an empty list); 1 there is no such field, or it is null; 65 not JSON.
"""
import json
import re
import sys


def values(value, steps):
    """All values that the remaining steps lead to; KeyError when one leads nowhere."""
    if not steps:
        return [value]
    step, rest = steps[0], steps[1:]
    if step == "[]":
        if not isinstance(value, list):
            raise KeyError(step)
        return [found for element in value for found in values(element, rest)]
    if step.startswith("["):
        index = int(step[1:-1])
        if not isinstance(value, list) or index >= len(value):
            raise KeyError(step)
        return values(value[index], rest)
    if not isinstance(value, dict) or step not in value:
        raise KeyError(step)
    return values(value[step], rest)


def main():
    if len(sys.argv) != 2:
        print("usage: json-field.py PATH", file=sys.stderr)
        return 64
    try:
        document = json.load(sys.stdin)
    except (ValueError, RecursionError):
        return 65
    try:
        found = values(document, re.findall(r"\[\d*\]|[^.\[\]]+", sys.argv[1]))
    except KeyError:
        return 1
    if any(value is None for value in found):
        return 1
    for value in found:
        print(re.sub(r"[\x00-\x1f\x7f]+", " ", value) if isinstance(value, str) else json.dumps(value))
    return 0


sys.exit(main())
