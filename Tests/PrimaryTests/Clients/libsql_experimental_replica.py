"""libsql-experimental 0.0.55 with an embedded replica: V1 (gRPC-web), writes through the proxy service.

The server has to answer GET /info with 404, else this client speaks V2.
"""

import libsql_experimental as libsql

from judge import arguments, dump, dump_file, expect, expect_error, expect_same, report

url, folder, token = arguments()
path = folder + "/replica.db"
remote = libsql.connect(url, auth_token=token)
remote.executescript(
    "CREATE TABLE guest(id INTEGER PRIMARY KEY, name TEXT, photo BLOB);"
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"
    " INSERT INTO guest SELECT i, 'guest ' || i, randomblob(900) FROM n"
)
replica = libsql.connect(path, sync_url=url, auth_token=token)


def rows(sql, values=()):
    return replica.execute(sql, values).fetchall()


replica.sync()
expect("first sync", rows("SELECT count(*) FROM guest"), [(1000,)])
remote.execute("UPDATE guest SET name = 'renamed' WHERE id % 10 = 0")
remote.commit()
expect("not before", rows("SELECT count(*) FROM guest WHERE name = 'renamed'"), [(0,)])
replica.sync()
expect("incremental", rows("SELECT count(*) FROM guest WHERE name = 'renamed'"), [(100,)])
replica.sync()

# Delegated writes, all types, and reading them back.
replica.execute("CREATE TABLE kinds(i INTEGER, r REAL, s TEXT, b BLOB, n)")
inserted = replica.execute("INSERT INTO kinds VALUES (?, ?, ?, ?, ?)", (42, 1.5, "hé", b"\x00\xff", None))
expect("lastrowid", inserted.lastrowid, 1)
expect("in a transaction", replica.in_transaction, True)
expect("inside of it", rows("SELECT * FROM kinds"), [(42, 1.5, "hé", b"\x00\xff", None)])
replica.commit()
expect("read your writes", rows("SELECT * FROM kinds"), [(42, 1.5, "hé", b"\x00\xff", None)])
expect("returning", rows("INSERT INTO kinds(i) VALUES (7) RETURNING i, rowid"), [(7, 2)])
replica.rollback()
expect("rolled back", rows("SELECT count(*) FROM kinds"), [(1,)])
expect("the remote has it", remote.execute("SELECT count(*) FROM kinds").fetchall(), [(1,)])

# A batch, with an error in the middle: this protocol's scripts go on after one.
replica.executescript("CREATE TABLE v(x UNIQUE); INSERT INTO v VALUES (1); INSERT INTO v VALUES (2)")
expect("script", rows("SELECT * FROM v"), [(1,), (2,)])
try:
    replica.executescript("INSERT INTO v VALUES (3); INSERT INTO v VALUES (1); INSERT INTO v VALUES (4)")
except ValueError as error:
    if "UNIQUE constraint failed" not in str(error):
        raise
replica.sync()
expect("after a script with an error", rows("SELECT x FROM v WHERE x < 4"), [(1,), (2,), (3,)])
expect_error("no table", "no such table: nosuch", lambda: rows("INSERT INTO nosuch VALUES (1)"))
replica.rollback()
expect_error("constraint", "UNIQUE constraint failed: v.x", lambda: rows("INSERT INTO v VALUES (1)"))
replica.rollback()
expect("pragma", rows("PRAGMA user_version"), [(0,)])

# Opened again, it goes on where it was; the database shrinks.
replica.close()
remote.execute("DELETE FROM guest WHERE id > 100")
remote.commit()
replica = libsql.connect(path, sync_url=url, auth_token=token)
replica.sync()
expect("after opening again", rows("SELECT count(*) FROM guest"), [(100,)])
expected = dump(lambda sql: remote.execute(sql).fetchall())
replica.close()
remote.close()
with open(path, "rb") as file:
    expect("a plain file", file.read(15), b"SQLite format 3")
seen = dump_file(path)
expect_same("replica and remote", seen, expected)
report("libsql-experimental replica", dump=seen)
