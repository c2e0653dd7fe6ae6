package import EncryptedStorage
public import LibSQLClient
internal import LibSQLProtocol
internal import Synchronization

/// A database of libSQL or Turso that is reached by Hrana.
///
/// Each change is one request with one conditional batch: no transaction waits for the network, and a stream that expires
/// between requests cannot happen. Each leaves its name at the remote in its own transaction (`WriteClaims`), so that a
/// change whose answer is lost is neither lost nor done twice.
public final class RemoteDatabase: MigrationDatabase {
  /// True: others work on it.
  public var isRemote: Bool { true }

  private let client: HranaClient
  private let retries: RetryPolicy
  private let lease: RemoteLease
  /// Of the lease that this object holds.
  private let owner = Mutex<String?>(nil)
  /// What was half done when the state was read last, and what this object has done since.
  private let progress = Mutex<ScriptProgress?>(nil)
  private let waitingTime: Duration
  /// How often a change is sent again that has not arrived.
  private static let lossCountMax = 8

  /// A remote. Nothing is sent yet.
  ///
  /// - Parameter waitingTime: how long others are waited for: runners of migrations, and other writers. Default 30 s.
  public init(_ remote: Remote, waitingTime: Duration = .seconds(30)) {
    client = HranaClient(remote)
    retries = remote.retries
    self.waitingTime = waitingTime
    lease = RemoteLease(client, retries: remote.retries, waitingTime: waitingTime)
  }

  /// See ``MigrationDatabase/check(_:)``.
  public func check(_ script: MigrationScript) throws(MigrationError) { try RemoteScript.check(script) }

  // MARK: - Reading

  /// See ``MigrationDatabase/state()``.
  ///
  /// - Throws: `RemoteError`.
  public func state() async throws -> DatabaseState {
    let listings = [
      SchemaObject.listing, Tracker.appliedListing, Tracker.checksumListing, ScriptProgress.listing,
    ]
    let results = try await snapshot(listings.map { Tracker.Statement($0) })
    let objects = try results[0].get().compactMap { row -> SchemaObject? in
      guard let kind = row[0].text.flatMap(SchemaObject.Kind.init), let name = row[1].text else { return nil }
      return SchemaObject(kind: kind, name: name, isVirtual: row[2] == .integer(1))
    }
    // A table that is not there has no rows; any other failure is one.
    let tables = Set(objects.filter { $0.kind == .table }.map(\.name))
    let rows = tables.contains(Tracker.table) ? try results[1].get() : []
    let checksums = tables.contains(Tracker.checksumTable) ? try results[2].get() : []
    let begun = tables.contains(ScriptProgress.table) ? try results[3].get().first.flatMap(ScriptProgress.init) : nil
    progress.withLock { $0 = begun }
    let applied = DatabaseState.join(
      rows.map { ($0[0].text ?? "", $0[1].integer ?? 0) },
      checksums.map { ($0[0].text ?? "", $0[1].integer ?? 0, $0[2].text ?? "") })
    return DatabaseState(applied: applied, objects: objects)
  }

  /// Rows of queries that see one state of the database; of each query, what it gave or why it failed.
  ///
  /// - Throws: `RemoteError`, when nothing could be asked.
  package func snapshot(_ queries: [Tracker.Statement]) async throws -> [Result<[[Value]], RemoteError>] {
    var steps = [Hrana.BatchStep(.text("BEGIN"))]
    for query in queries { steps.append(Hrana.BatchStep(Hrana.Statement(query), if: .ok(step: 0))) }
    steps.append(Hrana.BatchStep(.text("COMMIT"), if: .ok(step: 0)))
    let result = try await client.batch(Hrana.Batch(steps: steps), isRepeatable: true)
    if let error = result.stepErrors[0] { throw client.failure(error, "read migrations") }
    return queries.indices.map { index in
      if let rows = result.stepResults[index + 1]?.rows { return .success(rows.map { $0.map(Value.init) }) }
      let error =
        result.stepErrors[index + 1]
        ?? Hrana.ProtocolError(
          message: "the statement was skipped", code: Hrana.ProtocolError.unknownCode)
      return .failure(client.failure(error, "read migrations"))
    }
  }

  // MARK: - Changing

  /// See ``MigrationDatabase/withLease(_:)``.
  ///
  /// - Throws: what `body` throws; ``MigrationError`` `.busy` when another runner holds the lease for too long; `RemoteError`.
  public func withLease<Result: Sendable>(_ body: @Sendable () async throws -> Result) async throws -> Result {
    let name = UniqueName.make()
    try await lease.acquire(name)
    owner.withLock { $0 = name }
    let outcome: Swift.Result<Result, any Error>
    do { outcome = .success(try await body()) } catch { outcome = .failure(error) }
    owner.withLock { if $0 == name { $0 = nil } }
    await lease.release(name)
    return try outcome.get()
  }

  /// See ``MigrationDatabase/apply(_:)``.
  ///
  /// - Throws: ``MigrationError`` `.failed`, `.brokenReferences`, `.doesNotFit`, `.busy`: nothing of the change was kept;
  ///   `.unknownOutcome`; `RemoteError`: nothing of the change was kept.
  public func apply(_ change: DatabaseChange) async throws -> ChangeOutcome {
    if let script = change.script { try check(script) }
    for part in try ChangePart.parts(of: change, after: progress.withLock { $0 }) {
      try Task.checkCancellation()
      guard try await apply(change, part) == .applied else {
        // What is half done may be what has changed, and whoever plans anew may not look at that.
        _ = try await state()
        return .superseded
      }
      progress.withLock { $0 = part.next }
    }
    return .applied
  }

  private func apply(_ change: DatabaseChange, _ part: ChangePart) async throws -> ChangeOutcome {
    let isGuarded = try await client.version() == .three
    let owner = owner.withLock { $0 }
    var pauses = Pauses(retries)
    var lossCount = 0
    while true {
      // A name of its own for each attempt: one that is claimed cannot commit any more.
      let batch = ChangeBatch(change, part, name: UniqueName.make(), owner: owner, isGuarded: isGuarded)
      switch try await send(batch) {
      case .committed: return .applied
      case .superseded: return .superseded
      case .leaseLost:
        // Another runner took this one for dead. What it has done meanwhile, the next plan begins with.
        if let owner { try await lease.acquire(owner) }
        return .superseded
      case .lost:
        lossCount += 1
        guard lossCount < Self.lossCountMax else { throw Self.lossy }
      case .busy:
        guard pauses.total < waitingTime else { throw Self.busy }
        try await pauses.next()
      }
    }
  }

  private static let lossy = MigrationError(
    .unavailable, "the remote never got the change, or lost it, \(lossCountMax) times; nothing of it was kept",
    hint: "check the network between here and the remote, then try again")

  private static let busy = MigrationError(
    .busy, "other writers keep the remote busy; the migration was not begun", hint: "try again when they have finished")

  private func send(_ batch: ChangeBatch) async throws -> ChangeBatch.Outcome {
    let result: Hrana.BatchResult
    do throws(RemoteError) {
      result = try await client.batch(batch.batch)
    } catch {
      guard error.mayHaveRun else { throw error.status == 413 ? batch.tooLarge : error }
      return try await resolve(batch.name)
    }
    return if let outcome = try batch.outcome(of: result, client) { outcome } else { try await resolve(batch.name) }
  }

  /// Finds out what became of a change whose answer was lost. From then on it cannot happen any more, if it has not.
  private func resolve(_ name: String) async throws -> ChangeBatch.Outcome {
    let claims = WriteClaims(client, .writes, retries: retries)
    // Asked to the end also when this task is cancelled: the answer is what was done.
    switch await Task(operation: { await claims.isCommitted(name) }).value {
    case true?: return .committed
    case false?:
      try Task.checkCancellation()
      return .lost
    case nil:
      throw MigrationError(
        .unknownOutcome, "the answer of the remote was lost, and it cannot be asked whether the change was committed",
        hint: "run it again when the remote can be reached: what is applied is not applied twice")
    }
  }
}

extension Hrana.BatchStep {
  /// A statement without arguments.
  init(_ sql: Hrana.SQLText, if condition: Hrana.Condition? = nil) {
    self.init(Hrana.Statement(sql, wantsRows: false), if: condition)
  }
}
