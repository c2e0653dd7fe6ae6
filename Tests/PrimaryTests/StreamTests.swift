import EncryptedStorage
import LibSQLProtocol
import TestSupport
import Testing

@testable import Primary
@testable import ServerAccess

@Suite("Streams")
struct StreamTests {
  private func refusal(_ body: () async throws -> Void) async throws -> StreamTable.Refusal? {
    do { try await body() } catch let refusal as StreamTable.Refusal { return refusal }
    return nil
  }

  @Test func aStreamKeepsItsTransactionFromRequestToRequest() async throws {
    let store = try await ServedStore()
    let first = try await store.run([.sql("CREATE TABLE t (a)"), .sql("BEGIN"), .sql("INSERT INTO t VALUES (1)")])
    #expect(first.results.allSatisfy { $0.code == nil })
    #expect(try await store.value("SELECT count(*) FROM t") == .integer(0))
    let second = try await store.run([.getAutocommit, .sql("COMMIT"), .getAutocommit], baton: first.baton)
    #expect(second.results[0] == .ok(.getAutocommit(isAutocommit: false)))
    #expect(second.results[2] == .ok(.getAutocommit(isAutocommit: true)))
    #expect(try await store.value("SELECT count(*) FROM t") == .integer(1))
  }

  @Test func aBatonServesOnceAndCannotBeMadeUp() async throws {
    let store = try await ServedStore()
    let baton = try await store.run([.sql("SELECT 1")]).baton
    try await store.run([.sql("SELECT 1")], baton: baton)
    #expect(try await refusal { try await store.run([], baton: baton) } == .invalidBaton)
    #expect(try await refusal { try await store.run([], baton: "x") } == .invalidBaton)
    #expect(try await refusal { try await store.run([], baton: "") } == .invalidBaton)
    let forged = String(baton.dropLast()) + (baton.hasSuffix("0") ? "1" : "0")
    #expect(try await refusal { try await store.run([], baton: forged) } == .expired)
    let other = try await ServedStore()
    #expect(try await refusal { try await other.run([], baton: baton) } == .expired)
  }

  @Test func aStreamOfAReaderIsNotOneOfAWriter() async throws {
    let store = try await ServedStore()
    let baton = try await store.run([.sql("SELECT 1")], .readWrite).baton
    #expect(try await refusal { try await store.run([], baton: baton, .readOnly) } == .invalidBaton)
  }

  @Test func aStreamThatNobodyUsesExpiresWithItsTransaction() async throws {
    let store = try await ServedStore { $0.streamIdleTime = .zero }
    let baton = try await store.run([.sql("CREATE TABLE t (a)"), .sql("BEGIN IMMEDIATE")]).baton
    await store.streams.sweep()
    #expect(try await refusal { try await store.run([], baton: baton) } == .expired)
    #expect(try await store.code("INSERT INTO t VALUES (1)") == nil)
    #expect(await store.streams.counts.streams == 0)
  }

  @Test func aTransactionEndsAtItsTimeAndNothingOfItRunsOutsideOfIt() async throws {
    let store = try await ServedStore { $0.transactionTime = .zero }
    try await store.run([.sql("CREATE TABLE t (a)")])
    var stream = try await store.run([.sql("BEGIN IMMEDIATE")])
    await store.streams.sweep()
    #expect(try await store.code("INSERT INTO t VALUES ('other')") == nil)
    stream = try await store.run(
      [.sql("INSERT INTO t VALUES ('mine')"), .sequence(.text("INSERT INTO t VALUES ('mine')"))], baton: stream.baton)
    #expect(stream.results.map(\.code) == ["TRANSACTION_TIMEOUT", "TRANSACTION_TIMEOUT"])
    stream = try await store.run(
      [.sql(" -- the end\n commit"), .sql("INSERT INTO t VALUES ('later')")], baton: stream.baton)
    #expect(stream.results.map(\.code) == ["TRANSACTION_TIMEOUT", nil])
    #expect(try await store.value("SELECT group_concat(a) FROM t") == .text("other,later"))
  }

  @Test func aStatementThatOutlastsItsTransactionTakesItAlong() async throws {
    let store = try await ServedStore { $0.transactionTime = .milliseconds(1) }
    try await store.run([.sql("CREATE TABLE t (a)")])
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    let results = try await store.run([.sql("BEGIN"), .sql("INSERT INTO t VALUES (1)"), .sql(endless), .getAutocommit])
      .results
    #expect(results.last == .ok(.getAutocommit(isAutocommit: true)))
    #expect(results.contains { $0.code == "TRANSACTION_TIMEOUT" })
    #expect(try await store.value("SELECT count(*) FROM t") == .integer(0))
  }

  @Test func aThousandStreamsShareFewConnections() async throws {
    let store = try await ServedStore { $0.connectionCount = 3 }
    try await store.run([.sql("CREATE TABLE t (a INTEGER PRIMARY KEY)")])
    var batons: [String] = []
    for number in 1...1000 {
      let (results, baton) = try await store.run([.sql("INSERT INTO t VALUES (?)", [.integer(Int64(number))])])
      #expect(results.first?.code == nil)
      batons.append(baton)
    }
    let counts = await store.streams.counts
    #expect(counts.streams == 1001 && counts.connections <= 3)
    // What a client did on its stream is still there, on whatever connection.
    for number in [1, 500, 1000] {
      let results = try await store.run([.sql("SELECT last_insert_rowid()")], baton: batons[number - 1]).results
      #expect(results.first?.value == .integer(Int64(number)))
    }
  }

  @Test func whatAStreamMadeForItselfIsNeverSeenByAnother() async throws {
    let store = try await ServedStore { $0.connectionCount = 1 }
    try await store.run([.sql("CREATE TEMP TABLE mine (a)")], closing: true)
    #expect(try await store.code("SELECT * FROM mine") == "SQLITE_UNKNOWN")
    try await store.run([.sql("PRAGMA foreign_keys = OFF")], closing: true)
    #expect(try await store.value("PRAGMA foreign_keys") == .integer(1))
  }

  @Test func aRequestWaitsForAConnectionAndIsRefusedInTime() async throws {
    let store = try await ServedStore {
      $0.connectionCount = 1
      $0.connectionWaitingTime = .zero
    }
    let baton = try await store.run([.sql("BEGIN")]).baton
    async let other = refusal { try await store.run([.sql("SELECT 1")]) }
    while await store.streams.waiters.isEmpty { await Task.yield() }
    await store.streams.sweep()
    #expect(try await other == .busy)
    async let third = store.run([.sql("SELECT 3")])
    while await store.streams.waiters.isEmpty { await Task.yield() }
    try await store.run([.sql("COMMIT")], baton: baton)
    #expect(try await third.results.first?.value == .integer(3))
  }

  @Test func aReaderMayGetTheConnectionThatAWriterHad() async throws {
    let store = try await ServedStore { $0.connectionCount = 1 }
    try await store.run([.sql("CREATE TABLE t (a)")])
    #expect(try await store.code("SELECT * FROM t", [], .readOnly) == nil)
    #expect(try await store.code("INSERT INTO t VALUES (1)") == nil)
    #expect(try await store.code("INSERT INTO t VALUES (1)", [], .readOnly) == "BLOCKED")
  }

  @Test func theNextRequestWaitsForTheCursorBeforeIt() async throws {
    let store = try await ServedStore()
    let lease = try await store.streams.lease(nil, .readWrite)
    let series = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000) SELECT i FROM n"
    let batch = Hrana.Batch(steps: [Hrana.BatchStep(Hrana.Statement(.text(series)))])
    #expect(await lease.connection.openCursor(batch, lease.stored) == nil)
    #expect(await lease.connection.nextLines(upTo: 100) != nil)
    async let next = store.run([.sql("SELECT 7")], baton: lease.nextBaton)
    while await store.streams.entries[lease.stream]?.waiting.isEmpty != false { await Task.yield() }
    // The client broke the answer off.
    await CursorAnswer(lease, store.streams).finish()
    #expect(try await next.results.first?.value == .integer(7))
  }

  @Test func aCursorThatIsNeverAnsweredGivesItsStreamBack() async throws {
    let store = try await ServedStore { $0.connectionCount = 1 }
    var answer: CursorAnswer? = CursorAnswer(try await store.streams.lease(nil, .readWrite), store.streams)
    async let other = store.run([.sql("SELECT 1")])
    while await store.streams.waiters.isEmpty { await Task.yield() }
    _ = answer
    answer = nil
    #expect(try await other.results.first?.value == .integer(1))
  }

  @Test func closingRollsBackAndLeavesOneFile() async throws {
    let store = try await ServedStore()
    try await store.run([.sql("CREATE TABLE t (a)")])
    try await store.run([.sql("BEGIN"), .sql("INSERT INTO t VALUES (1)")])
    await store.database.close()
    #expect(try await refusal { try await store.run([]) } == .closing)
    #expect(try store.folder.contents().keys.sorted() == ["primary.db"])
    let connection = try await ServedStore.factory().open(store.path)
    #expect(try await connection.run { try $0.value("SELECT count(*) FROM t") } == .integer(0))
    await connection.close()
  }
}
