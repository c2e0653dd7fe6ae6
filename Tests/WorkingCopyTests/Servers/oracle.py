"""Runs statements on a plain SQLite database in memory and prints what is in it, one line for each definition and row.

Reads from standard input: {"statements": [...], "schema": SQL, "tables": SQL}; SQL that lists definitions and tables.
"""
import json
import sqlite3
import sys

task = json.load(sys.stdin)
database = sqlite3.connect(":memory:", isolation_level=None)
database.execute("PRAGMA foreign_keys=ON")
for statement in task["statements"]:
    database.execute(statement)
lines = [row[0] for row in database.execute(task["schema"])]
for (table,) in database.execute(task["tables"]).fetchall():
    columns = [f'"{row[1]}"' for row in database.execute(f"PRAGMA table_xinfo('{table}')")]
    line = " || '|' || ".join(f"quote({column})" for column in columns)
    lines += [f"{table}: {row[0]}" for row in database.execute(f'SELECT {line} FROM "{table}" ORDER BY 1')]
print(json.dumps(lines))
