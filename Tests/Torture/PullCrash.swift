import EncryptedStorage
import Foundation
import LibSQLClient
import LibSQLProtocol
import ReplicaSync
import TestSupport

/// `turso-sync pull` of a healthy primary, which loses power: in its first pull, or in a later one.
struct PullCrash {
  private let scene: Scene
  private let library: PowerCutLibrary
  private let record: RoundRecord

  private static let replica = "replica.db"

  init(_ scene: Scene, _ library: PowerCutLibrary, _ record: RoundRecord) {
    self.scene = scene
    self.library = library
    self.record = record
  }

  func run(_ subject: CrashRound.Subject) async throws {
    var choices = WorkloadChoices(scene.generator(1))
    let server = try scene.startPrimary()
    let client = HranaClient(try Scene.remote(server.url))
    try await client.sequence(Bookkeeping.schema)
    var generator = scene.generator(2)
    var newest = 0
    func write(_ count: Int) async throws {
      for _ in 0..<count {
        newest += 1
        _ = try await client.executeAtomically(
          Bookkeeping.change(to: newest, &generator).map { Hrana.Statement(.text($0)) })
        record.operated()
      }
    }
    try await write(choices.number(1...3))
    var oldest: Int?
    if subject == .pull {
      guard try pull(server).status == 0 else { return record.fail("an undisturbed pull fails") }
      oldest = newest
      try await write(choices.number(1...5))
      if choices.oneIn(3) { try await client.sequence("VACUUM") }
    }

    // A first pull of a few hundred pages has a few hundred writes.
    let cut = library.cut(
      atOperation: CrashRound.operation(&choices), seed: scene.generator(3).firstNumber, in: scene)
    let name = choices.pick([ReplicationProtocol.v1, .v2])
    let status = try pull(server, name, cut.environment).status
    let outcome = try PowerCutLibrary.outcome(of: cut, in: scene)
    record.injected()
    let place = "operation \(outcome.operation), \(outcome.waitingCount) changes not synchronized, \(name.rawValue)"
    try await judge(status, oldest: oldest, newest: newest, place)

    let again = try pull(server, name)
    record.check(again.status == 0, "\(place): the next pull fails: \(again.errors.prefix(300))")
    record.check(try await version() == newest, "\(place): the next pull does not bring everything")
    let findings = try await StoreCheck.findings(scene.root.file(Self.replica), Scene.replicaFactory())
    record.check(nothing: findings, "\(place): after the next pull")
    server.stop()
  }

  private func judge(_ status: Int32, oldest: Int?, newest: Int, _ place: String) async throws {
    record.check(status == 0 || status == 137, "\(place): ended with \(status)")
    let path = scene.root.file(Self.replica)
    guard Bytes.exists(path) else {
      return record.check(oldest == nil && status != 0, "\(place): the replica is gone")
    }
    do {
      let findings = try await StoreCheck.findingsAfterPowerCut(path, Scene.replicaFactory())
      record.check(nothing: findings, "\(place): after the power cut")
      let version = try await version()
      record.check(version <= newest && version >= oldest ?? 0, "\(place): version \(version)")
      record.check(status != 0 || version == newest, "\(place): success was reported, and version is \(version)")
    } catch let error as EncryptedStorageError {
      // Before the end of the first pull there is nothing to read.
      let isUnfinished = [.incomplete, .missing].contains(error.code) && oldest == nil && status != 0
      record.check(isUnfinished, "\(place): \(error)")
    }
  }

  private func pull(
    _ server: RunningPrimary, _ name: ReplicationProtocol = .v2, _ environment: [String: String] = [:]
  ) throws -> Subprocess {
    let result = try Subprocess.run(
      Executables.path("turso-sync"), ["pull", "--json", "--protocol", name.rawValue],
      environment: scene.replicaEnvironment(Self.replica, server.url).merging(environment) { $1 })
    try scene.keep(result)
    return result
  }

  private func version() async throws -> Int {
    let reader = try Scene.replicaFactory().openSession(scene.root.file(Self.replica), .reader)
    defer { reader.close() }
    return try reader.transaction(.deferred) { try Bookkeeping.check($0) }
  }
}

extension SeededGenerator {
  /// The next number, without going on.
  var firstNumber: UInt64 {
    var copy = self
    return copy.next()
  }
}

extension Scene {
  /// Puts what a program printed where it is scanned.
  func keep(_ result: Subprocess) throws {
    try Bytes.write(Data((result.output + result.errors).utf8), to: root.file("output-\(UUID().uuidString)"))
  }
}
