import EncryptedStorage
import Foundation
import LibSQLClient
import LibSQLProtocol
import TestSupport

/// `albergue-primary`, which loses power while clients write.
struct ServerCrash {
  private let scene: Scene
  private let library: PowerCutLibrary
  private let record: RoundRecord

  init(_ scene: Scene, _ library: PowerCutLibrary, _ record: RoundRecord) {
    self.scene = scene
    self.library = library
    self.record = record
  }

  func run() async throws {
    var choices = WorkloadChoices(scene.generator(1))
    let store = scene.root.file("primary.db")
    let healthy = try scene.startPrimary()
    try await client(healthy).sequence(Bookkeeping.schema)
    healthy.stop()

    let cut = library.cut(
      atOperation: CrashRound.operation(&choices) + 10, seed: scene.generator(3).firstNumber, in: scene)
    var generator = scene.generator(2)
    let (acknowledged, attempted) = try await write(
      until: choices.number(3...40), cut, &generator, vacuums: choices.oneIn(3))
    let outcome = try PowerCutLibrary.outcome(of: cut, in: scene)
    record.injected()

    let place = "operation \(outcome.operation), \(outcome.waitingCount) changes not synchronized"
    let factory = try Scene.serverFactory()
    record.check(nothing: try await StoreCheck.findingsAfterPowerCut(store, factory), "\(place): after the power cut")
    let restarted = try scene.startPrimary()
    let result = try await client(restarted).execute(Hrana.Statement(.text("SELECT version FROM state")))
    guard case .integer(let number)? = result.rows.first?.first else { return record.fail("\(place): no version") }
    let version = Int(number)
    record.check(version >= acknowledged, "\(place): version \(version), and \(acknowledged) was acknowledged")
    record.check(version <= attempted, "\(place): version \(version), and only \(attempted) were attempted")
    try await change(to: version + 1, client(restarted), &generator)
    restarted.stop()
    record.check(nothing: try await StoreCheck.findings(store, factory), "\(place): afterwards")
    let reader = try factory.openSession(store, .reader)
    defer { reader.close() }
    let last = try reader.transaction(.deferred) { try Bookkeeping.check($0) }
    record.check(last == version + 1, "\(place): version \(last), expected \(version + 1)")
  }

  /// Writes until the power is gone, or to the end; then the server is stopped, and the power goes as it ends.
  private func write(
    until count: Int, _ cut: PowerCutLibrary.Cut, _ generator: inout SeededGenerator, vacuums: Bool
  ) async throws -> (acknowledged: Int, attempted: Int) {
    // The power may go before it listens.
    guard
      let server = try? RunningPrimary(
        store: scene.root.file("primary.db"), keyFile: scene.serverKeyFile, environment: cut.environment)
    else { return (0, 0) }
    defer { server.stop() }
    let client = try client(server)
    var acknowledged = 0
    for version in 1...count {
      do throws(RemoteError) {
        try await change(to: version, client, &generator)
        acknowledged = version
        record.operated()
        if vacuums, version % 5 == 0 { try await client.sequence("VACUUM") }
      } catch {
        return (acknowledged, version)
      }
    }
    return (acknowledged, count)
  }

  private func change(
    to version: Int, _ client: HranaClient, _ generator: inout SeededGenerator
  ) async throws(RemoteError) {
    let statements = Bookkeeping.change(to: version, &generator).map { Hrana.Statement(.text($0)) }
    _ = try await client.executeAtomically(statements)
  }

  private func client(_ server: RunningPrimary) throws -> HranaClient {
    HranaClient(try Scene.remote(server.url, retries: .once))
  }
}
