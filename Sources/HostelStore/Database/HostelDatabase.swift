package import EncryptedStorage
internal import EncryptionKeys
internal import HostelDomain
package import LibSQLClient
internal import PageStore
package import ReplicaSync
internal import Synchronization

/// The hostel's database in one of its two modes: a replica, read here and written through the remote, or an ordinary
/// encrypted file, read and written here. Everything above it is the same for both.
package final class HostelDatabase: Sendable {
  private enum Kind {
    case replica(Replica)
    case file(ConnectionPool)
  }

  private let kind: Kind
  private let path: String
  private let factory: ConnectionFactory
  private let unknown = Mutex(UnknownWrites())
  private let lastLook = Mutex<(at: ContinuousClock.Instant, lastSync: Int64?)?>(nil)

  private init(_ kind: Kind, _ path: String, _ factory: ConnectionFactory) {
    self.kind = kind
    self.path = path
    self.factory = factory
  }

  /// Opens a replica; makes an empty one if there is none. Needs no network.
  ///
  /// - Parameter factory: its configuration mounts page stores.
  package static func openReplica(
    _ settings: ReplicaSettings, remote: Remote, factory: ConnectionFactory
  ) async throws -> HostelDatabase {
    let replica = try await Replica.open(settings, remote: remote, factory: factory)
    return HostelDatabase(.replica(replica), settings.path, factory)
  }

  /// Opens an ordinary encrypted file, which has to be there.
  package static func openFile(_ path: String, factory: ConnectionFactory) async throws -> HostelDatabase {
    HostelDatabase(.file(try await factory.openPool(path, readerCount: 4)), path, factory)
  }

  /// The replica, to keep it fresh; nil for a file.
  package var replica: Replica? { if case .replica(let replica) = kind { replica } else { nil } }

  package func close() async {
    switch kind {
    case .replica(let replica): await replica.close()
    case .file(let pool): await pool.close()
    }
  }

  // MARK: - Reading

  /// How old what was read may be.
  package struct Age: Sendable, Hashable {
    /// Seconds since the replica was last known to be the remote's; nil when it never was. 0 for a file of its own.
    package let seconds: Int64?
    /// Whether something that was written here may be missing, since the remote cannot be asked for it.
    package let lacksWrites: Bool
  }

  package struct Reading<Value: Sendable>: Sendable {
    package let value: Value
    package let age: Age
  }

  /// Runs `body` on a snapshot that has what was written through this process, if the remote can be asked for it; else on what
  /// there is.
  ///
  /// - Throws: what `body` throws; ``StoreError`` `.notSynchronised`.
  package func read<T: Sendable>(_ body: @escaping @Sendable (Session) throws -> T) async throws -> Reading<T> {
    do {
      switch kind {
      case .file(let pool):
        return Reading(value: try await pool.read(body), age: Age(seconds: 0, lacksWrites: false))
      case .replica(let replica):
        do {
          let value = try await replica.read(body)
          return Reading(value: value, age: Age(seconds: await age(of: replica), lacksWrites: false))
        } catch let error as SyncError where error.code == .stale {
          let (value, staleness) = try await replica.readStale(body)
          return Reading(value: value, age: Age(seconds: staleness.age, lacksWrites: staleness.lacksWrites))
        }
      }
    } catch let error as EncryptedStorageError where error.code == .incomplete {
      throw StoreError(
        .notSynchronised, "the replica has no data yet", hint: "it has to be synchronised once before it can be read")
    }
  }

  /// Seconds since the last sync, looked up at most once a second: it is read off the file, which another process may
  /// synchronise.
  private func age(of replica: Replica) async -> Int64? {
    let now = ContinuousClock.now
    let known = lastLook.withLock(\.self)
    let lastSync: Int64?
    if let known, now - known.at < .seconds(1) {
      lastSync = known.lastSync
    } else {
      // Without an answer the age is unknown; what was read is not the less right for it.
      lastSync = try? await replica.lastSync()
      lastLook.withLock { $0 = (now, lastSync) }
    }
    return lastSync.map(WallClock.system.age)
  }

  // MARK: - Writing

  /// Makes a change, where the hostel's data is: all of its statements or none.
  ///
  /// - Returns: the record as it was committed; nil when the condition of the change did not hold, and nothing was changed.
  /// - Throws: ``StoreError`` `.unavailable`, `.outcomeUnknown`, `.conflict` for a constraint of the schema.
  func apply(_ change: Change) async throws -> [Value]? {
    switch kind {
    case .file(let pool):
      do {
        return try await pool.write { session in
          for statement in change.statements.dropLast() { try session.execute(statement.sql, statement.values) }
          return try session.query(change.result.sql, change.result.values) { $0.values }.first
        }
      } catch let error as EncryptedStorageError where error.code == .constraint { throw Self.constraint }
    case .replica(let replica): return try await delegate(change, to: replica)
    }
  }

  private func delegate(_ change: Change, to replica: Replica) async throws -> [Value]? {
    let outcome: WriteOutcome<[StatementResult]>
    do { outcome = try await replica.write(change.statements) } catch let error as RemoteError {
      guard error.code == .statement else { throw Self.unavailable(error) }
      if error.remoteCode?.hasPrefix("SQLITE_CONSTRAINT") == true { throw Self.constraint }
      if error.remoteCode?.hasPrefix("SQLITE_BUSY") == true { throw Self.unavailable(error) }
      throw StoreError(.schema, "the remote refused a statement: \(error)", hint: "apply the migrations: migrate")
    }
    switch outcome {
    case .confirmed(let confirmation):
      guard let results = confirmation.value else { return try await record(of: change) }
      return results.last?.rows.first
    case .notCommitted(let error): throw Self.unavailable(error)
    case .unknown(let id, let cause):
      unknown.withLock { $0.note(change.id, id, cause) }
      throw StoreError(
        .outcomeUnknown, "the answer of the remote was lost, and it is not known whether the change was made: \(cause)",
        hint: "ask for the outcome before the same is sent again", change: change.id)
    }
  }

  /// The record of a change whose answer was lost, and of which the remote proved afterwards that it was committed.
  private func record(of change: Change) async throws -> [Value]? {
    let reading = try await read { session in
      try session.query(change.result.sql, change.result.values) { $0.values }.first
    }
    guard reading.value != nil || !reading.age.lacksWrites else {
      throw StoreError(
        .outcomeUnknown, "the remote has committed the request, and cannot be asked now what came of it",
        hint: "ask for the outcome before the same is sent again", change: change.id)
    }
    return reading.value
  }

  /// Whether the change with this name took effect, as far as it is known here.
  private func tookEffect(_ change: String) async throws -> Outcome {
    let reading = try await read { session in
      try session.value("SELECT count(*) FROM outbox WHERE event_id = ?", [.text(change)]).integer == 1
    }
    return reading.value ? .committed : reading.age.lacksWrites ? .unknown : .notCommitted
  }

  private static var constraint: StoreError {
    StoreError(.conflict, "another record has the same key, or one that is referred to is gone")
  }

  private static func unavailable(_ error: RemoteError) -> StoreError {
    StoreError(
      .unavailable, "the remote cannot be asked, and nothing was changed: \(error)",
      hint: "try again later; nothing waits to be sent")
  }

  /// What became of a change whose answer was lost.
  package enum Outcome: String, Sendable {
    case committed
    /// It was not, and will not be.
    case notCommitted = "not_committed"
    case unknown
  }

  /// - Parameter change: the name that ``StoreError/change`` gave.
  package func outcome(of change: String) async throws -> Outcome {
    if let (id, cause) = unknown.withLock({ $0[change] }), let replica {
      switch await replica.resolve(id, cause) {
      case .confirmed:
        unknown.withLock { $0.forget(change) }
        // The transaction was committed; whether its condition held is another question.
        return try await tookEffect(change)
      case .notCommitted:
        unknown.withLock { $0.forget(change) }
        return .notCommitted
      case .unknown: return .unknown
      }
    }
    // A write that this process knows nothing of may still be under way from another one.
    return try await tookEffect(change) == .committed ? .committed : .unknown
  }

  /// Runs a statement of which nothing depends on whether it ran once or twice.
  ///
  /// - Throws: ``StoreError`` `.unavailable`.
  func note(_ statement: RemoteStatement) async throws {
    switch kind {
    case .file(let pool): _ = try await pool.write { session in try session.execute(statement.sql, statement.values) }
    case .replica(let replica):
      do {
        switch try await replica.write([statement]) {
        case .confirmed: return
        case .notCommitted(let error), .unknown(_, let error): throw Self.unavailable(error)
        }
      } catch let error as RemoteError { throw Self.unavailable(error) }
    }
  }

  /// Runs statements that change nothing when they come a second time, in one transaction.
  ///
  /// - Throws: ``StoreError`` `.unavailable`; what the remote says of a statement.
  func run(_ statements: [RemoteStatement]) async throws {
    switch kind {
    case .file(let pool):
      try await pool.write { session in
        for statement in statements { try session.execute(statement.sql, statement.values) }
      }
    case .replica(let replica):
      guard case .confirmed = try await replica.write(statements) else {
        throw StoreError(.unavailable, "the remote did not confirm a change", hint: "run the command again")
      }
    }
  }
}

// MARK: - State

extension HostelDatabase {
  /// What is known of the file without asking anybody.
  package struct State: Sendable {
    package let mode: ReplicaSettings.Mode
    /// Seconds since the last sync; nil when there was none. 0 for a file of its own.
    package let lagSeconds: Int64?
    /// Whether there is anything to read.
    package let isReadable: Bool
    /// Position in the remote's history; nil for a file.
    package let position: Int64?
    /// Whether a process synchronises the replica now; true for a file, which needs none.
    package let isBeingSynchronised: Bool
  }

  package func state() async throws -> State {
    guard case .replica = kind else {
      return State(mode: .ordinaryFile, lagSeconds: 0, isReadable: true, position: nil, isBeingSynchronised: true)
    }
    let status = try await ReplicaStatus.of(path, factory)
    return State(
      mode: .embeddedReplica, lagSeconds: status.lag, isReadable: status.state.isComplete,
      position: status.state.image?.position, isBeingSynchronised: status.isBeingSynchronised)
  }

  /// What the bytes of the file say about its encryption, looked at now.
  package func encryption() async throws -> FileStatus { try await FileClassifier(keys: factory.keys).run(path) }
}

/// Writes whose answers were lost, the latest thousand.
private struct UnknownWrites {
  private var writes: [String: (WriteID, RemoteError)] = [:]
  private var order: [String] = []
  private static let countMax = 1000

  subscript(change: String) -> (WriteID, RemoteError)? { writes[change] }

  mutating func note(_ change: String, _ id: WriteID, _ cause: RemoteError) {
    if order.count == Self.countMax { writes[order.removeFirst()] = nil }
    order.append(change)
    writes[change] = (id, cause)
  }

  mutating func forget(_ change: String) {
    writes[change] = nil
    order.removeAll { $0 == change }
  }
}
