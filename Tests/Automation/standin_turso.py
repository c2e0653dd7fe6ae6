#!/usr/bin/env python3
"""A stand-in for the `turso` command line: its words, and its exit codes, which say less than they should.

State is the JSON file of STANDIN_STATE: {"databases": {...}, "behaviour": [...], "calls": [...]}. Behaviours:
"not-logged-in" (prose on standard output, exit code 0), "silent-destroy" (a stale cache: nothing is done, exit code 0),
"slow" (sleeps for a minute). Source: turso-cli, internal/cmd/root.go, db_destroy.go, list_databases.go, db_create.go.
"""
import json
import os
import sys
import time


def main(arguments):
    path = os.environ["STANDIN_STATE"]
    with open(path, encoding="utf-8") as file:
        state = json.load(file)
    databases, behaviour = state["databases"], state["behaviour"]
    state["calls"].append({"arguments": arguments, "token": os.environ.get("TURSO_API_TOKEN")})
    try:
        return answer(arguments, databases, behaviour)
    finally:
        with open(path, "w", encoding="utf-8") as file:
            json.dump(state, file)


def answer(arguments, databases, behaviour):
    if "slow" in behaviour:
        time.sleep(60)
    if "not-logged-in" in behaviour:
        print("You are not logged in, please login with turso auth login before running other commands.")
        return 0
    if not sys.stdin.isatty() and sys.stdin.read():
        print("Error: somebody types to us", file=sys.stderr)
        return 1
    if arguments == ["auth", "whoami"]:
        print("egeria")
        return 0
    if arguments[:2] == ["db", "list"]:
        if databases:
            print("NAME" + " " * 30 + "TYPE    GROUP      URL")
        for name in databases:
            print(f"{name:30}    db      default    libsql://{name}-hostel.turso.example")
        return 0
    if arguments[:2] == ["db", "create"]:
        name = arguments[2]
        if name in databases:
            print(f"Error: could not create database {name}: database name '{name}' is not available", file=sys.stderr)
            return 1
        databases[name] = {}
        print(f"Created database {name} at group default in 1.2s.\n\nStart an interactive SQL shell with:\n")
        print(f"   turso db shell {name}\n")
        return 0
    name = arguments[3] if arguments[:3] == ["db", "tokens", "create"] else arguments[2]
    if arguments[:2] == ["db", "destroy"] and (name not in databases or "silent-destroy" in behaviour):
        return 0
    if name not in databases:
        print(f"Error: database {name} not found. List known databases using turso db list", file=sys.stderr)
        return 1
    if arguments[:2] == ["db", "destroy"]:
        del databases[name]
        print(f"Destroyed database {name} in 0.5s.")
    elif arguments[:2] == ["db", "show"] and "--url" in arguments:
        print(f"libsql://{name}-hostel.turso.example")
    elif arguments[:3] == ["db", "tokens", "create"]:
        print("eyJhbGciOiJFZERTQSJ9.eyJpZCI6ImNsaSJ9.c2lnbmF0dXJl")
    else:
        print(f"Error: unknown command {arguments}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
