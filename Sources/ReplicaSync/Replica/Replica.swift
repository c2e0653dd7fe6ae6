public import EncryptedStorage
public import LibSQLClient
internal import PageStore

/// An encrypted replica of a remote database: read here, written there.
///
/// ```swift
/// let replica = try await Replica.open(settings, remote: remote, factory: factory)
/// try await replica.sync()
/// let names = try await replica.read { session in try session.query("SELECT name FROM pilgrim") { $0[0].text } }
/// let outcome = try await replica.write([RemoteStatement("INSERT INTO pilgrim (name) VALUES (?)", ["Ana"])])
/// ```
///
/// Opening needs no network. Another process may synchronise the file; then this one reads, writes through the remote, and
/// follows what that one pulls.
public final class Replica: Sendable {
  /// The settings it was opened with.
  public let settings: ReplicaSettings
  /// Synchronises it, for a service that does it periodically: `replica.syncer.run(SyncSchedule(interval: …))`.
  public let syncer: Syncer
  private let ledger: WriteLedger
  private let freshness: Freshness
  private let pool: SharedReaders
  private let state: StateReader
  private let clock: WallClock

  private init(
    _ settings: ReplicaSettings, _ syncer: Syncer, _ remote: Remote, _ factory: ConnectionFactory, _ clock: WallClock,
    _ timer: any Clock<Duration>
  ) {
    self.settings = settings
    self.syncer = syncer
    state = StateReader(settings.path, factory)
    self.clock = clock
    ledger = WriteLedger(remote)
    freshness = Freshness(state: state, syncer: syncer, clock: clock, timer: timer)
    pool = SharedReaders(path: settings.path, count: settings.readerCount, factory: factory)
  }

  /// Opens a replica; makes an empty one if there is none. Nothing is asked of the remote.
  ///
  /// - Parameters:
  ///   - factory: its configuration mounts page stores.
  ///   - clock: says how old the replica is.
  ///   - timer: measures the waits for freshness.
  /// - Throws: `EncryptedStorageError` for a wrong key, another profile, a damaged file; ``SyncError`` `.configuration` for a
  ///   mode that is not for this.
  public static func open(
    _ settings: ReplicaSettings, remote: Remote, factory: ConnectionFactory, clock: WallClock = .system,
    timer: any Clock<Duration> = ContinuousClock()
  ) async throws -> Replica {
    guard settings.mode == .embeddedReplica else {
      throw SyncError(
        .configuration, "a file in the mode \(settings.mode.rawValue) is no embedded replica",
        hint: "open it with ConnectionFactory, and synchronise it with turso-sync")
    }
    // Whoever reads waits; a sync has time.
    let syncer = Syncer(
      settings, remote: remote, factory: factory, clock: clock, progress: nil, inBackground: true)
    do {
      try await syncer.open()
    } catch let error as SyncError where error.code == .busy {
      // Another process has the lock. The key is checked all the same.
      _ = try await StoreState.read(settings.path, factory)
    }
    return Replica(settings, syncer, remote, factory, clock, timer)
  }

  /// Closes the replica. A running sync is ended.
  public func close() async {
    await pool.close()
    await state.close()
    await syncer.close()
  }

  // MARK: - Reading

  /// Runs `body` on a snapshot of the replica, which has what was written through this replica before.
  ///
  /// - Throws: what `body` throws; ``SyncError`` `.stale` when the remote cannot be asked in time for what was written;
  ///   `EncryptedStorageError` `.incomplete` before the first sync.
  public func read<T: Sendable>(_ body: @escaping @Sendable (Session) throws -> T) async throws -> T {
    if settings.readsYourWrites, let reason = await freshness.reach(within: settings.readDeadline) {
      try Task.checkCancellation()
      throw SyncError(
        .stale, "the replica does not have yet what was written through it: \(reason)",
        hint: "try again later, or take what there is with readStale")
    }
    return try await pool.get().read(body)
  }

  /// Runs `body` on a snapshot of the replica as it is, and says how old that is.
  ///
  /// - Throws: what `body` throws; `EncryptedStorageError` `.incomplete` before the first sync.
  public func readStale<T: Sendable>(
    _ body: @escaping @Sendable (Session) throws -> T
  ) async throws -> (value: T, staleness: Staleness) {
    let lacksWrites = freshness.lacksWrites
    let state = try await state.read()
    let value = try await pool.get().read(body)
    return (value, Staleness(lacksWrites: lacksWrites, age: state.lastSync.map(clock.age)))
  }

  /// When the replica was last known to be the remote's, in seconds since 1970-01-01 UTC; nil when it never was. Another
  /// process may synchronise it.
  ///
  /// - Throws: `EncryptedStorageError`.
  package func lastSync() async throws -> Int64? { try await state.read().lastSync }

  /// How old what was read is, at most.
  public struct Staleness: Sendable, Hashable {
    /// Whether something that was written through this replica may be missing.
    public let lacksWrites: Bool
    /// Seconds since the replica was last known to be the remote's; nil when it never was.
    public let age: Int64?
  }

  /// Brings the replica to what the remote has committed when this is called, or later.
  ///
  /// Where another process synchronises the file, waits until that one has.
  ///
  /// - Throws: `RemoteError`, `EncryptedStorageError`, ``SyncError``.
  public func sync() async throws { try await freshness.refresh() }

  // MARK: - Writing

  /// Runs statements on the remote, in one transaction: all of them or none.
  ///
  /// - Throws: `RemoteError` `.statement` when one of them failed, ``SyncError`` `.statement`: nothing was changed.
  public func write(_ statements: [RemoteStatement]) async throws -> WriteOutcome<[StatementResult]> {
    for statement in statements { try Routing.refuseTransactionControl(statement.sql) }
    let outcome = try await ledger.write(try statements.map { try $0.hrana() })
    note(outcome)
    return outcome
  }

  /// Runs `body` in a transaction on the remote, in which everything is remote, and commits when it returns.
  ///
  /// The remote keeps others from writing meanwhile, and ends a transaction that takes longer than some seconds.
  ///
  /// - Throws: what `body` throws, with nothing changed.
  public func transaction<Value: Sendable>(
    _ body: @Sendable (ReplicaTransaction) async throws -> Value
  ) async throws -> WriteOutcome<Value> {
    let outcome = try await ledger.transaction(body)
    note(outcome)
    return outcome
  }

  /// Finds out what became of a write whose outcome is unknown. After `.notCommitted` it can be written again.
  public func resolve(_ id: WriteID, _ cause: RemoteError) async -> WriteOutcome<Never> {
    let outcome: WriteOutcome<Never> = await ledger.resolve(id, cause)
    note(outcome)
    return outcome
  }

  /// Runs one statement where it belongs: here if it only reads, else on the remote.
  ///
  /// - Throws: as ``read(_:)`` and ``write(_:)``; `RemoteError` when a write was not committed, and, with
  ///   `RemoteError.mayHaveRun`, when nobody knows.
  @discardableResult
  public func execute(_ sql: String, _ values: [EncryptedValue] = []) async throws -> StatementResult {
    let local = try await pool.get().read { session in try Routing.isLocal(sql, session) }
    if local {
      return try await read { session in
        let columns = try session.prepare(sql).columnNames
        return StatementResult(columns: columns, rows: try session.query(sql, values) { $0.values })
      }
    }
    switch try await write([RemoteStatement(sql, values)]) {
    case .confirmed(let confirmation):
      return confirmation.value?.first ?? StatementResult(columns: [], rows: [])
    case .notCommitted(let error), .unknown(_, let error): throw error
    }
  }

  private func note<Value>(_ outcome: WriteOutcome<Value>) {
    // What may have been written is waited for as well.
    if case .notCommitted = outcome { return }
    freshness.wrote()
  }
}
