import EncryptedStorage
import Foundation
import LibSQLClient
import PageStore
import ReplicaSync
import TestSupport
import Testing

/// kill -9 of `turso-sync` at any moment, while others read and the remote is written.
///
/// Set ALBERGUE_TEST_SEED to repeat a run, ALBERGUE_TEST_KILLS for more kills.
@Suite("Slow: killed synchronisers", .serialized)
struct SlowSyncKillTests {
  private static let seed =
    ProcessInfo.processInfo.environment["ALBERGUE_TEST_SEED"].flatMap { UInt64($0) } ?? .random(in: 0...999_999)
  private static let killCount =
    ProcessInfo.processInfo.environment["ALBERGUE_TEST_KILLS"].flatMap { Int($0) } ?? 30

  /// A reader saw an older version than before, or one that the remote does not have.
  private struct WentBack: Error {
    let version: Int
    let newest: Int
  }

  let hostel: Hostel

  init() async throws {
    hostel = try Hostel()
    try await hostel.sequence(Bookkeeping.schema)
  }

  private func start(_ name: ReplicationProtocol) throws -> RunningSync {
    try RunningSync(
      ["--interval-secs", "0.001", "--protocol", name.rawValue, "--json"],
      environment: [
        "TURSO_DATABASE_URL": hostel.server.url, "TURSO_REPLICA_PATH": hostel.path,
        "TURSO_ENCRYPTION_KEY_FILE": hostel.serverFolder.file("replica.key"),
      ])
  }

  /// Lets the program write some lines, and then work on for a moment that no line marks.
  private func killSomewhere(_ process: RunningSync, _ generator: inout SeededGenerator) {
    for _ in 0..<Int.random(in: 0...3, using: &generator) { guard process.line() != nil else { break } }
    let deadline = ContinuousClock.now + .microseconds(Int.random(in: 0...60_000, using: &generator))
    while ContinuousClock.now < deadline {}
    process.send(SIGKILL)
    _ = process.finish()
  }

  /// Nobody can read before the first pull is whole; every next run begins where that leaves it.
  @Test(arguments: protocols)
  func aFirstPullIsWholeOrNotThere(_ name: ReplicationProtocol) async throws {
    var generator = SeededGenerator(seed: Self.seed)
    try await hostel.run(["INSERT INTO ledger (version, note) SELECT 0, randomblob(9000) FROM account"])
    try await hostel.run(Bookkeeping.change(to: 1, &generator))
    var wholeCount = 0
    for number in 1...max(10, Self.killCount / 2) {
      let cause: Comment = "\(name.rawValue), seed \(Self.seed), kill \(number)"
      let process = try start(name)
      let deadline = ContinuousClock.now + .milliseconds(Int.random(in: 0...700, using: &generator))
      while ContinuousClock.now < deadline, process.isRunning { sched_yield() }
      process.send(SIGKILL)
      _ = process.finish()
      try hostel.expectNoPlaintext(cause)
      do {
        #expect(try await hostel.read { try Bookkeeping.check($0) } == 1, cause)
        wholeCount += 1
        for name in try FileManager.default.contentsOfDirectory(atPath: hostel.folder.path) {
          try FileManager.default.removeItem(atPath: hostel.folder.file(name))
        }
      } catch let error as EncryptedStorageError {
        #expect([.missing, .incomplete].contains(error.code), "\(cause): \(error)")
      }
    }
    try await hostel.pull(name)
    try await hostel.expectEqual("\(name.rawValue), seed \(Self.seed), whole \(wholeCount) times")
  }

  @Test(arguments: protocols)
  func aReplicaIsAlwaysAStateOfItsRemote(_ name: ReplicationProtocol) async throws {
    var generator = SeededGenerator(seed: Self.seed)
    let hostel = hostel
    try await hostel.pull(name)
    // The version that the remote is about to have; what a reader sees is never later.
    let written = Locked(0)
    let isDone = Locked(false)
    let readers = (0..<2).map { _ in
      Task {
        var newest = 0
        var count = 0
        while !isDone.withLock({ $0 }) {
          let version = try await hostel.read { try Bookkeeping.check($0) }
          guard version >= newest, version <= written.withLock({ $0 }) else {
            throw WentBack(version: version, newest: newest)
          }
          newest = version
          count += 1
        }
        return count
      }
    }
    let writer = Task { [seed = Self.seed] in
      var generator = SeededGenerator(seed: seed &+ 1)
      var version = 0
      while !isDone.withLock({ $0 }) {
        version += 1
        written.withLock { $0 = version }
        try await hostel.run(Bookkeeping.change(to: version, &generator))
        if version % 25 == 0 { try await hostel.sequence("VACUUM") }
      }
    }
    var position: Int64 = -1
    for number in 1...Self.killCount {
      let process = try start(name)
      killSomewhere(process, &generator)
      if let state = try? await hostel.state(), let image = state.image {
        #expect(image.position >= position, "\(name.rawValue), seed \(Self.seed), kill \(number)")
        position = image.position
      }
      try hostel.expectNoPlaintext("\(name.rawValue), seed \(Self.seed), kill \(number)")
    }
    isDone.withLock { $0 = true }
    try await writer.value
    for reader in readers { #expect(try await reader.value > 0, "seed \(Self.seed)") }
    #expect(position > 0)
    try await hostel.pull()
    #expect(try await hostel.read { try Bookkeeping.check($0) } == written.withLock { $0 })
    try await hostel.expectEqual("\(name.rawValue), seed \(Self.seed)")
  }

  /// The remote is another database again and again, and whoever pulls it anew is killed.
  @Test(arguments: protocols)
  func aReplacementIsWholeOrHasNotHappened(_ name: ReplicationProtocol) async throws {
    var generator = SeededGenerator(seed: Self.seed)
    try await hostel.run(["CREATE TABLE mark (a)", "INSERT INTO mark VALUES (0)"])
    try await hostel.pull(name)
    for number in 1...max(5, Self.killCount / 3) {
      let cause: Comment = "\(name.rawValue), seed \(Self.seed), kill \(number)"
      try hostel.recreate()
      try await hostel.sequence(Bookkeeping.schema)
      try await hostel.run(["CREATE TABLE mark (a)", "INSERT INTO mark VALUES (\(number))"])
      let reader = try await Hostel.factory().open(hostel.path)
      let process = try start(name)
      killSomewhere(process, &generator)
      let mark = try await reader.transaction(.deferred) { session in
        try Bookkeeping.check(session)
        return try session.value("SELECT a FROM mark")
      }
      #expect(mark == .integer(Int64(number)) || mark == .integer(Int64(number - 1)), cause)
      await reader.close()
      try hostel.expectNoPlaintext(cause)
      try await hostel.pull(name)
      #expect(try await hostel.read { try $0.value("SELECT a FROM mark") } == .integer(Int64(number)), cause)
      #expect(try hostel.leftovers() == [], cause)
    }
    try await hostel.expectEqual("\(name.rawValue), seed \(Self.seed)")
  }
}
