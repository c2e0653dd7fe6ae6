import EncryptedStorage
import LibSQLClient
import LibSQLProtocol
import ReplicaSync
import TestSupport

/// One of many that work on the ledger at the same time.
protocol LedgerClient: Sendable {
  /// Does one thing.
  func act(_ choices: inout WorkloadChoices) async throws
  /// When the network and the server are well again: finds out what is not known, and reads once more.
  func settle() async throws
  func close() async
}

/// Writes through a replica of its own, and reads its writes there.
final class ReplicaLedgerClient: LedgerClient {
  private let number: Int
  private let replica: Replica
  private let log: HistoryLog
  private let record: RoundRecord
  /// Writes of which nobody knows yet what became of them, with their place in the history.
  private let unknown = Locked<[(index: Int, id: WriteID, cause: RemoteError)]>([])

  init(
    _ number: Int, _ scene: Scene, _ url: String, _ name: ReplicationProtocol, _ log: HistoryLog, _ record: RoundRecord
  ) async throws {
    self.number = number
    self.log = log
    self.record = record
    var settings = try scene.replicaSettings("client-\(number).db", url, name)
    settings.readDeadline = .seconds(20)
    replica = try await Replica.open(settings, remote: Scene.remote(url), factory: Scene.replicaFactory())
  }

  func act(_ choices: inout WorkloadChoices) async throws {
    switch choices.number(1...12) {
    case 1...5: try await write(inSteps: false, &choices)
    case 6: try await write(inSteps: true, &choices)
    case 7: try await settleUnknown()
    default: await read()
    }
  }

  private func write(inSteps: Bool, _ choices: inout WorkloadChoices) async throws {
    let (index, entry) = log.beginWrite(client: number, isNamed: true)
    let statements = Ledger.write(entry, &choices)
    do {
      if inSteps {
        let outcome = try await replica.transaction { transaction in
          for sql in statements { _ = try await transaction.execute(sql) }
        }
        note(outcome, index)
      } else {
        note(try await replica.write(statements.map { RemoteStatement($0) }), index)
      }
    } catch let error as RemoteError where error.code == .statement {
      // Promised: nothing was changed.
      log.endWrite(index, .notCommitted)
    }
  }

  private func note<Value>(_ outcome: WriteOutcome<Value>, _ index: Int) {
    switch outcome {
    case .confirmed: log.endWrite(index, .confirmed)
    case .notCommitted: log.endWrite(index, .notCommitted)
    case .unknown(let id, let cause): unknown.withLock { $0.append((index, id, cause)) }
    }
  }

  private func settleUnknown() async throws {
    let waiting = unknown.withLock { list in
      defer { list = [] }
      return list
    }
    for (index, id, cause) in waiting { note(await replica.resolve(id, cause), index) }
  }

  /// A read that cannot have everything says so, and is none.
  private func read() async {
    let began = log.now()
    do {
      let seen = try await replica.read { session in Seen(try Ledger.look(session)) }
      log.read(client: number, .own, began: began, (seen.entries, seen.disagreement))
    } catch let error as SyncError where error.code == .stale {
    } catch let error as EncryptedStorageError where error.code == .incomplete || error.code == .missing {
    } catch { record.fail("client \(number) cannot read: \(error)") }
  }

  func settle() async throws {
    while unknown.withLock({ !$0.isEmpty }) { try await settleUnknown() }
    let began = log.now()
    try await replica.sync()
    let seen = try await replica.read { session in Seen(try Ledger.look(session)) }
    log.read(client: number, .remote, began: began, (seen.entries, seen.disagreement))
  }

  func close() async { await replica.close() }

  /// A tuple that may leave the closure of a read.
  private struct Seen: Sendable {
    let entries: [History.Entry]
    let disagreement: String?

    init(_ seen: (entries: [History.Entry], disagreement: String?)) { (entries, disagreement) = seen }
  }
}

/// Works on the remote by Hrana alone, as any client of libSQL. Its writes have no names: an answer that is lost stays lost.
final class RawLedgerClient: LedgerClient {
  private let number: Int
  private let client: HranaClient
  private let log: HistoryLog

  init(_ number: Int, _ url: String, _ log: HistoryLog) throws {
    self.number = number
    self.log = log
    client = HranaClient(try Scene.remote(url))
  }

  func act(_ choices: inout WorkloadChoices) async throws {
    guard choices.oneIn(2) else { return await read() }
    let (index, entry) = log.beginWrite(client: number, isNamed: false)
    do throws(RemoteError) {
      _ = try await client.executeAtomically(Ledger.write(entry, &choices).map { Hrana.Statement(.text($0)) })
      log.endWrite(index, .confirmed)
    } catch {
      if error.code == .statement || !error.mayHaveRun { log.endWrite(index, .notCommitted) }
    }
  }

  private func read() async {
    let began = log.now()
    guard let seen = try? await Ledger.look(client) else { return }
    log.read(client: number, .remote, began: began, seen)
  }

  func settle() async throws { await read() }

  func close() async {}
}

/// Reads a replica that `turso-sync` keeps fresh in a process of its own.
final class FollowingLedgerClient: LedgerClient {
  private let number: Int
  private let path: String
  private let log: HistoryLog

  init(_ number: Int, _ path: String, _ log: HistoryLog) {
    self.number = number
    self.path = path
    self.log = log
  }

  func act(_ choices: inout WorkloadChoices) async throws {
    let began = log.now()
    do {
      let reader = try await Scene.replicaFactory().open(path)
      do {
        let (entries, disagreement) = try await reader.transaction(.deferred) { try Ledger.look($0) }
        await reader.close()
        log.read(client: number, .following, began: began, (entries, disagreement))
      } catch {
        await reader.close()
        throw error
      }
    } catch let error as EncryptedStorageError where error.code == .incomplete || error.code == .missing {
      // The first pull has not ended.
    }
  }

  func settle() async throws {}

  func close() async {}
}
