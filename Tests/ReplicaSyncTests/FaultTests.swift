import EncryptedStorage
import Foundation
import LibSQLClient
import ReplicaSync
import TestSupport
import Testing

/// A network and a server that make mistakes: an error each time, never wrong data, and the next pull goes on.
@Suite("Faults on the way", .serialized)
struct FaultTests {
  let hostel: Hostel
  let proxy: FaultProxy

  init() async throws {
    hostel = try Hostel()
    proxy = try FaultProxy(before: hostel.server.port)
    try await hostel.sequence(Bookkeeping.schema)
  }

  /// What can happen to an answer with pages.
  static let faults = [
    #""status": 401"#, #""status": 403"#, #""status": 404"#, #""status": 408"#, #""status": 429"#, #""status": 500"#,
    #""status": 502"#, #""status": 503"#, #""status": 204"#, #""status": 200, "body": """#,
    #""status": 200, "body": "<html>maintenance</html>""#, #""status": 400, "body": "{}""#, #""redirect": true"#,
    #""drop": "before""#, #""drop": "after""#, #""cut": 0"#, #""cut": 1"#, #""cut": 23"#, #""cut": 24"#,
    #""cut": 4095"#,
    #""cut": 4120"#, #""cut": 4121"#, #""cut": 12361"#, #""lengthen": 1"#, #""lengthen": 4120"#, #""shorten": 1"#,
    #""shorten": 24"#,
  ]

  /// The requests that bring pages.
  static let places: [(ReplicationProtocol, path: String)] = [
    (.v2, "/info"), (.v2, "/export"), (.v2, "/sync"), (.v1, "/wal_log.ReplicationLog/Hello"),
    (.v1, "/wal_log.ReplicationLog/BatchLogEntries"), (.v1, "/wal_log.ReplicationLog/Snapshot"),
  ]

  @Test(arguments: places)
  func neverMakeAWrongReplica(_ name: ReplicationProtocol, _ path: String) async throws {
    var generator = SeededGenerator(seed: 11)
    var version = 0
    for fault in Self.faults {
      let cause: Comment = "\(name.rawValue) \(path) \(fault)"
      try proxy.set(#"{"path": "\#(path)", \#(fault)}"#)
      let before = try? await hostel.read { try Bookkeeping.check($0) }
      _ = try proxy.seen()
      let result = await Result { try await hostel.pull(name, url: proxy.url) }
      let asked = try proxy.seen().contains { $0.contains(path) }
      if case .success(let report) = result, asked {
        // An export without a byte is that of a generation which began with nothing; the frames then have to make all of it.
        #expect(path == "/export" && fault.contains(#""body": """#), "\(cause): \(report.kind.rawValue)")
        #expect(try await hostel.read { try Bookkeeping.check($0) } == version, cause)
      }
      // Whatever was applied is a state of the remote.
      let after = try? await hostel.read { try Bookkeeping.check($0) }
      #expect(after == before || after == version, cause)
      try proxy.set()
      _ = try await hostel.pull(name, url: proxy.url)
      let healed = try await hostel.read { try Bookkeeping.check($0) }
      #expect(healed == version, cause)
      version += 1
      try await hostel.run(Bookkeeping.change(to: version, &generator))
      // Now and then a first pull, for the requests that only that makes.
      if path != "/sync", path != "/wal_log.ReplicationLog/BatchLogEntries" {
        for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: hostel.path + suffix) }
      }
    }
    #expect(try proxy.foreignCount() == 0)
    try await hostel.pull(name)
    try await hostel.expectEqual()
  }

  /// One block of the answer is missing, and its length says so: nothing on the way notices.
  @Test(arguments: [0, 1, 5, 10])
  func aMissingPageOfAFirstPullIsNoticed(_ index: Int) async throws {
    try proxy.set(#"{"path": "/export", "without_block": [4096, \#(index)]}"#)
    await #expect(throws: (any Error).self) { try await hostel.pull(.v2, url: proxy.url) }
    await #expect(throws: EncryptedStorageError.self) { try await hostel.read { _ in } }
    try hostel.expectNoPlaintext()
    try proxy.set()
    try await hostel.pull(.v2, url: proxy.url)
    try await hostel.expectEqual()
  }

  /// Nothing, where there is something: the answers to all requests for pages are lost on the way.
  @Test func aRemoteThatSeemsEmptyIsAskedBySQL() async throws {
    let end = #""status": 400, "body": "{\"generation\":1}""#
    try proxy.set(#"{"path": "/export", "status": 200, "body": ""}"#, #"{"path": "/sync", \#(end)}"#)
    #expect(await syncError { try await hostel.pull(.v2, url: proxy.url) }?.code == .incomplete)
    await #expect(throws: EncryptedStorageError.self) { try await hostel.read { _ in } }
  }

  /// A server that is slow is waited for.
  @Test func aDelayIsNoFailure() async throws {
    try proxy.set(#"{"path": "/", "delay": 0.05}"#)
    #expect(try await hostel.pull(.v2, url: proxy.url).kind == .bootstrapped)
    try await hostel.expectEqual()
  }

  @Test(arguments: protocols)
  func aPassingFailureIsTriedAgainWithinOnePull(_ name: ReplicationProtocol) async throws {
    try proxy.set(#"{"path": "/", "status": 503, "times": 2}"#)
    var retries = RetryPolicy()
    retries.firstDelay = .milliseconds(1)
    let syncer = Syncer(
      try hostel.settings(name, proxy.url), remote: try hostel.remote(proxy.url, retries: retries),
      factory: try Hostel.factory())
    #expect(try await syncer.sync().kind == .bootstrapped)
    await syncer.close()
  }

  // MARK: - Periodic

  @Test func aPeriodicSyncGoesOnAfterFailuresThatPass() async throws {
    try proxy.set(#"{"path": "/", "status": 503, "times": 3}"#)
    let syncer = try hostel.syncer(.v2, url: proxy.url)
    let outcomes = Locked<[Bool]>([])
    var schedule = SyncSchedule(interval: .seconds(3600))
    schedule.firstDelay = .milliseconds(1)
    let running = Task { [schedule] in
      try await syncer.run(schedule) { result in
        outcomes.withLock { $0.append((try? result.get()) != nil) }
      }
    }
    while outcomes.withLock({ $0.last }) != true { await Task.yield() }
    running.cancel()
    _ = await running.result
    #expect(outcomes.withLock { $0 } == [false, false, false, true])
    await syncer.close()
  }

  @Test func aPeriodicSyncEndsAfterFailuresThatStay() async throws {
    try proxy.set(#"{"path": "/", "status": 401}"#)
    let syncer = try hostel.syncer(.v2, url: proxy.url)
    var schedule = SyncSchedule(interval: .seconds(3600))
    (schedule.firstDelay, schedule.lastingFailureCountMax) = (.milliseconds(1), 3)
    let count = Locked(0)
    let error = await #expect(throws: RemoteError.self) {
      try await syncer.run(schedule) { _ in count.withLock { $0 += 1 } }
    }
    #expect(error?.code == .unauthorized)
    #expect(count.withLock { $0 } == 3)
    await syncer.close()
  }
}

extension Result where Failure == any Error, Success: Sendable {
  /// What `body` gives or throws.
  init(_ body: () async throws -> Success) async {
    do { self = .success(try await body()) } catch { self = .failure(error) }
  }
}
