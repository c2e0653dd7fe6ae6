"""libsql 0.1.11 with offline=True: local writes, push of frames, and a conflict."""

import libsql

from judge import arguments, dump, dump_file, expect, expect_error, expect_same, report

url, folder, token = arguments()
remote = libsql.connect(url, auth_token=token)
remote.executescript("CREATE TABLE note(id INTEGER PRIMARY KEY, s TEXT); INSERT INTO note VALUES (1, 'one')")


def connect(name):
    return libsql.connect("%s/%s.db" % (folder, name), sync_url=url, auth_token=token, offline=True)


def notes(connection):
    return connection.execute("SELECT id, s FROM note ORDER BY id").fetchall()


first = connect("first")
first.sync()
second = connect("second")
second.sync()
expect("bootstrap", notes(first), [(1, "one")])

# A push: the other side sees it.
first.execute("INSERT INTO note VALUES (10, 'offline')")
first.commit()
expect("not before the push", notes(remote), [(1, "one")])
first.sync()
expect("pushed", notes(remote), [(1, "one"), (10, "offline")])
first.sync()

# More than one request's worth of frames (128).
first.execute("CREATE TABLE large(id INTEGER PRIMARY KEY, b BLOB)")
first.commit()
for index in range(6):
    first.execute("INSERT INTO large(b) VALUES (zeroblob(200000))")
    first.commit()
first.sync()
expect("a large push", remote.execute("SELECT count(*), sum(length(b)) FROM large").fetchall(), [(6, 1200000)])

# Whoever wrote on an old state is told so, and the remote keeps what it has.
second.execute("INSERT INTO note VALUES (20, 'conflict')")
second.commit()
expect_error("conflict", "conflict", second.sync)
expect("unchanged", notes(remote), [(1, "one"), (10, "offline")])

# The remote was written meanwhile: a conflict as well.
remote.execute("INSERT INTO note VALUES (30, 'remote')")
remote.commit()
first.execute("INSERT INTO note VALUES (40, 'late')")
first.commit()
expect_error("conflict with the remote", "conflict", first.sync)

# A new replica starts from what is right.
third = connect("third")
third.sync()
expect("a new replica", notes(third), [(1, "one"), (10, "offline"), (30, "remote")])
expected = dump(lambda sql: remote.execute(sql).fetchall())
for connection in (first, second, third, remote):
    connection.close()
seen = dump_file(folder + "/third.db")
expect_same("replica and remote", seen, expected)
report("libsql offline", dump=seen)
