#!/usr/bin/env python3
"""Lists what the product is built from, with its licence, and fails on a licence that is not on the list of allowed ones.

Usage: licences.py [--checkouts FOLDER]

Swift packages are read from SwiftPM's checkouts (Package.resolved says which there are); system libraries are named here.
Exit codes: 0 all allowed; 1 one is not, or is not known; 66 a checkout is missing.
"""
import argparse
import json
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

ALLOWED = {"Apache-2.0", "Apache-2.0 WITH Swift-exception", "MIT", "BSD-2-Clause", "BSD-3-Clause", "curl", "blessing"}

# Words that tell licences apart; all of a row have to be in the text. The first row that fits counts.
SIGNS = [
    ("Apache-2.0 WITH Swift-exception", ["Apache License", "Version 2.0", "Runtime Library Exception"]),
    ("Apache-2.0", ["Apache License", "Version 2.0"]),
    ("AGPL-3.0", ["GNU AFFERO GENERAL PUBLIC LICENSE"]),
    ("LGPL", ["GNU LESSER GENERAL PUBLIC LICENSE"]),
    ("GPL", ["GNU GENERAL PUBLIC LICENSE"]),
    ("MPL-2.0", ["Mozilla Public License"]),
    ("BSD-3-Clause", ["Redistribution and use in source and binary forms", "Neither the name"]),
    ("BSD-2-Clause", ["Redistribution and use in source and binary forms"]),
    ("MIT", ["Permission is hereby granted, free of charge", "The above copyright notice"]),
]

# Linked, not built: the distribution's packages.
SYSTEM = [("sqlcipher", "BSD-3-Clause"), ("sqlite (in sqlcipher)", "blessing"), ("openssl 3", "Apache-2.0"), ("libcurl", "curl")]


def licence_of(folder):
    """The licence of a package by its text; None if there is no file, "unknown" if nothing fits."""
    names = sorted(name for name in os.listdir(folder) if name.upper().startswith(("LICENSE", "LICENCE", "COPYING")))
    for name in names:
        path = os.path.join(folder, name)
        if not os.path.isfile(path):
            continue
        with open(path, encoding="utf-8", errors="replace") as file:
            text = " ".join(file.read().split())
        for licence, signs in SIGNS:
            if all(sign in text for sign in signs):
                return licence
        return "unknown"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkouts", default=os.path.join(ROOT, ".build", "checkouts"))
    folder = parser.parse_args().checkouts
    with open(os.path.join(ROOT, "Package.resolved"), encoding="utf-8") as file:
        pins = json.load(file)["pins"]
    found = []
    for pin in pins:
        name = pin["location"].rstrip("/").removesuffix(".git").rsplit("/", 1)[-1]
        path = os.path.join(folder, name)
        if not os.path.isdir(path):
            print(f"licences: {name}: no checkout; run swift package resolve", file=sys.stderr)
            return 66
        version = pin["state"].get("version", pin["state"]["revision"][:12])
        found.append((name, version, licence_of(path) or "unknown"))
    found += [(name, "system", licence) for name, licence in SYSTEM]
    for name, version, licence in sorted(found):
        print(f"{name:32} {version:12} {licence}")
    refused = [row for row in found if row[2] not in ALLOWED]
    for name, _, licence in refused:
        print(f"licences: {name}: {licence} is not on the list of allowed licences", file=sys.stderr)
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
