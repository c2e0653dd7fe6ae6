import EncryptedStorage
import Foundation
import LibSQLClient
import LibSQLProtocol
import ReplicaSync
import TestSupport

/// Clients of different kinds work on a ledger at the same time, over a network that cuts, delays, repeats and refuses,
/// while the server and a synchroniser are killed; then the history of what they were told and saw is checked.
struct HistoryRound {
  private let scene: Scene
  private let record: RoundRecord

  init(_ scene: Scene, _ record: RoundRecord) {
    self.scene = scene
    self.record = record
  }

  /// What the network does to requests of clients that name their writes.
  static let faults = rawFaults + [#""duplicate": "first""#, #""duplicate": "second""#, #""drop": "late""#]
  /// And to others, for which a request that is repeated is two requests.
  static let rawFaults = [
    #""status": 500"#, #""status": 502"#, #""status": 503"#, #""status": 429"#, #""drop": "before""#,
    #""drop": "after""#, #""drop": "after""#, #""cut": 0"#, #""cut": 40"#, #""cut": 4121"#, #""delay": 0.02"#,
    #""delay": 0.1"#, #""lengthen": 7"#,
  ]

  func run() async throws {
    let stage = try HistoryStage(scene, record)
    try await HranaClient(Scene.remote(stage.directURL)).sequence(Ledger.schema)
    let log = HistoryLog()
    let clients = try await clients(stage, log)
    do {
      try await work(clients, stage)
      try await finish(clients, stage, log)
    } catch {
      for client in clients { await client.close() }
      throw error
    }
    try await judgeFiles()
  }

  private func clients(_ stage: HistoryStage, _ log: HistoryLog) async throws -> [any LedgerClient] {
    var clients: [any LedgerClient] = []
    for (number, name) in [ReplicationProtocol.v1, .v2, .v2].enumerated() {
      clients.append(
        try await ReplicaLedgerClient(number, scene, stage.url, name, log, record))
    }
    for number in 10..<12 { clients.append(try RawLedgerClient(number, stage.rawURL, log)) }
    clients.append(FollowingLedgerClient(20, stage.followedPath, log))
    return clients
  }

  private func work(_ clients: [any LedgerClient], _ stage: HistoryStage) async throws {
    var choices = WorkloadChoices(scene.generator(1))
    let actionCount = choices.number(12...30)
    let plan = stage.plan(actionCount: actionCount * clients.count, &choices)
    try stage.beginChaos(seed: scene.generator(2).firstNumber, rate: Double(choices.number(2...25)) / 100)
    let count = Locked(0)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for (index, client) in clients.enumerated() {
        let generator = scene.generator(100 + UInt64(index))
        group.addTask {
          var choices = WorkloadChoices(generator)
          for _ in 0..<actionCount {
            try await client.act(&choices)
            record.operated()
            let number = count.withLock { value in
              value += 1
              return value
            }
            if let incident = plan[number] { try await BlockingWork.run { _ in try stage.perform(incident) } }
          }
        }
      }
      try await group.waitForAll()
    }
  }

  private func finish(_ clients: [any LedgerClient], _ stage: HistoryStage, _ log: HistoryLog) async throws {
    record.injected(try stage.endChaos())
    for client in clients { try await client.settle() }
    // What was under way arrives after its outcome was found out.
    try stage.releaseLate()
    let remote = HranaClient(try Scene.remote(stage.directURL))
    let final = try await lookInTheEnd(remote)
    record.check(final.disagreement == nil, "the remote in the end: \(final.disagreement ?? "")")
    for client in clients {
      try await client.settle()
      await client.close()
    }
    let history = log.history
    record.check(nothing: history.violations(final: final.entries), "history")
    record.operated(history.reads.count)
    for _ in 0..<history.checkCount { record.check(true, "") }
    stage.stop()
  }

  /// A transaction that its client has lost keeps others out until the server ends it; the server lets each wait for a while.
  private func lookInTheEnd(
    _ remote: HranaClient
  ) async throws(RemoteError) -> (entries: [History.Entry], disagreement: String?) {
    for _ in 1..<10 {
      do throws(RemoteError) { return try await Ledger.look(remote) } catch {
        guard error.remoteCode?.hasPrefix("SQLITE_BUSY") == true else { throw error }
      }
    }
    return try await Ledger.look(remote)
  }

  private func judgeFiles() async throws {
    for case let name as String in FileManager.default.enumerator(atPath: scene.root.path) ?? .init()
    where name.hasSuffix(".db") {
      let factory = try name == "primary.db" ? Scene.serverFactory() : Scene.replicaFactory()
      do { record.check(nothing: try await StoreCheck.findings(scene.root.file(name), factory), name) } catch {
        let isUnfinished = (error as? EncryptedStorageError)?.code == .incomplete && name == HistoryStage.followed
        record.check(isUnfinished, "\(name): \(error)")
      }
    }
  }
}
