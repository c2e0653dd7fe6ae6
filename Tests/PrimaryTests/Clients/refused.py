"""Clients whose token gives no right to write: EXPECTED (environment) is what each has to be told, by every door."""

import os

import libsql
import libsql_client
import turso_serverless

from judge import arguments, expect_error, report

url, folder, token = arguments()
expected = os.environ["EXPECTED"]

for sql in ("CREATE TABLE t(x)", "PRAGMA user_version = 5"):
    expect_error("libsql " + sql, expected, lambda: libsql.connect(url, auth_token=token).execute(sql))
    serverless = turso_serverless.connect(url, auth_token=token or None)
    message = {"401": "token", "403": "token"}.get(expected, "reading only")
    message = "authentication" if not token else message
    expect_error("turso-serverless " + sql, message, lambda: serverless.execute(sql))
    for scheme in ("http", "ws"):
        client = libsql_client.create_client_sync(url.replace("http", scheme, 1), auth_token=token or None)
        expect_error("libsql-client %s %s" % (scheme, sql), "", lambda: client.execute(sql))
        client.close()
report("refused", dump=[])
