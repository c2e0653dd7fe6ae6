"""turso-serverless 0.1.0: every statement is a cursor, scripts are pipelines."""

import turso_serverless

from judge import arguments, dump, expect, expect_error, report

url, folder, token = arguments()
connection = turso_serverless.connect(url, auth_token=token)


def rows(sql, values=()):
    return [tuple(row) for row in connection.execute(sql, values).fetchall()]


text = 'hé "q"/\\\n Ñ 🛏'
blob = b"\x00\xff\xff\xff\xfa"
connection.execute("CREATE TABLE kinds(id INTEGER PRIMARY KEY, i INTEGER, r REAL, s TEXT, b BLOB, n)")
connection.commit()
values = (9223372036854775807, 1.5, text, blob, None)
inserted = connection.execute("INSERT INTO kinds(i, r, s, b, n) VALUES (?, ?, ?, ?, ?)", values)
expect("lastrowid", inserted.lastrowid, 1)
expect("rowcount", inserted.rowcount, 1)
expect("in a transaction", connection.in_transaction, True)
connection.commit()
expect("after commit", connection.in_transaction, False)
expect("values", rows("SELECT * FROM kinds"), [(1, *values)])
expect("named", rows("SELECT :a, @b", {"a": 1, "@b": 2}), [(1, 2)])
expect("nothing", rows("SELECT 1 WHERE 0"), [])
expect("returning", rows("INSERT INTO kinds(i) VALUES (5) RETURNING id"), [(2,)])
connection.commit()

connection.execute("CREATE TABLE once(x INTEGER UNIQUE)")
connection.commit()
connection.execute("INSERT INTO once VALUES (1)")
connection.rollback()
connection.execute("INSERT INTO once VALUES (2)")
try:
    connection.execute("INSERT INTO once VALUES (2)")
    raise SystemExit("constraint: expected an error")
except turso_serverless.IntegrityError as error:
    expect("constraint", "UNIQUE constraint failed: once.x" in str(error), True)
connection.commit()
expect("the transaction went on", rows("SELECT x FROM once"), [(2,)])
connection.executemany("INSERT INTO once VALUES (?)", [(index,) for index in range(100, 200)])
connection.commit()
expect("many", rows("SELECT count(*) FROM once"), [(101,)])

connection.executescript("CREATE TABLE script(x); INSERT INTO script VALUES (1)")
expect_error(
    "a script with an error",
    "no such table: nosuch",
    lambda: connection.executescript("INSERT INTO nosuch VALUES (1); INSERT INTO script VALUES (2)"),
)
expect("stopped there", rows("SELECT x FROM script"), [(1,)])
expect_error("no table", "no such table: nosuch", lambda: rows("SELECT * FROM nosuch"))
expect_error("in the middle of a cursor", "malformed JSON", lambda: rows("SELECT json('{')"))
expect_error("syntax", "syntax error", lambda: rows("SELEC 1"))
expect("after errors", rows("SELECT 1"), [(1,)])

# What was not committed is gone with the connection.
connection.execute("INSERT INTO script VALUES (3)")
connection.close()
connection = turso_serverless.connect(url, auth_token=token)
expect("rolled back at the end", rows("SELECT x FROM script"), [(1,)])
report("turso-serverless", dump=dump(rows))
connection.close()
