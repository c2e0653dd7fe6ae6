import LibSQLProtocol
import TestSupport
import Testing

@testable import Primary
@testable import ServerAccess

@Suite("Statements of clients")
struct StatementTests {
  @Test func resultsSayWhatWasChanged() async throws {
    let store = try await ServedStore()
    #expect(try await store.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)").lastInsertRowID == nil)
    let insert = try await store.execute("INSERT INTO t (b) VALUES ('x'), ('y') RETURNING a")
    #expect(
      insert.affectedRowCount == 2 && insert.lastInsertRowID == 2 && insert.rows == [[.integer(1)], [.integer(2)]])
    let update = try await store.execute("UPDATE t SET b = 'z'")
    #expect(update.affectedRowCount == 2 && update.lastInsertRowID == nil)
    #expect(try await store.execute("UPDATE t SET b = 'z' WHERE a = 9").affectedRowCount == 0)
    let query = try await store.execute("SELECT a, b AS c, a + 1 FROM t LIMIT 1;")
    #expect(query.columns.map(\.name) == ["a", "c", "a + 1"])
    #expect(query.columns.map(\.declaredType) == ["INTEGER", "TEXT", nil])
    #expect(query.affectedRowCount == 0)
    let withInsert = try await store.execute("WITH n AS (SELECT 'w') INSERT INTO t (b) SELECT * FROM n")
    #expect(withInsert.lastInsertRowID == 3)
  }

  @Test func aTriggersInsertIsNotTheStatements() async throws {
    let store = try await ServedStore()
    try await store.run([
      .sql("CREATE TABLE t (a)"), .sql("CREATE TABLE log (a)"),
      .sql("CREATE TRIGGER g AFTER UPDATE ON t BEGIN INSERT INTO log VALUES (new.a); END"),
      .sql("INSERT INTO t VALUES (1)"),
    ])
    let update = try await store.execute("UPDATE t SET a = 2")
    #expect(update.affectedRowCount == 1 && update.lastInsertRowID == nil)
    #expect(try await store.value("SELECT count(*) FROM log") == .integer(1))
  }

  @Test(arguments: [
    Hrana.Value.null, .integer(.min), .integer(.max), .float(-0.5), .float(1e300), .text(""), .text("ñ\u{0}\"\\😀"),
    .blob([]), .blob([0, 255, 1]),
  ])
  func everyValueComesBackAsItIs(value: Hrana.Value) async throws {
    let store = try await ServedStore()
    #expect(try await store.execute("SELECT ?", [value]).rows == [[value]])
  }

  @Test func argumentsMustFit() async throws {
    let store = try await ServedStore()
    #expect(try await store.code("SELECT ?") == "ARGS_INVALID")
    #expect(try await store.code("SELECT ?", [.null, .null]) == "ARGS_INVALID")
    func named(_ sql: String, _ names: [String]) async throws -> Hrana.StreamResult? {
      let arguments = names.map { Hrana.NamedArgument(name: $0, value: .text($0)) }
      return try await store.run([.execute(Hrana.Statement(.text(sql), namedArguments: arguments))]).results.first
    }
    for name in [":x", "x"] { #expect(try await named("SELECT :x", [name])?.value == .text(name)) }
    #expect(try await named("SELECT @x || $y", ["x", "$y"])?.value == .text("x$y"))
    #expect(try await named("SELECT :x", ["x", "unused"])?.value == .text("x"))
    #expect(try await named("SELECT :x", ["y"])?.code == "ARGS_INVALID")
    #expect(try await named("SELECT ?", ["x"])?.code == "ARGS_INVALID")
    let both = Hrana.Statement(
      .text("SELECT ?"), arguments: [.null], namedArguments: [Hrana.NamedArgument(name: "x", value: .null)])
    #expect(try await store.run([.execute(both)]).results.first?.code == "ARGS_BOTH_POSITIONAL_AND_NAMED")
  }

  @Test(arguments: [
    ("selec 1", "SQL_INPUT_ERROR"), ("", "SQL_NO_STATEMENT"), (" -- nothing\n", "SQL_NO_STATEMENT"),
    ("SELECT 1; SELECT 2", "SQL_MANY_STATEMENTS"), ("SELECT 1; -- and a comment", nil),
    ("SELECT * FROM missing", "SQLITE_UNKNOWN"), ("INSERT INTO t VALUES (1)", "SQLITE_CONSTRAINT"),
    ("INSERT INTO t VALUES (zeroblob(70000000))", "SQLITE_TOOBIG"), ("COMMIT", "SQLITE_UNKNOWN"),
    ("BEGIN READONLY", nil), ("begin readonly transaction;", nil),
  ])
  func failuresHaveTheCodesThatClientsKnow(sql: String, code: String?) async throws {
    let store = try await ServedStore()
    try await store.run([.sql("CREATE TABLE t (a PRIMARY KEY)"), .sql("INSERT INTO t VALUES (1)")])
    #expect(try await store.code(sql) == code)
  }

  @Test func messagesAreThoseThatClientsLookFor() async throws {
    let store = try await ServedStore()
    await #expect { try await store.execute("SELECT * FROM turso_sync_last_change_id") } throws: { error in
      (error as? Hrana.ProtocolError)?.message.contains("no such table: turso_sync_last_change_id") == true
    }
    await #expect { try await store.execute("SELECT FROM") } throws: { error in
      (error as? Hrana.ProtocolError)?.message == #"SQL input error: near "FROM": syntax error (at offset 7)"#
    }
  }

  @Test(arguments: [
    "ATTACH ':memory:' AS other", "ATTACH '/etc/passwd' AS other", "DETACH main", "VACUUM INTO '/tmp/albergue-copy.db'",
    "PRAGMA key = 'x'", "PRAGMA rekey = 'x'", "PRAGMA cipher_page_size", "PRAGMA writable_schema = 1",
    "PRAGMA journal_mode = DELETE", "PRAGMA temp_store = 1", "PRAGMA cache_size = -1000000", "PRAGMA mmap_size = 1",
    "PRAGMA unknown_pragma", "PRAGMA query_only = 0", "PRAGMA locking_mode = EXCLUSIVE", "PRAGMA page_size = 512",
    "SELECT load_extension('x')", "SELECT fts3_tokenizer('x')", "SELECT sqlcipher_export('x')",
    "CREATE VIRTUAL TABLE v USING dbstat", "CREATE VIRTUAL TABLE v USING csv(filename='/etc/passwd')",
  ])
  func statementsThatReachBeyondTheDatabaseAreRefused(sql: String) async throws {
    let store = try await ServedStore()
    // With the file of the writer lock.
    try await store.run([.sql("CREATE TABLE t (a)")])
    let before = try store.folder.contents().keys.sorted()
    #expect(try await store.code(sql) != nil)
    #expect(try await store.run([.sequence(.text(sql))]).results.first?.code != nil)
    #expect(try store.folder.contents().keys.sorted() == before)
  }

  @Test(arguments: [
    "INSERT INTO t VALUES (1)", "WITH n AS (SELECT 1) INSERT INTO t SELECT * FROM n", "UPDATE t SET a = 2 RETURNING a",
    "DELETE FROM t", "CREATE TABLE u (a)", "CREATE TEMP TABLE u (a)", "DROP TABLE t", "PRAGMA user_version = 7",
    "PRAGMA incremental_vacuum", "PRAGMA application_id = 7", "BEGIN IMMEDIATE", "BEGIN EXCLUSIVE", "VACUUM", "REINDEX",
    "ANALYZE", "ALTER TABLE t ADD COLUMN b",
  ])
  func aReaderWritesThroughNoDoor(sql: String) async throws {
    let store = try await ServedStore()
    try await store.run([
      .sql("CREATE TABLE t (a)"), .sql("CREATE INDEX i ON t (a)"), .sql("INSERT INTO t VALUES (0)"),
    ])
    let before = try await store.value("SELECT group_concat(a) || (SELECT count(*) FROM sqlite_schema) FROM t")
    #expect(try await store.code(sql, [], .readOnly) != nil)
    let others: [Hrana.StreamRequest] = [
      .sequence(.text(sql)), .batch(Hrana.Batch(steps: [Hrana.BatchStep(Hrana.Statement(.text(sql)))])),
      .sequence(.text("BEGIN; \(sql)")),
    ]
    let results = try await store.run(others, .readOnly).results
    #expect(results[0].code != nil && results[2].code != nil)
    guard case .ok(.batch(let batch)) = results[1] else {
      Issue.record("no batch")
      return
    }
    #expect(batch.stepErrors[0] != nil)
    #expect(try await store.value("PRAGMA user_version") == .integer(0))
    #expect(
      try await store.value("SELECT group_concat(a) || (SELECT count(*) FROM sqlite_schema) FROM t") == before)
  }

  @Test func anOptimizeOfAReaderChangesNothing() async throws {
    let store = try await ServedStore()
    try await store.run([.sql("CREATE TABLE t (a)"), .sql("CREATE INDEX i ON t (a)"), .sql("INSERT INTO t VALUES (0)")])
    _ = try await store.code("PRAGMA optimize = 0x10002", [], .readOnly)
    #expect(try await store.value("SELECT count(*) FROM sqlite_schema WHERE name LIKE 'sqlite_stat%'") == .integer(0))
  }

  @Test func limitsAreKept() async throws {
    let store = try await ServedStore {
      $0.answerByteCount = 10_000
      $0.answerRowCount = 100
    }
    func series(_ count: Int) -> String {
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT \(count)) SELECT i FROM n"
    }
    #expect(try await store.code(series(100)) == nil)
    #expect(try await store.code(series(101)) == "RESPONSE_TOO_LARGE")
    #expect(try await store.code("SELECT hex(zeroblob(6000))") == "RESPONSE_TOO_LARGE")
    // All answers of a pipeline count together.
    let results = try await store.run(Array(repeating: .sql("SELECT hex(zeroblob(2000))"), count: 3)).results
    #expect(results.map(\.code) == [nil, nil, "RESPONSE_TOO_LARGE"])
    #expect(try await store.code("SELECT '\(String(repeating: "x", count: 1 << 20))'") == "SQLITE_TOOBIG")
    #expect(try await store.code("SELECT ?40000", [.null]) != nil)
    #expect(try await store.code("SELECT " + String(repeating: "1+", count: 300) + "1") != nil)
    #expect(try await store.code(Array(repeating: "SELECT 1", count: 300).joined(separator: " UNION ALL ")) != nil)
  }

  @Test func aStatementWithoutEndIsStopped() async throws {
    let store = try await ServedStore { $0.statementTime = .milliseconds(20) }
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    #expect(try await store.code(endless) == "SQLITE_INTERRUPT")
    #expect(try await store.code("SELECT 1") == nil)
  }

  @Test func aBatchRunsWhatItsConditionsAllow() async throws {
    let store = try await ServedStore()
    func step(_ sql: String, _ condition: Hrana.Condition? = nil) -> Hrana.BatchStep {
      Hrana.BatchStep(Hrana.Statement(.text(sql)), if: condition)
    }
    let batch = Hrana.Batch(steps: [
      step("BEGIN"), step("SELECT missing", .ok(step: 0)), step("SELECT 2", .ok(step: 1)),
      step("SELECT 3", .error(step: 1)), step("SELECT 4", .error(step: 2)), step("SELECT 5", .isAutocommit),
      step("ROLLBACK", .not(.isAutocommit)), step("SELECT 7", .and([.isAutocommit, .ok(step: 3)])),
      step("SELECT 8", .or([.ok(step: 1), .ok(step: 5)])), step("SELECT 9", .and([])), step("SELECT 10", .or([])),
    ])
    guard case .ok(.batch(let result)) = try await store.run([.batch(batch)]).results.first else {
      Issue.record("no batch")
      return
    }
    let ran = result.stepResults.map { $0 != nil }
    #expect(ran == [true, false, false, true, true, false, true, true, false, true, false])
    #expect(result.stepErrors.map { $0 != nil } == [false, true] + Array(repeating: false, count: 9))
  }

  @Test func storedTextsAreRunByTheirNumber() async throws {
    let store = try await ServedStore()
    let first = try await store.run([
      .storeSQL(id: 7, sql: "SELECT 70"), .execute(Hrana.Statement(.stored(id: 7))),
      .execute(Hrana.Statement(.stored(id: 8))),
      .storeSQL(id: 9, sql: String(repeating: "x", count: 5001)),
    ])
    #expect(first.results.map(\.code) == [nil, nil, "SQL_NOT_FOUND", "SQL_STORE_TOO_LARGE"])
    #expect(first.results[1].value == .integer(70))
    let second = try await store.run(
      [.describe(.stored(id: 7)), .closeSQL(id: 7), .execute(Hrana.Statement(.stored(id: 7)))], baton: first.baton)
    #expect(second.results.map(\.code) == [nil, nil, "SQL_NOT_FOUND"])
    let many = try await store.run((0...50).map { .storeSQL(id: $0, sql: "SELECT 1") }).results
    #expect(many.map(\.code) == Array(repeating: nil, count: 50) + ["SQL_STORE_TOO_MANY"])
  }

  @Test func aStatementIsDescribed() async throws {
    let store = try await ServedStore()
    try await store.run([.sql("CREATE TABLE t (a INTEGER, b)")])
    func describe(_ sql: String) async throws -> Hrana.DescribeResult? {
      guard case .ok(.describe(let result)) = try await store.run([.describe(.text(sql))]).results.first else {
        return nil
      }
      return result
    }
    let query = try #require(try await describe("SELECT a, b FROM t WHERE a = ? AND b = :name AND a = $x"))
    #expect(query.parameterNames == [nil, ":name", "$x"] && query.isReadOnly && !query.isExplain)
    #expect(query.columns.map(\.declaredType) == ["INTEGER", nil])
    #expect(try await describe("DELETE FROM t")?.isReadOnly == false)
    #expect(try await describe("EXPLAIN DELETE FROM t")?.isExplain == true)
    #expect(try await describe("not SQL") == nil)
  }

  @Test func aScriptStopsAtItsFirstError() async throws {
    let store = try await ServedStore()
    let script = "CREATE TABLE t (a); -- one\nINSERT INTO t VALUES (1); INSERT INTO missing VALUES (1); DROP TABLE t;"
    #expect(try await store.run([.sequence(.text(script))]).results.first?.code == "SQLITE_UNKNOWN")
    #expect(try await store.value("SELECT count(*) FROM t") == .integer(1))
    #expect(try await store.run([.sequence(.text(""))]).results.first?.code == nil)
  }

  @Test func writersWaitForEachOtherAndSayWhenItTakesTooLong() async throws {
    let store = try await ServedStore { $0.writerWaitingTime = .milliseconds(50) }
    try await store.run([.sql("CREATE TABLE t (a)")])
    let baton = try await store.run([.sql("BEGIN IMMEDIATE"), .sql("INSERT INTO t VALUES (1)")]).baton
    #expect(try await store.code("INSERT INTO t VALUES (2)") == "SQLITE_BUSY")
    #expect(try await store.value("SELECT count(*) FROM t") == .integer(0))
    try await store.run([.sql("COMMIT")], baton: baton)
    #expect(try await store.value("SELECT count(*) FROM t") == .integer(1))
  }
}
