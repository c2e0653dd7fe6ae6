import Foundation
import LibSQLClient
import Migrations
import TestSupport
import Testing

/// A network that loses what is sent: each request in turn, until a run needs no more of them.
@Suite("Remote migrations over a bad line", .serialized)
struct RemoteLostAnswerTests {
  private let remote: RemoteWorkshop
  private let proxy: FaultProxy

  init() throws {
    remote = try RemoteWorkshop()
    proxy = try FaultProxy(before: remote.primary.port)
  }

  private static let once = [
    #""drop": "before""#, #""drop": "after""#, #""drop": "late""#, #""cut": 0"#, #""cut": 40"#, #""status": 502"#,
    #""status": 503"#,
  ]

  /// - Returns: what became of the run, or nil when it needed fewer requests.
  private func run(_ fault: String, _ skipped: Int, _ body: (Migrator) async throws -> [String]) async throws
    -> Result<[String], any Error>?
  {
    try proxy.set(#"{"path": "/", "skip": \#(skipped), \#(fault)}"#)
    _ = try proxy.seen()
    let migrator = try remote.migrator(CountedMigrations.all(), on: remote.database(proxy.url))
    let result: Result<[String], any Error>
    do { result = .success(try await body(migrator)) } catch { result = .failure(error) }
    defer { try? proxy.set() }
    return try proxy.seen().count > skipped ? result : nil
  }

  @Test(arguments: once)
  func applyEachMigrationOnceWhateverIsLostOnce(_ fault: String) async throws {
    var skipped = 0
    while let result = try await run(fault + #", "times": 1"#, skipped, { try await $0.up() }) {
      let cause: Comment = "\(fault), request \(skipped + 1)"
      // What another run did is not said to be done by this one; nobody else ran.
      #expect(try result.get() == ["m1", "m2", "m3"], cause)
      try await remote.expectCounted(cause)
      // What was held back arrives now, when its runner has ended.
      _ = try proxy.release()
      #expect(try await remote.versions().count == 3, cause)
      try await remote.expectCounted(cause)
      try await remote.clear()
      skipped += 1
    }
    #expect(skipped >= 9)
  }

  @Test(arguments: [#""drop": "after""#, #""drop": "late""#])
  func takeEachMigrationBackOnceWhateverIsLostOnce(_ fault: String) async throws {
    var skipped = 0
    while true {
      _ = try await remote.migrator(CountedMigrations.all()).up()
      guard let result = try await run(fault + #", "times": 1"#, skipped, { try await $0.down(nil) }) else { break }
      let cause: Comment = "\(fault), request \(skipped + 1)"
      #expect(try result.get() == ["m3", "m2", "m1"], cause)
      #expect(try await remote.schema().count == 1, cause)
      // A rollback that is held back finds another state than the one that it was for, or the same migration applied anew.
      try await remote.expireLease()
      _ = try await remote.migrator(CountedMigrations.all()).up()
      _ = try proxy.release()
      #expect(try await remote.versions().count == 3, cause)
      try await remote.expectCounted(cause)
      try await remote.clear()
      skipped += 1
    }
    #expect(skipped >= 9)
  }

  /// The line is dead from one request on: the run fails, and says no more than it knows.
  @Test(arguments: [#""drop": "before""#, #""drop": "after""#, #""status": 500"#, #""status": 401"#])
  func endWithAnErrorThatIsTrueWhenTheLineStaysDead(_ fault: String) async throws {
    var skipped = 0
    var unknownCount = 0
    while true {
      let events = Locked<[MigrationEvent]>([])
      try proxy.set(#"{"path": "/", "skip": \#(skipped), \#(fault)}"#)
      _ = try proxy.seen()
      let database = try remote.database(proxy.url, attempts: 1)
      let migrator = try remote.migrator(CountedMigrations.all(), on: database) { event in
        events.withLock { $0.append(event) }
      }
      let result: Result<[String], any Error>
      do { result = .success(try await migrator.up()) } catch { result = .failure(error) }
      guard try proxy.seen().count > skipped else { break }
      let cause: Comment = "\(fault), request \(skipped + 1)"
      let said = events.withLock { $0 }.compactMap {
        if case .appliedMigration(let version) = $0 { version } else { nil }
      }
      let versions = try await remote.versions()
      switch result {
      // Only the lease was not given up.
      case .success: #expect(versions.count == 3, cause)
      case .failure(let error as MigrationError):
        #expect(error.code == .unknownOutcome, cause)
        unknownCount += 1
      case .failure: #expect(versions.count - said.count <= 1, cause)
      }
      #expect(Array(versions.prefix(said.count)) == said, cause)
      try await remote.expectCounted(cause)
      try await remote.expireLease()
      try proxy.set()
      _ = try await remote.migrator(CountedMigrations.all()).up()
      #expect(try await remote.versions().count == 3, cause)
      try await remote.expectCounted(cause)
      try await remote.clear()
      skipped += 1
    }
    #expect(skipped >= 9)
    #expect(unknownCount == (fault.contains("401") ? 0 : 3))
  }

  /// A change is one request, so that no stream waits for the next one, and none can expire in between.
  @Test func sendEachMigrationInOneRequest() async throws {
    let database = try remote.database(proxy.url)
    let migrator = try remote.migrator(CountedMigrations.all(), on: database)
    _ = try proxy.seen()
    _ = try await migrator.up()
    // The version, the lease, the state, each migration and the state after it, the end of the lease.
    #expect(try proxy.seen() == ["GET /v3"] + Array(repeating: "POST /v3/pipeline", count: 9))
  }

  /// Servers without `is_autocommit` and cursors.
  @Test func workWithVersion2OfTheProtocol() async throws {
    try proxy.set(#"{"path": "/v3", "status": 404}"#)
    let migrator = try remote.migrator(CountedMigrations.all(), on: remote.database(proxy.url))
    #expect(try await migrator.up() == ["m1", "m2", "m3"])
    try await remote.expectCounted()
    #expect(try await migrator.refresh().count == 3)
    try await remote.expectCounted()
  }
}
