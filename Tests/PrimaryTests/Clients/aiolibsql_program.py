"""aiolibsql 0.3.0: as a remote client, and with an embedded replica (V2)."""

import asyncio

import aiolibsql

from judge import arguments, dump_file, expect, report

url, folder, token = arguments()
path = folder + "/replica.db"


async def rows(connection, sql, values=()):
    result = await connection.execute(sql, values)
    return [tuple(row) for row in await result.fetchall()]


async def expect_error(what, fragment, action):
    try:
        result = await action
    except Exception as error:
        expect("%s: %s" % (what, error), fragment in str(error), True)
        return
    raise SystemExit("%s: expected an error with %r, got %r" % (what, fragment, result))


async def main():
    remote = await aiolibsql.connect(url, auth_token=token)
    await remote.execute("CREATE TABLE kinds(id INTEGER PRIMARY KEY, i INTEGER, r REAL, s TEXT, b BLOB, n)")
    values = (9223372036854775807, 1.5, "hé Ñ", b"\x00\xff", None)
    await remote.execute("INSERT INTO kinds(i, r, s, b, n) VALUES (?, ?, ?, ?, ?)", values)
    await remote.commit()
    expect("values", await rows(remote, "SELECT * FROM kinds"), [(1, *values)])
    # Without a BEGIN this client commits after each statement, whatever the other clients do.
    await remote.execute("BEGIN")
    await remote.execute("INSERT INTO kinds(i) VALUES (1)")
    await remote.rollback()
    expect("rolled back", await rows(remote, "SELECT count(*) FROM kinds"), [(1,)])
    await expect_error("constraint", "UNIQUE", remote.execute("INSERT INTO kinds(id) VALUES (1)"))
    await remote.rollback()
    await expect_error("syntax", "syntax error", remote.execute("SELEC 1"))

    replica = await aiolibsql.connect(path, sync_url=url, auth_token=token)
    await replica.sync()
    expect("bootstrap", await rows(replica, "SELECT * FROM kinds"), [(1, *values)])
    await remote.execute("INSERT INTO kinds(i, s) VALUES (2, 'two')")
    await remote.commit()
    await replica.sync()
    expect("incremental", await rows(replica, "SELECT s FROM kinds WHERE i = 2"), [("two",)])
    await replica.execute("INSERT INTO kinds(i, s) VALUES (3, 'three')")
    await replica.commit()
    expect("read your writes", await rows(replica, "SELECT s FROM kinds WHERE i = 3"), [("three",)])
    expect("the remote has it", await rows(remote, "SELECT s FROM kinds WHERE i = 3"), [("three",)])
    await replica.sync()
    await replica.close()
    await remote.close()


asyncio.run(main())
report("aiolibsql", dump=dump_file(path))
