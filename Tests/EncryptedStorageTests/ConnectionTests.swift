import EncryptionKeys
import Foundation
import TestSupport
import Testing

@testable import EncryptedStorage

@Suite("Connection")
struct ConnectionTests {
  let folder: TemporaryDirectory
  let path: String

  init() throws {
    folder = try TemporaryDirectory()
    path = folder.file("a.db")
  }

  private func writer() async throws -> Connection {
    try await ConnectionFactory(key: TestKeys.first()).create(path)
  }

  @Test func keepsEveryValueExactly() async throws {
    let connection = try await writer()
    let values: [Value] = [
      .null, .integer(.min), .integer(.max), .integer(0), .real(-0.0), .real(.greatestFiniteMagnitude),
      .real(.leastNonzeroMagnitude),
      .text(""), .text("ñ🙂\u{0}after NUL"), .text(String(repeating: "x", count: 20_000)), .blob([]),
      .blob([0, 255, 0]), .blob([UInt8](repeating: 9, count: 20_000)),
    ]
    let read = try await connection.run { session in
      try session.execute("CREATE TABLE v (i INTEGER PRIMARY KEY, v)")
      for (index, value) in values.enumerated() {
        try session.execute("INSERT INTO v VALUES (?, ?)", [.integer(Int64(index)), value])
      }
      return try session.query("SELECT v, typeof(v) FROM v ORDER BY i") { ($0[0], $0[1].text ?? "") }
    }
    #expect(read.map(\.0) == values)
    #expect(read.map(\.1).prefix(2) == ["null", "integer"])
    await connection.close()
  }

  @Test func rollsBackWhatThrows() async throws {
    struct Failure: Error {}
    let connection = try await writer()
    try await connection.run { _ = try $0.execute("CREATE TABLE t (a)") }
    await #expect(throws: Failure.self) {
      try await connection.transaction { session in
        _ = try session.execute("INSERT INTO t VALUES (1)")
        throw Failure()
      }
    }
    #expect(try await connection.run { try $0.value("SELECT count(*) FROM t") } == 0)
    try await connection.transaction { _ = try $0.execute("INSERT INTO t VALUES (2)") }
    #expect(try await connection.run { try $0.value("SELECT count(*) FROM t") } == 1)
    await connection.close()
  }

  @Test func refusesMoreThanOneStatementAndWrongParameterCounts() async throws {
    let connection = try await writer()
    for sql in ["SELECT 1; SELECT 2", "", " -- nothing\n"] {
      await #expect { try await connection.run { try $0.execute(sql) } } throws: {
        ($0 as? EncryptedStorageError)?.code == .statement
      }
    }
    #expect(try await connection.run { try $0.value("SELECT 1 ; -- comment\n ;") } == 1)
    await #expect { try await connection.run { try $0.execute("SELECT ?, ?", [1]) } } throws: {
      ($0 as? EncryptedStorageError)?.code == .statement
    }
    await connection.close()
  }

  @Test func namesConstraintsButNeverQuotesValues() async throws {
    let connection = try await writer()
    try await connection.run {
      try $0.executeScript("CREATE TABLE t (a UNIQUE); INSERT INTO t VALUES ('\(Canary.text)')")
    }
    await #expect {
      try await connection.run { try $0.execute("INSERT INTO t VALUES (?)", [.text(Canary.text)]) }
    } throws: { error in
      guard let error = error as? EncryptedStorageError else { return false }
      return error.code == .constraint && error.detail.contains("t.a") && !"\(error)".contains(Canary.text)
    }
    // A JSON function quotes its argument in SQLite's message.
    await #expect {
      try await connection.run { try $0.value("SELECT json_extract('{}', ?)", [.text("bad \(Canary.text)")]) }
    } throws: { !"\($0)\(String(reflecting: $0))".contains(Canary.text) }
    await connection.close()
  }

  @Test func interruptsTheStatementOfACancelledTaskAndStaysUsable() async throws {
    let connection = try await writer()
    let started = Locked(false)
    let task = Task {
      try await connection.run { session in
        try session.forEachRow("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n") { _ in
          started.withLock { $0 = true }
        }
      }
    }
    while !started.withLock({ $0 }) { await Task.yield() }
    task.cancel()
    await #expect { try await task.value } throws: { ($0 as? EncryptedStorageError)?.code == .cancelled }
    #expect(try await connection.run { try $0.value("SELECT 1") } == 1)
    await connection.close()
  }

  @Test func cancellingOneCallerLeavesTheStatementOfAnotherAlone() async throws {
    let connection = try await writer()
    let long = Task {
      try await connection.run {
        try $0.value(
          "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) SELECT count(*) FROM n")
      }
    }
    let waiting = (0..<20).map { _ in Task { try await connection.run { try $0.value("SELECT 2") } } }
    for task in waiting { task.cancel() }
    #expect(try await long.value == 300_000)
    for task in waiting { _ = try? await task.value }
    await connection.close()
  }

  @Test func blocksNoThreadOfTheCooperativePool() async throws {
    // More busy connections than cores: a task that needs the pool must still get its turn while they run.
    let connections = try await (0..<6).asyncMap { index in
      try await ConnectionFactory(key: TestKeys.first()).create(folder.file("\(index).db"))
    }
    let gate = Locked(false)
    let blocked = connections.map { connection in
      Task { try await connection.run { _ in while !gate.withLock({ $0 }) { usleep(200) } } }
    }
    // Would never return if the six closures above held the pool.
    await Task.detached { await Task.yield() }.value
    gate.withLock { $0 = true }
    for task in blocked { try await task.value }
    for connection in connections { await connection.close() }
  }

  @Test func closingAWriterWaitsForNoOtherWriter() async throws {
    await (try await writer()).close()
    var configuration = ConnectionFactory.Configuration()
    configuration.busyTimeout = .seconds(3600)
    let factory = ConnectionFactory(key: try TestKeys.first(), configuration: configuration)
    let working = try await factory.open(path, .writer)
    try await working.run { try $0.executeScript("CREATE TABLE t (a); BEGIN IMMEDIATE; INSERT INTO t VALUES (1)") }
    let closing = try await factory.open(path, .writer)
    await closing.close()
    try await working.run { _ = try $0.execute("COMMIT") }
    #expect(try await working.run { try $0.value("SELECT count(*) FROM t") } == 1)
    await working.close()
  }

  @Test func aCheckpointMovesWhatAReaderAllowsAndDoesNotWaitForIt() async throws {
    await (try await writer()).close()
    var configuration = ConnectionFactory.Configuration()
    configuration.busyTimeout = .seconds(3600)
    let factory = ConnectionFactory(key: try TestKeys.first(), configuration: configuration)
    let writer = try await factory.open(path, .writer)
    let reader = try await factory.open(path)
    let empty = Bytes.size(path)
    try await writer.run { try $0.executeScript("CREATE TABLE t (a); INSERT INTO t VALUES (zeroblob(1000000))") }
    try await reader.run { session in
      try session.execute("BEGIN")
      #expect(try session.value("SELECT count(*) FROM t") == 1)
    }
    try await writer.run { session in
      // Everything up to the snapshot is moved, but whoever reads it keeps the log.
      #expect(try !session.checkpoint())
      let moved = Bytes.size(path)
      #expect(moved > empty + 1_000_000)
      try session.execute("INSERT INTO t VALUES (zeroblob(1000000))")
      #expect(try !session.checkpoint())
      #expect(Bytes.size(path) == moved)
      #expect(Bytes.size(path + "-wal") > 2_000_000)
    }
    try await reader.run { session in
      #expect(try session.value("SELECT count(*) FROM t") == 1)
      try session.execute("COMMIT")
    }
    #expect(try await writer.run { try $0.checkpoint() })
    #expect(Bytes.size(path + "-wal") == 0)
    #expect(Bytes.size(path) > empty + 2_000_000)
    #expect(try await reader.run { try $0.value("SELECT count(*) FROM t") } == 2)
    await reader.close()
    await writer.close()
  }

  @Test func aCheckpointLeavesTheBusyTimeoutAsItWas() async throws {
    let connection = try await writer()
    #expect(try await connection.run { try $0.checkpoint() })
    #expect(try await connection.run { try $0.value("PRAGMA busy_timeout") } == 5000)
    try await connection.run { try $0.executeScript("PRAGMA busy_timeout = 1234") }
    #expect(try await connection.run { try $0.checkpoint() })
    #expect(try await connection.run { try $0.value("PRAGMA busy_timeout") } == 1234)
    await connection.close()
  }

  @Test func throwsAfterClosing() async throws {
    let connection = try await writer()
    await connection.close()
    await connection.close()
    await #expect { try await connection.run { try $0.value("SELECT 1") } } throws: {
      ($0 as? EncryptedStorageError)?.code == .closed
    }
  }

  @Test(arguments: CipherProfile.allCases)
  func neverHandsOutZerosForATamperedOverflowPage(profile: CipherProfile) async throws {
    // One row whose last overflow page is the last page a query reads: SQLCipher itself answers zeros and success.
    try await Sample.make(
      path, key: TestKeys.first(), profile: profile,
      sql:
        "CREATE TABLE t (a); INSERT INTO t VALUES (CAST(zeroblob(30000) AS TEXT)); UPDATE t SET a = hex(randomblob(15000))"
    )
    let original = try Bytes.read(path)
    var refusals = 0
    for page in 2..<(original.count / 4096) {
      try Bytes.write(original, to: path)
      try Bytes.flip(path, byte: page * 4096 + 50)
      let connection = try await ConnectionFactory(key: TestKeys.first()).open(path)
      do {
        let value = try await connection.run { try $0.value("SELECT a FROM t") }
        // A page that the query did not need.
        #expect(value.text?.contains("\u{0}") == false && value.text?.count == 30_000)
      } catch {
        #expect((error as? EncryptedStorageError)?.code == .damaged)
        refusals += 1
      }
      await connection.close()
    }
    #expect(refusals >= 7)
  }
}

extension Sequence where Element: Sendable {
  func asyncMap<T>(_ transform: (Element) async throws -> T) async rethrows -> [T] {
    var results: [T] = []
    for element in self { results.append(try await transform(element)) }
    return results
  }
}
