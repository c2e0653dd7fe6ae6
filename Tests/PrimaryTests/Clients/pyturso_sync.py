"""pyturso 0.8.3 (turso.sync): bootstrap, pull, push, and a bootstrap in chunks."""

import turso.sync
import turso_serverless

from judge import arguments, dump, expect, expect_same, report

url, folder, token = arguments()
remote = turso_serverless.connect(url, auth_token=token)
remote.executescript(
    "CREATE TABLE guest(id INTEGER PRIMARY KEY, name TEXT, photo BLOB);"
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)"
    " INSERT INTO guest SELECT i, 'guest ' || i, randomblob(900) FROM n"
)


def connect(name, **options):
    return turso.sync.connect("%s/%s.db" % (folder, name), url, auth_token=token or None, **options)


def fetch(connection):
    return lambda sql, values=(): [tuple(row) for row in connection.execute(sql, values).fetchall()]


local = connect("local")
rows, remote_rows = fetch(local), fetch(remote)
expect("bootstrap", rows("SELECT count(*), max(name) FROM guest"), [(500, "guest 99")])
expect("nothing new", local.pull(), False)

# What others wrote.
remote.execute("UPDATE guest SET name = 'renamed' WHERE id % 10 = 0")
remote.execute("DELETE FROM guest WHERE id > 400")
remote.commit()
expect("something new", local.pull(), True)
expect("pulled", rows("SELECT count(*) FROM guest WHERE name = 'renamed'"), [(40,)])
expect("nothing more", local.pull(), False)

# What is written here, of every kind, goes there as statements.
local.execute("INSERT INTO guest VALUES (1000, 'local', x'00ff')")
local.execute("UPDATE guest SET name = 'U' WHERE id = 1")
local.execute("DELETE FROM guest WHERE id = 2")
local.execute("CREATE TABLE bed(a INTEGER PRIMARY KEY, b BLOB, r REAL)")
local.execute("INSERT INTO bed VALUES (1, x'00ff', 2.5)")
local.execute("INSERT INTO bed VALUES (2, NULL, NULL)")
local.commit()
expect("not before the push", remote_rows("SELECT count(*) FROM guest WHERE id = 1000"), [(0,)])
local.push()
expect("pushed", remote_rows("SELECT name, photo FROM guest WHERE id = 1000"), [("local", b"\x00\xff")])
expect("updated and deleted", remote_rows("SELECT id, name FROM guest WHERE id < 3"), [(1, "U")])
expect("a new table", remote_rows("SELECT * FROM bed ORDER BY a"), [(1, b"\x00\xff", 2.5), (2, None, None)])
local.push()

# Both sides wrote.
remote.execute("INSERT INTO guest VALUES (2000, 'theirs', NULL)")
remote.commit()
local.execute("INSERT INTO guest VALUES (2001, 'ours', NULL)")
local.commit()
local.pull()
expect("both", rows("SELECT name FROM guest WHERE id >= 2000 ORDER BY id"), [("theirs",), ("ours",)])
local.push()
local.pull()
expect("both there", remote_rows("SELECT count(*) FROM guest WHERE id >= 2000"), [(2,)])

seen = dump(rows)
expect_same("replica and remote", seen, dump(remote_rows))

# A bootstrap in chunks of one and of some pages.
for size in (4096, 100_000):
    chunked = connect("chunked%d" % size, pull_bytes_threshold=size)
    expect_same("in chunks of %d: dumps" % size, dump(fetch(chunked)), seen)
    chunked.close()
local.close()
remote.close()
report("pyturso", dump=seen)
