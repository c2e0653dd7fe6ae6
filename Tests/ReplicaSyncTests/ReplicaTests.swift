import EncryptedStorage
import Foundation
import LibSQLClient
import LibSQLProtocol
import PageStore
import ReplicaSync
import TestSupport
import Testing

/// Reads here, writes there.
@Suite("Replicas", .serialized)
struct ReplicaTests {
  let hostel: Hostel
  let proxy: FaultProxy

  init() async throws {
    hostel = try Hostel()
    proxy = try FaultProxy(before: hostel.server.port)
    try await hostel.sequence("CREATE TABLE bed (id INTEGER PRIMARY KEY, guest TEXT UNIQUE)")
  }

  private static var retries: RetryPolicy {
    var retries = RetryPolicy()
    (retries.firstDelay, retries.delayMax) = (.milliseconds(1), .milliseconds(200))
    return retries
  }

  private func open(_ change: (inout ReplicaSettings) -> Void = { _ in }) async throws -> Replica {
    var settings = try hostel.settings(.v2, proxy.url)
    change(&settings)
    return try await Replica.open(
      settings, remote: try hostel.remote(proxy.url, retries: Self.retries), factory: try Hostel.factory())
  }

  private static let insert = RemoteStatement("INSERT INTO bed (guest) VALUES (?)", ["Ana"])

  private func guestCount() async throws -> Hrana.Value? { try await hostel.value("SELECT count(*) FROM bed") }

  @Test func aReadSeesWhatWasWrittenBefore() async throws {
    let replica = try await open()
    try await replica.sync()
    for number in 1...20 {
      let outcome = try await replica.write([
        RemoteStatement("INSERT INTO bed (guest) VALUES (?)", [.text("guest \(number)")])
      ])
      guard case .confirmed(let confirmation) = outcome else { throw Unexpected("\(outcome)") }
      #expect(confirmation.value?.first?.lastInsertedRowID == Int64(number))
      #expect(try await replica.read { try $0.value("SELECT count(*) FROM bed") } == .integer(Int64(number)))
    }
    await replica.close()
    try await hostel.expectEqual()
  }

  @Test func statementsRunWhereTheyBelong() async throws {
    let replica = try await open()
    try await replica.sync()
    let result = try await replica.execute("INSERT INTO bed (guest) VALUES (?) RETURNING id", ["Ana"])
    #expect(result.rows == [[1]])
    #expect(try await replica.execute("SELECT guest FROM bed").rows == [["Ana"]])
    _ = try proxy.seen()
    #expect(try await replica.execute("/* local */ SELECT id AS number FROM bed").columns == ["number"])
    #expect(try proxy.seen() == [])
    try await replica.execute("CREATE TABLE late (a)")
    #expect(try await replica.execute("SELECT count(*) FROM late").rows == [[0]])
    for sql in ["BEGIN", " ; savepoint x", "-- why\ncommit", "ROLLBACK"] {
      #expect(await syncError { try await replica.execute(sql) }?.code == .statement, "\(sql)")
      #expect(await syncError { try await replica.write([RemoteStatement(sql)]) }?.code == .statement, "\(sql)")
    }
    await replica.close()
  }

  @Test func aStatementThatTheRemoteRefusesChangesNothing() async throws {
    let replica = try await open()
    let error = await #expect(throws: RemoteError.self) {
      try await replica.write([Self.insert, Self.insert])
    }
    #expect(error?.code == .statement)
    #expect(error?.remoteCode?.hasPrefix("SQLITE_CONSTRAINT") == true)
    #expect(try await guestCount() == .integer(0))
    await replica.close()
  }

  @Test func aTransactionIsRemoteAndWhole() async throws {
    let replica = try await open()
    let outcome = try await replica.transaction { transaction in
      try await transaction.execute("INSERT INTO bed (guest) VALUES ('Ana')")
      return try await transaction.execute("SELECT count(*) FROM bed").rows[0][0]
    }
    guard case .confirmed(let confirmation) = outcome else { throw Unexpected("\(outcome)") }
    #expect(confirmation.value == 1)
    await #expect(throws: Unexpected.self) {
      try await replica.transaction { transaction in
        try await transaction.execute("INSERT INTO bed (guest) VALUES ('Bea')")
        throw Unexpected("given up")
      }
    }
    try await replica.sync()
    #expect(try await replica.read { try $0.value("SELECT count(*) FROM bed") } == 1)
    await replica.close()
  }

  // MARK: - Lost answers

  @Test func aLostAnswerIsFoundOutAndTheEffectIsThereOnce() async throws {
    let replica = try await open()
    // The first request is the version's.
    _ = try await replica.write([RemoteStatement("INSERT INTO bed (guest) VALUES ('first')")])
    try proxy.set(#"{"path": "/v3/pipeline", "drop": "after", "times": 1}"#)
    let outcome = try await replica.write([Self.insert])
    guard case .confirmed(let confirmation) = outcome else { throw Unexpected("\(outcome)") }
    #expect(confirmation.value == nil)
    #expect(try await guestCount() == .integer(2))
    #expect(try await replica.sync() == ())
    await replica.close()
  }

  @Test func aRequestThatGotLostIsNotCommittedAndNeverWillBe() async throws {
    let replica = try await open()
    _ = try await replica.write([RemoteStatement("INSERT INTO bed (guest) VALUES ('first')")])
    try proxy.set(#"{"path": "/v3/pipeline", "drop": "before", "times": 1}"#)
    let outcome = try await replica.write([Self.insert])
    guard case .notCommitted = outcome else { throw Unexpected("\(outcome)") }
    #expect(try await guestCount() == .integer(1))
    // The claim keeps a copy that comes late from being committed.
    #expect(try await hostel.value("SELECT count(*) FROM _albergue_writes WHERE written_at < 0") == .integer(1))
    await replica.close()
  }

  /// The request is on its way somewhere while its outcome is found out, and arrives afterwards.
  @Test func aRequestThatComesLateChangesNothing() async throws {
    let replica = try await open()
    _ = try await replica.write([RemoteStatement("INSERT INTO bed (guest) VALUES ('first')")])
    try proxy.set(#"{"path": "/v3/pipeline", "drop": "late", "times": 1}"#)
    guard case .notCommitted = try await replica.write([Self.insert]) else { throw Unexpected("committed") }
    // The caller writes it again, as it may; then the first one comes.
    guard case .confirmed = try await replica.write([Self.insert]) else { throw Unexpected("not committed") }
    let answers = try proxy.release()
    #expect(answers.count == 1)
    #expect(answers.first?[1].contains("_albergue_writes") == true)
    #expect(try await guestCount() == .integer(2))
    await replica.close()
  }

  /// A proxy that repeats what it believes to be lost, and passes on the second answer.
  @Test func aRequestThatComesTwiceIsOneWriteAndConfirmed() async throws {
    let replica = try await open()
    _ = try await replica.write([RemoteStatement("INSERT INTO bed (guest) VALUES ('first')")])
    try proxy.set(#"{"path": "/v3/pipeline", "duplicate": "second", "times": 1}"#)
    let insert = RemoteStatement("INSERT INTO bed (guest) VALUES (NULL)")
    guard case .confirmed = try await replica.write([insert]) else { throw Unexpected("not confirmed") }
    #expect(try await guestCount() == .integer(2))
    let proxy = proxy
    let outcome = try await replica.transaction { transaction in
      try await transaction.execute("INSERT INTO bed (guest) VALUES (NULL)")
      try proxy.set(#"{"path": "/v3/pipeline", "duplicate": "second", "times": 1}"#)
    }
    guard case .confirmed = outcome else { throw Unexpected("\(outcome)") }
    #expect(try await guestCount() == .integer(3))
    await replica.close()
  }

  /// The answer is that of a second copy, which found the database busy. The first one was committed.
  @Test func aBusyDatabaseIsNoProofThatNothingWasWritten() async throws {
    let replica = try await open()
    _ = try await replica.write([RemoteStatement("INSERT INTO bed (guest) VALUES ('first')")])
    let error = #"{"message": "database is locked", "code": "SQLITE_BUSY"}"#
    // BEGIN has failed: nothing of the other six steps was run.
    let result =
      #"{"step_results": [null, null, null, null, null, null, null], "#
      + #""step_errors": [\#(error), null, null, null, null, null, null]}"#
    let answer =
      #"{"baton": null, "base_url": null, "results": [{"type": "ok", "response": {"type": "batch", "#
      + #""result": \#(result)}}, {"type": "ok", "response": {"type": "close"}}]}"#
    let text = String(decoding: try JSONEncoder().encode(answer), as: UTF8.self)
    try proxy.set(#"{"path": "/v3/pipeline", "instead": \#(text), "times": 1}"#)
    guard case .confirmed = try await replica.write([Self.insert]) else { throw Unexpected("not committed") }
    #expect(try await guestCount() == .integer(2))
    // Where nothing was committed, it is an error as before, and the name keeps a late copy out.
    try proxy.set(#"{"path": "/v3/pipeline", "drop": "late", "times": 1}"#)
    guard case .notCommitted = try await replica.write([RemoteStatement("INSERT INTO bed (guest) VALUES ('late')")])
    else { throw Unexpected("committed") }
    await replica.close()
  }

  /// The answer is that of a second copy, which a limit on the way turned away. The first one was committed.
  @Test(arguments: [429, 503]) func aRefusalIsNoProofThatNothingWasWritten(status: Int) async throws {
    let replica = try await open()
    _ = try await replica.write([RemoteStatement("INSERT INTO bed (guest) VALUES ('first')")])
    try proxy.set(#"{"path": "/v3/pipeline", "instead": "", "instead_status": \#(status), "times": 1}"#)
    guard case .confirmed = try await replica.write([Self.insert]) else { throw Unexpected("not committed") }
    #expect(try await guestCount() == .integer(2))
    // Where nothing was committed, nothing is from then on.
    try proxy.set(#"{"path": "/v3/pipeline", "status": \#(status), "times": 1}"#)
    guard case .notCommitted = try await replica.write([RemoteStatement("INSERT INTO bed (guest) VALUES ('late')")])
    else { throw Unexpected("committed") }
    #expect(try await guestCount() == .integer(2))
    await replica.close()
  }

  @Test func namesOfOldWritesAreRemovedAFewAtATimeAndThoseOfPushesAreLeft() async throws {
    let replica = try await open()
    _ = try await replica.write([RemoteStatement("INSERT INTO bed (guest) VALUES ('first')")])
    try await hostel.run([
      "DELETE FROM _albergue_writes",
      // The day before yesterday.
      """
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150)
      INSERT INTO _albergue_writes SELECT 'old ' || i, CASE WHEN i % 2 THEN 1 ELSE -1 END * (unixepoch() - 2 * 86400) FROM n
      """,
      "CREATE TABLE _albergue_pushes (id TEXT PRIMARY KEY, written_at INTEGER)",
      "INSERT INTO _albergue_pushes VALUES ('a push', unixepoch() - 2 * 86400)",
    ])
    _ = try await replica.write([Self.insert])
    #expect(try await hostel.value("SELECT count(*) FROM _albergue_writes WHERE id LIKE 'old%'") == .integer(50))
    _ = try await replica.write([RemoteStatement("DELETE FROM bed")])
    #expect(try await hostel.value("SELECT count(*) FROM _albergue_writes WHERE id LIKE 'old%'") == .integer(0))
    // These two writes, and what nobody removes while it is young.
    #expect(try await hostel.value("SELECT count(*) FROM _albergue_writes") == .integer(2))
    #expect(try await hostel.value("SELECT count(*) FROM _albergue_pushes") == .integer(1))
    await replica.close()
  }

  /// Each of many tasks reads what it has written, and never less than it has read before.
  @Test func everyTaskReadsItsOwnWrites() async throws {
    let replica = try await open { $0.readDeadline = .seconds(60) }
    try await replica.sync()
    try await withThrowingTaskGroup { group in
      for task in 0..<8 {
        group.addTask {
          var seen: Int64 = 0
          for number in 1...5 {
            let guest = Value.text("guest \(task)/\(number)")
            _ = try await replica.execute("INSERT INTO bed (guest) VALUES (?)", [guest])
            let row = try await replica.execute(
              "SELECT count(*), max(guest = ?) FROM bed", [guest]
            ).rows[0]
            #expect(row[1] == 1)
            #expect(row[0].integer.map { $0 >= seen } == true)
            seen = row[0].integer ?? seen
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(try await guestCount() == .integer(40))
    await replica.close()
    try await hostel.expectEqual()
  }

  @Test func anOutcomeThatCannotBeFoundOutIsUnknownUntilItCan() async throws {
    let replica = try await open()
    _ = try await replica.write([RemoteStatement("INSERT INTO bed (guest) VALUES ('first')")])
    try proxy.set(
      #"{"path": "/v3/pipeline", "drop": "after", "times": 1}"#, #"{"path": "/v3/pipeline", "status": 503}"#)
    let outcome = try await replica.write([Self.insert])
    guard case .unknown(let id, let cause) = outcome else { throw Unexpected("\(outcome)") }
    try proxy.set()
    guard case .confirmed = await replica.resolve(id, cause) else { throw Unexpected("not found out") }
    #expect(try await guestCount() == .integer(2))
    await replica.close()
  }

  @Test(arguments: [#""drop": "after""#, #""drop": "before""#, #""cut": 10"#])
  func aLostCommitOfATransactionIsFoundOut(_ fault: String) async throws {
    let replica = try await open()
    let proxy = proxy
    let outcome = try await replica.transaction { transaction in
      try await transaction.execute("INSERT INTO bed (guest) VALUES ('Ana')")
      try proxy.set(#"{"path": "/v3/pipeline", \#(fault), "times": 1}"#)
    }
    switch outcome {
    case .confirmed: #expect(try await guestCount() == .integer(1))
    case .notCommitted: #expect(try await guestCount() == .integer(0))
    case .unknown(let id, let cause):
      // The server holds the transaction open for some seconds, longer than these retries last.
      var resolved = await replica.resolve(id, cause)
      while case .unknown = resolved { resolved = await replica.resolve(id, cause) }
      guard case .notCommitted = resolved else { throw Unexpected("\(resolved)") }
      #expect(try await guestCount() == .integer(0))
    }
    if fault.contains("after") || fault.contains("cut") {
      guard case .confirmed = outcome else { throw Unexpected("\(outcome)") }
    }
    await replica.close()
  }

  // MARK: - Staleness

  @Test func aReadThatCannotSeeTheWriteSaysSo() async throws {
    let replica = try await open { $0.readDeadline = .seconds(5) }
    try await replica.sync()
    _ = try await replica.write([Self.insert])
    try proxy.set(#"{"path": "/sync", "status": 503}"#)
    #expect(await syncError { try await replica.read { _ in } }?.code == .stale)
    let (value, staleness) = try await replica.readStale { try $0.value("SELECT count(*) FROM bed") }
    #expect(value == 0)
    #expect(staleness.lacksWrites)
    #expect(staleness.age != nil)
    try proxy.set()
    #expect(try await replica.read { try $0.value("SELECT count(*) FROM bed") } == 1)
    #expect(try await replica.readStale { _ in }.staleness.lacksWrites == false)
    await replica.close()
  }

  @Test func withoutANetworkTheLocalFileIsReadAndItsAgeSaid() async throws {
    try await hostel.pull(.v2, url: proxy.url)
    try hostel.stop()
    let moment = try await hostel.state().lastSync ?? 0
    let replica = try await Replica.open(
      try hostel.settings(), remote: try hostel.remote(), factory: try Hostel.factory(),
      clock: WallClock { moment + 3600 })
    #expect(try await replica.read { try $0.value("SELECT count(*) FROM bed") } == 0)
    let staleness = try await replica.readStale { _ in }.staleness
    #expect(staleness.age == 3600)
    #expect(!staleness.lacksWrites)
    guard case .notCommitted = try await replica.write([Self.insert]) else { throw Unexpected("committed") }
    await replica.close()
  }

  @Test func aClockThatWasSetBackMakesNoNegativeAge() async throws {
    try await hostel.pull(.v2, url: proxy.url)
    let replica = try await Replica.open(
      try hostel.settings(nil, proxy.url), remote: try hostel.remote(proxy.url), factory: try Hostel.factory(),
      clock: WallClock { 1000 })
    #expect(try await replica.readStale { _ in }.staleness.age == 0)
    await replica.close()
  }

  @Test func anotherProcessMaySynchronise() async throws {
    let syncer = try hostel.syncer(.v2)
    try await syncer.sync()
    let replica = try await open { $0.readDeadline = .seconds(30) }
    _ = try await replica.write([Self.insert])
    let count = Task { try await replica.read { try $0.value("SELECT count(*) FROM bed") } }
    let isRead = Locked(false)
    let other = Task { while !isRead.withLock({ $0 }) { try await syncer.sync() } }
    #expect(try await count.value == 1)
    isRead.withLock { $0 = true }
    try await other.value
    await replica.close()
    await syncer.close()
  }

  @Test func nothingToReadBeforeTheFirstSync() async throws {
    let replica = try await open()
    let error = await #expect(throws: EncryptedStorageError.self) { try await replica.read { _ in } }
    #expect(error?.code == .incomplete)
    await replica.close()
  }

  struct Unexpected: Error {
    let message: String
    init(_ message: String) { self.message = message }
  }
}
