"""What the client programs share.

Each program is called as `PROGRAM URL FOLDER`, with a token in TURSO_AUTH_TOKEN where the server wants one. FOLDER is
empty and its own. It does the whole job of one client against a primary, ends with a message at the first thing that is
not as it should be, and otherwise prints one JSON object.
"""

import json
import os
import sqlite3
import sys


def arguments():
    """URL, folder and token ("" for none)."""
    if len(sys.argv) != 3:
        sys.exit("usage: %s URL FOLDER" % os.path.basename(sys.argv[0]))
    return sys.argv[1].rstrip("/"), sys.argv[2], os.environ.get("TURSO_AUTH_TOKEN", "")


def expect(what, actual, expected):
    if actual != expected:
        sys.exit("%s: expected %r, got %r" % (what, expected, actual))


def expect_error(what, fragment, action):
    """The error of `action` has to say `fragment`."""
    try:
        result = action()
    except Exception as error:
        if fragment not in str(error):
            sys.exit("%s: expected an error with %r, got %r" % (what, fragment, str(error)))
        return
    sys.exit("%s: expected an error with %r, got %r" % (what, fragment, result))


# Kept by clients of Turso in the local file, and on the server once they have pushed; changes with every push.
OWN_TABLES = ("turso_%", "__turso_%")


def dump(fetch):
    """The database as lines that can be compared: the SQL of the schema, and every row as literals of SQL.

    `fetch` takes SQL and gives a list of rows.
    """
    lines = []
    conditions = " AND ".join("tbl_name NOT LIKE '%s'" % pattern for pattern in OWN_TABLES)
    schema = fetch("SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE " + conditions)
    for kind, name, _, sql in sorted(tuple(row) for row in schema):
        if sql is not None and not name.startswith("sqlite_"):
            lines.append("%s %s: %s" % (kind, name, sql))
        if kind == "table" and not name.startswith("sqlite_stat"):
            columns = [tuple(row)[1] for row in fetch('PRAGMA table_info("%s")' % name)]
            values = " || '|' || ".join('quote("%s")' % column for column in columns)
            rows = fetch('SELECT %s FROM "%s"' % (values, name))
            lines += sorted("row %s: %s" % (name, tuple(row)[0]) for row in rows)
    return lines


def dump_file(path):
    """The dump of a plain database file, by Python's own SQLite."""
    connection = sqlite3.connect(path)
    try:
        expect("integrity of the replica", connection.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
        return dump(lambda sql: connection.execute(sql).fetchall())
    finally:
        connection.close()


def expect_same(what, seen, expected):
    """Two dumps have the same lines."""
    missing = [line[:120] for line in expected if line not in set(seen)]
    more = [line[:120] for line in seen if line not in set(expected)]
    if seen != expected:
        sys.exit("%s differ: missing %r, more %r" % (what, missing[:5], more[:5]))


def report(client, **seen):
    print(json.dumps({"client": client, **seen}, ensure_ascii=True))
