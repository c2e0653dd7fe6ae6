"""libsql-client 0.3.1: /v1/execute and /v1/batch over HTTP, and hrana2 over WebSocket."""

import libsql_client

from judge import arguments, dump, expect, expect_error, expect_same, report

url, folder, token = arguments()
text = 'hé "q"/\\\n Ñ 🛏'
blob = b"\x00\xff\xff\xff\xfa"


def fetch(client, sql, values=()):
    return [tuple(row) for row in client.execute(sql, values).rows]


def statements(client, table):
    """What both transports can do."""
    client.execute("CREATE TABLE %s(id INTEGER PRIMARY KEY, i INTEGER, r REAL, s TEXT, b BLOB, n)" % table)
    values = [9223372036854775807, 1.5, text, blob, None]
    result = client.execute("INSERT INTO %s(i, r, s, b, n) VALUES (?, ?, ?, ?, ?)" % table, values)
    expect("rows affected", (result.rows_affected, result.last_insert_rowid), (1, 1))
    result = client.execute("SELECT * FROM %s" % table)
    expect("columns", tuple(result.columns), ("id", "i", "r", "s", "b", "n"))
    expect("values", [tuple(row) for row in result.rows], [(1, *values)])
    named = client.execute("SELECT :a, @b, $c", {"a": 1, "@b": 2, "c": 3})
    expect("named", [tuple(row) for row in named.rows], [(1, 2, 3)])
    client.execute("CREATE TABLE %s_once(x INTEGER UNIQUE)" % table)
    once = "INSERT INTO %s_once VALUES " % table
    results = client.batch([once + "(1)", (once + "(?)", [2]), "SELECT count(*) FROM %s_once" % table])
    expect("batch", [[tuple(row) for row in result.rows] for result in results], [[], [], [(2,)]])
    expect_error(
        "a batch with an error", "no such table: nosuch", lambda: client.batch([once + "(3)", "DELETE FROM nosuch"])
    )
    expect("is undone", fetch(client, "SELECT x FROM %s_once" % table), [(1,), (2,)])
    expect_error("no table", "SQLITE_UNKNOWN", lambda: client.execute("SELECT * FROM nosuch"))
    expect_error("constraint", "SQLITE_CONSTRAINT", lambda: client.execute(once + "(1)"))
    expect_error("syntax", "SQL_", lambda: client.execute("SELEC 1"))


http = libsql_client.create_client_sync(url, auth_token=token)
statements(http, "http_kinds")

socket = libsql_client.create_client_sync(url.replace("http", "ws", 1), auth_token=token)
statements(socket, "ws_kinds")
transaction = socket.transaction()
transaction.execute("INSERT INTO ws_kinds_once VALUES (10)")
expect("inside", tuple(transaction.execute("SELECT count(*) FROM ws_kinds_once").rows[0]), (3,))
transaction.commit()
transaction = socket.transaction()
transaction.execute("INSERT INTO ws_kinds_once VALUES (11)")
transaction.rollback()
transaction = socket.transaction()
transaction.execute("INSERT INTO ws_kinds_once VALUES (12)")
transaction.close()
expect("committed only", fetch(socket, "SELECT x FROM ws_kinds_once ORDER BY x"), [(1,), (2,), (10,)])
# Over the other transport, too.
expect("both see the same", fetch(http, "SELECT max(x) FROM ws_kinds_once"), [(10,)])
seen = dump(lambda sql: fetch(http, sql))
expect_same("both dumps", dump(lambda sql: fetch(socket, sql)), seen)
socket.close()
http.close()
report("libsql-client", dump=seen)
