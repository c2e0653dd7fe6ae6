"""libsql 0.1.11 with an embedded replica: V2, delegated writes."""

import json

import libsql

from judge import arguments, dump, dump_file, expect, expect_error, expect_same, report

url, folder, token = arguments()
path = folder + "/replica.db"
remote = libsql.connect(url, auth_token=token)
remote.executescript(
    "CREATE TABLE guest(id INTEGER PRIMARY KEY, name TEXT, photo BLOB);"
    "CREATE INDEX guest_name ON guest(name);"
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)"
    " INSERT INTO guest SELECT i, 'guest ' || i, randomblob(900) FROM n"
)


def connect(to=path):
    return libsql.connect(to, sync_url=url, auth_token=token)


def generation(of=path):
    """As the client notes it beside its file."""
    with open(of + "-info") as file:
        return json.load(file)["generation"]


replica = connect()


def rows(sql, values=()):
    return replica.execute(sql, values).fetchall()


# Bootstrap, and reading what is there.
replica.sync()
expect("bootstrap", rows("SELECT count(*), max(name) FROM guest"), [(2000, "guest 999")])
replica.sync()
expect("nothing new", rows("SELECT count(*) FROM guest"), [(2000,)])

# What another connection wrote comes with the next sync, and not before.
remote.execute("INSERT INTO guest VALUES (3000, 'late', NULL)")
remote.execute("UPDATE guest SET name = 'renamed' WHERE id % 7 = 0")
remote.execute("DELETE FROM guest WHERE id BETWEEN 100 AND 200")
remote.commit()
expect("not before", rows("SELECT count(*) FROM guest WHERE id = 3000"), [(0,)])
replica.sync()
expect("incremental", rows("SELECT count(*) FROM guest WHERE name = 'renamed'"), [(271,)])
expect("deleted", rows("SELECT count(*) FROM guest"), [(1900,)])

# Writing through the replica, and reading it back.
inserted = replica.execute("INSERT INTO guest VALUES (?, ?, ?)", (4000, "mine", b"\x00\xff"))
expect("lastrowid", inserted.lastrowid, 4000)
expect("inside the transaction", rows("SELECT name FROM guest WHERE id = 4000"), [("mine",)])
replica.commit()
expect("read your writes", rows("SELECT name, photo FROM guest WHERE id = 4000"), [("mine", b"\x00\xff")])
expect("the remote has it", remote.execute("SELECT name FROM guest WHERE id = 4000").fetchall(), [("mine",)])
replica.execute("INSERT INTO guest VALUES (4001, 'never', NULL)")
replica.rollback()
expect("rolled back", rows("SELECT count(*) FROM guest WHERE id = 4001"), [(0,)])
expect_error("constraint", "UNIQUE constraint failed: guest.id", lambda: rows("INSERT INTO guest VALUES (4000, '', NULL)"))
replica.rollback()
replica.execute("CREATE TABLE bed(id INTEGER PRIMARY KEY, guest INTEGER)")
replica.commit()
replica.execute("INSERT INTO bed(guest) SELECT id FROM guest LIMIT 500")
replica.commit()
expect("a table of its own", rows("SELECT count(*) FROM bed"), [(500,)])

# Another replica sleeps while generations come and go; this one follows.
sleeper = folder + "/sleeper.db"
sleeping = connect(sleeper)
sleeping.sync()
first_generation = generation(sleeper)
for turn in range(4):
    remote.execute("DELETE FROM guest WHERE id >= 10000")
    remote.execute(
        "WITH RECURSIVE n(i) AS (SELECT 10000 UNION ALL SELECT i + 1 FROM n WHERE i < 15999)"
        " INSERT INTO guest SELECT i, 'turn %d', randomblob(900) FROM n" % turn
    )
    remote.commit()
    replica.sync()
    expect("turn", rows("SELECT count(*), min(name) FROM guest WHERE id >= 10000"), [(6000, "turn %d" % turn)])
expect("generations went by", generation() >= first_generation + 2, True)
sleeping.sync()
expect("the sleeper is there, too", generation(sleeper), generation())
expect("with the same", sleeping.execute("SELECT max(name) FROM guest WHERE id >= 10000").fetchall(), [("turn 3",)])
sleeping.close()
expect_same("the two replicas", dump_file(sleeper), dump(rows))

# Many small transactions of others, with a new connection in between.
for index in range(40):
    remote.execute("UPDATE bed SET guest = ? WHERE id = ?", (index, index + 1))
    remote.commit()
    if index % 10 == 9:
        replica.sync()
replica.close()
replica = connect()
replica.sync()
expect("after opening again", rows("SELECT guest FROM bed WHERE id = 40"), [(39,)])

# The file shrinks.
remote.execute("DROP TABLE bed")
remote.commit()
remote.execute("DELETE FROM guest WHERE id > 50")
remote.commit()
replica.sync()
expect("smaller", rows("SELECT count(*) FROM guest"), [(50,)])
expected = dump(lambda sql: remote.execute(sql).fetchall())
replica.close()
remote.close()
seen = dump_file(path)
expect_same("replica and remote", seen, expected)
report("libsql replica", dump=seen)
