"""libsql 0.1.11 as a remote client: Hrana 3 over HTTP."""

import libsql

from judge import arguments, dump, expect, expect_error, report

url, folder, token = arguments()
connection = libsql.connect(url, auth_token=token)


def rows(sql, values=()):
    return connection.execute(sql, values).fetchall()


# All types of values, in both directions.
connection.execute("CREATE TABLE kinds(id INTEGER PRIMARY KEY, i INTEGER, r REAL, s TEXT, b BLOB, n)")
connection.commit()
text = 'hé "q"/\\\n\t\u0001 Ñandú 🛏'
blob = bytes(range(256)) + b"\xff" * 5
inserted = connection.execute("INSERT INTO kinds(i, r, s, b, n) VALUES (?, ?, ?, ?, ?)", (42, 1.5, text, blob, None))
expect("lastrowid", inserted.lastrowid, 1)
expect("in a transaction", connection.in_transaction, True)
connection.commit()
expect("after commit", connection.in_transaction, False)
# Literals: the client binds integers outside of 32 bits as floats.
returned = rows("INSERT INTO kinds(i, r, s, b) VALUES (9223372036854775807, -0.25, '', x'') RETURNING id, i")
expect("returning", returned, [(2, 9223372036854775807)])
connection.commit()
rows("INSERT INTO kinds(i, r) VALUES (-9223372036854775808, 1e308)")
connection.commit()
expect(
    "kinds",
    rows("SELECT * FROM kinds ORDER BY id"),
    [
        (1, 42, 1.5, text, blob, None),
        (2, 9223372036854775807, -0.25, "", b"", None),
        (3, -9223372036854775808, 1e308, None, None, None),
    ],
)
expect("bound", rows("SELECT i, s FROM kinds WHERE i = ?", (42,)), [(42, text)])
expect("nothing", rows("SELECT 1 WHERE 0"), [])
expect("columns", [c[0] for c in connection.execute("SELECT i AS a, r FROM kinds").description], ["a", "r"])
long = "x" * 300_000
rows("INSERT INTO kinds(s) VALUES (?)", (long,))
connection.commit()
expect("long text", rows("SELECT s FROM kinds WHERE id = 4"), [(long,)])

# Transactions: commit, rollback, and what others see of them.
other = libsql.connect(url, auth_token=token)
connection.execute("CREATE TABLE once(x INTEGER UNIQUE)")
connection.commit()
connection.execute("INSERT INTO once VALUES (1)")
expect("own changes", rows("SELECT count(*) FROM once"), [(1,)])
expect("others see nothing yet", other.execute("SELECT count(*) FROM once").fetchall(), [(0,)])
connection.rollback()
expect("rolled back", rows("SELECT count(*) FROM once"), [(0,)])
connection.execute("INSERT INTO once VALUES (2)")
connection.commit()
expect("others see it now", other.execute("SELECT x FROM once").fetchall(), [(2,)])

# Errors, after which the connection goes on.
expect_error("constraint", "UNIQUE constraint failed: once.x", lambda: rows("INSERT INTO once VALUES (2)"))
connection.rollback()
expect_error("no table", "no such table: nosuch", lambda: rows("SELECT * FROM nosuch"))
expect_error("syntax", "syntax error", lambda: rows("SELEC 1"))
expect_error("in the middle of a cursor", "malformed JSON", lambda: rows("SELECT json('{')"))
expect("after errors", rows("SELECT 1"), [(1,)])

# Many rows, and a script.
connection.execute("CREATE TABLE many(id INTEGER PRIMARY KEY, s TEXT)")
connection.executemany("INSERT INTO many(s) VALUES (?)", [("row %d" % i,) for i in range(200)])
connection.commit()
rows("INSERT INTO many(s) SELECT a.s || b.s FROM many a, many b LIMIT 20000")
connection.commit()
expect("many rows", len(rows("SELECT * FROM many")), 20200)
cursor = connection.execute("SELECT * FROM many ORDER BY id")
expect("the first of many", cursor.fetchone(), (1, "row 0"))
cursor.close()
expect("after a cursor that was left", rows("SELECT count(*) FROM many"), [(20200,)])
connection.executescript("CREATE TABLE script(x); INSERT INTO script VALUES (1); INSERT INTO script VALUES (2)")
# The client keeps errors of scripts to itself; the statement after the error is not run.
connection.executescript("INSERT INTO script VALUES (3); INSERT INTO nosuch VALUES (1); INSERT INTO script VALUES (4)")
expect("script", rows("SELECT * FROM script"), [(1,), (2,), (3,)])
connection.executescript("CREATE INDEX many_s ON many(s); CREATE VIEW few AS SELECT id FROM many WHERE id < 3")
expect("view", rows("SELECT * FROM few"), [(1,), (2,)])
other.close()
report("libsql", dump=dump(rows))
connection.close()
