import EncryptedStorage
import Foundation
import LibSQLClient
import PageStore
import ReplicaSync
import TestSupport
import Testing

/// A replica is what its remote is.
@Suite("Pulls", .serialized)
struct PullTests {
  let hostel: Hostel

  init() throws { hostel = try Hostel() }

  private static let seed =
    ProcessInfo.processInfo.environment["ALBERGUE_TEST_SEED"].flatMap { UInt64($0) } ?? .random(in: 0...999_999)

  @Test(arguments: protocols)
  func equalsTheRemoteAfterEachOfManyChanges(_ name: ReplicationProtocol) async throws {
    var generator = SeededGenerator(seed: Self.seed)
    try await hostel.sequence(Bookkeeping.schema)
    let syncer = try hostel.syncer(name)
    var kinds: Set<SyncReport.Kind> = []
    var position: Int64 = -1
    for version in 1...24 {
      let cause: Comment = "\(name.rawValue), seed \(Self.seed), version \(version)"
      try await hostel.run(Bookkeeping.change(to: version, &generator))
      // Enough pages for more than one generation of V2.
      if version % 5 == 0 {
        try await hostel.sequence("CREATE TABLE IF NOT EXISTS bulk (a); DELETE FROM bulk")
        try await hostel.run(["INSERT INTO bulk SELECT randomblob(3000) FROM account"])
      }
      if version % 7 == 0 { try await hostel.sequence("VACUUM") }
      if version % 11 == 0 { try hostel.restart() }
      guard Int.random(in: 0..<3, using: &generator) > 0 else { continue }
      let report = try await syncer.sync()
      kinds.insert(report.kind)
      #expect(report.position > position, cause)
      position = report.position
      let seen = try await hostel.read { try Bookkeeping.check($0) }
      #expect(seen == version, cause)
    }
    #expect(kinds == [.bootstrapped, .changed], "seed \(Self.seed)")
    try await syncer.sync()
    #expect(try await syncer.sync().kind == .unchanged)
    await syncer.close()
    try await hostel.expectEqual("\(name.rawValue), seed \(Self.seed)")
    if name == .v2 { #expect(try await V2Client(hostel.remote()).currentGeneration() > 1, "seed \(Self.seed)") }
  }

  @Test func theProtocolIsAskedForOnceAndRemembered() async throws {
    try await hostel.sequence("CREATE TABLE t (a)")
    let proxy = try FaultProxy(before: hostel.server.port)
    #expect(try await hostel.pull(url: proxy.url).protocol == "v2")
    _ = try proxy.seen()
    // A passing failure of the path that tells the protocols apart changes nothing.
    try proxy.set(#"{"path": "/info", "status": 503}"#, #"{"path": "/sync", "status": 503, "times": 1}"#)
    await #expect(throws: RemoteError.self) { try await hostel.pull(url: proxy.url) }
    #expect(try await hostel.pull(url: proxy.url).protocol == "v2")
    #expect(try proxy.seen().allSatisfy { !$0.contains("wal_log") })
  }

  @Test(arguments: protocols)
  func anEmptyRemoteMakesAnEmptyReplica(_ name: ReplicationProtocol) async throws {
    #expect(try await hostel.pull(name).kind == .bootstrapped)
    #expect(try await hostel.read { try $0.value("SELECT count(*) FROM sqlite_schema") } == 0)
    try await hostel.run(["CREATE TABLE t (a)", "INSERT INTO t VALUES ('\(Canary.text)')"])
    #expect(try await hostel.pull(name).kind == .changed)
    try await hostel.expectEqual()
  }

  @Test(arguments: protocols)
  func imagesLargerThanTheMemoryTheyMayTakeAreStreamed(_ name: ReplicationProtocol) async throws {
    try await hostel.sequence(Bookkeeping.schema)
    try await hostel.run([
      "INSERT INTO ledger (version, note) SELECT 0, randomblob(9000) FROM account, (SELECT 1 UNION SELECT 2)"
    ])
    let report = try await hostel.pull(name) { $0.limits.batchByteCount = 1 << 20 }
    #expect(report.imagePageCount > 2 * 256)
    try await hostel.expectEqual()
  }

  @Test func transactionsLargerThanTheMemoryTheyMayTakeAreANewImage() async throws {
    try await hostel.sequence(Bookkeeping.schema)
    try await hostel.pull()
    try await hostel.run([
      "INSERT INTO ledger (version, note) SELECT 0, randomblob(9000) FROM account, (SELECT 1 UNION SELECT 2)"
    ])
    let report = try await hostel.pull { $0.limits.transactionByteCount = 2 << 20 }
    #expect(report.kind == .replaced)
    try await hostel.expectEqual()
    #expect(try hostel.leftovers() == [])
  }

  // MARK: - Another history

  /// A reader that is in a snapshot keeps it; the same connection sees the other database afterwards.
  @Test(arguments: protocols)
  func anotherDatabaseAtTheAddressIsPulledAnewAndNeverMixed(_ name: ReplicationProtocol) async throws {
    try await hostel.sequence(Bookkeeping.schema)
    try await hostel.run(["CREATE TABLE mark (a)", "INSERT INTO mark VALUES ('old')"])
    try await hostel.pull(name)
    let reader = try await Hostel.factory().open(hostel.path)
    #expect(try await reader.run { try $0.value("SELECT a FROM mark") } == "old")
    try hostel.recreate()
    // More commits than before, so that positions alone would not tell.
    for number in 0..<400 {
      try await hostel.run(["CREATE TABLE IF NOT EXISTS mark (a)", "INSERT INTO mark VALUES ('new \(number)')"])
    }
    let path = hostel.path
    let hostel = hostel
    _ = try await reader.run { try $0.execute("BEGIN") }
    #expect(try await reader.run { try $0.value("SELECT a FROM mark") } == "old", "\(path)")
    let report = try await hostel.pull(name)
    #expect(report.kind == .replaced)
    #expect(try await reader.run { try $0.value("SELECT a FROM mark") } == "old")
    _ = try await reader.run { try $0.execute("COMMIT") }
    #expect(try await reader.run { try $0.value("SELECT a FROM mark") } == "new 0")
    await reader.close()
    try await hostel.expectEqual()
    #expect(try hostel.leftovers() == [])
    #expect(try await hostel.pull(name).kind == .unchanged)
  }

  @Test(arguments: protocols)
  func aRemoteThatWentBackIsPulledAnew(_ name: ReplicationProtocol) async throws {
    var generator = SeededGenerator(seed: 5)
    try await hostel.sequence(Bookkeeping.schema)
    try await hostel.run(Bookkeeping.change(to: 1, &generator))
    try hostel.stop()
    try hostel.backUp()
    try hostel.start()
    for version in 2...6 { try await hostel.run(Bookkeeping.change(to: version, &generator)) }
    try await hostel.pull(name)
    try hostel.stop()
    try hostel.restore()
    try hostel.start()
    #expect(try await hostel.pull(name).kind == .replaced)
    #expect(try await hostel.read { try Bookkeeping.check($0) } == 1)
    try await hostel.expectEqual()
  }

  /// As Turso's servers: only going back is seen then, by frames or by generations.
  @Test(arguments: [false, true])
  func aRemoteWithoutANameThatWentBackIsPulledAnew(_ changesGeneration: Bool) async throws {
    try await hostel.sequence(Bookkeeping.schema)
    try hostel.stop()
    try hostel.backUp()
    try hostel.start()
    let proxy = try FaultProxy(before: hostel.server.port)
    try proxy.set(#"{"path": "/", "anonymous": true}"#)
    #expect(try await hostel.pull(.v2, url: proxy.url).kind == .bootstrapped)
    #expect(try await hostel.state().remote?.name == proxy.url)
    var generator = SeededGenerator(seed: 8)
    try await hostel.run(Bookkeeping.change(to: 1, &generator))
    if changesGeneration {
      try await hostel.run(["CREATE TABLE bulk (a)", "INSERT INTO bulk SELECT randomblob(9000) FROM account"])
      try await hostel.run(["INSERT INTO bulk VALUES (1)"])
    }
    #expect(try await hostel.pull(.v2, url: proxy.url).kind == .changed)
    #expect((try await V2Client(hostel.remote()).currentGeneration() > 1) == changesGeneration)
    try hostel.stop()
    try hostel.restore()
    try hostel.start()
    #expect(try await hostel.pull(.v2, url: proxy.url).kind == .replaced)
    try await hostel.expectEqual()
  }

  @Test func aReplicaOfAnotherAddressIsLeftAloneUnlessItIsToBeReplaced() async throws {
    let other = try Hostel()
    try await other.sequence("CREATE TABLE other (a)")
    try await hostel.sequence("CREATE TABLE t (a)")
    try await hostel.pull(.v2)
    let error = await syncError { try await hostel.pull(url: other.server.url) }
    #expect(error?.code == .otherRemote)
    #expect(try await hostel.read { try $0.value("SELECT name FROM sqlite_schema") } == "t")
    let syncer = try hostel.syncer(url: other.server.url)
    #expect(try await syncer.replaceImage().kind == .replaced)
    await syncer.close()
    #expect(try await hostel.read { try $0.value("SELECT name FROM sqlite_schema") } == "other")
  }

  @Test func theSameDatabaseAtAnotherAddressGoesOn() async throws {
    try await hostel.sequence("CREATE TABLE t (a)")
    try await hostel.pull(.v2)
    try await hostel.run(["INSERT INTO t VALUES (1)"])
    let proxy = try FaultProxy(before: hostel.server.port)
    #expect(try await hostel.pull(url: proxy.url).kind == .changed)
    try await hostel.expectEqual()
  }

  @Test func aPrimaryIsNoReplica() async throws {
    try await PageStore.create(hostel.path, role: .primary, factory: Hostel.factory()).close()
    let error = await syncError { try await hostel.pull() }
    #expect(error?.code == .notAReplica)
  }

  // MARK: - One at a time

  @Test func aSecondSynchroniserIsRefused() async throws {
    let first = try hostel.syncer()
    try await first.sync()
    let error = await syncError { try await hostel.pull() }
    #expect(error?.code == .busy)
    #expect(error?.code.exitCode == 75)
    await first.close()
    try await hostel.pull()
  }

  @Test func callersThatWaitShareOnePull() async throws {
    try await hostel.sequence("CREATE TABLE t (a)")
    let proxy = try FaultProxy(before: hostel.server.port)
    let syncer = try hostel.syncer(.v2, url: proxy.url)
    try await syncer.sync()
    _ = try proxy.seen()
    let reports = try await withThrowingTaskGroup { group in
      for _ in 0..<50 { group.addTask { try await syncer.sync() } }
      return try await group.reduce(into: 0) { count, _ in count += 1 }
    }
    #expect(reports == 50)
    // One for the first caller, and one or two for all that came meanwhile.
    #expect(try proxy.seen().count <= 6)
    await syncer.close()
  }

  @Test func aReplicaThatWasRemovedMeanwhileIsMadeAnew() async throws {
    try await hostel.sequence("CREATE TABLE t (a)")
    let syncer = try hostel.syncer()
    try await syncer.sync()
    for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: hostel.path + suffix) }
    #expect(try await syncer.sync().kind == .bootstrapped)
    await syncer.close()
    try await hostel.expectEqual()
  }
}

/// The error of a call that has to fail with one of ReplicaSync.
func syncError(_ body: () async throws -> some Any) async -> SyncError? {
  do {
    _ = try await body()
    return nil
  } catch {
    return error as? SyncError
  }
}
