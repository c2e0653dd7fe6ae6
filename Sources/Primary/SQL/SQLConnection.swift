internal import EncryptedStorage
internal import LibSQLProtocol
internal import ServerAccess

/// A connection to the primary's database that runs the requests of one client at a time.
///
/// An actor on a queue of its own, which may block: on the disk, and on the writer lock.
actor SQLConnection {
  /// What a client finds on the connection, and what it leaves there.
  struct Situation: Sendable {
    var isAutocommit: Bool
    /// Whether the connection may go to another client: nothing of this one is left on it.
    var isNeutral: Bool
    /// When the transaction must be over.
    var transactionEnd: ContinuousClock.Instant?
    var lastInsertedRowID: Int64
    /// Whether something may have been committed since the last look.
    var mayHaveCommitted: Bool
  }

  private let executor = ConnectionExecutor()
  nonisolated let right: AccessRight
  private let answerLimit: AnswerBudget
  private let cacheTally: CacheTally
  private var session: Session?
  private nonisolated let clientGuard: ClientGuard?
  private var clock: TransactionClock
  private var cursor: BatchExecution?
  private var hasWritten = false

  nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }

  /// Opens the database on a thread that may block.
  ///
  /// - Throws: as `ConnectionFactory.open`.
  static func open(
    _ path: String, _ right: AccessRight, factory: ConnectionFactory, limits: PrimaryLimits,
    cacheTally: CacheTally
  ) async throws -> SQLConnection {
    let opened = try await BlockingWork.run { _ in
      Opened(session: try factory.openSession(path, right == .readWrite ? .writer : .reader))
    }
    return SQLConnection(opened, right, limits, cacheTally)
  }

  /// Hands a session from the thread that opened it to its connection.
  ///
  /// Unchecked: nobody uses it in between, and the opening thread keeps nothing of it.
  private struct Opened: @unchecked Sendable { let session: Session }

  private init(_ opened: Opened, _ right: AccessRight, _ limits: PrimaryLimits, _ cacheTally: CacheTally) {
    self.cacheTally = cacheTally
    session = opened.session
    clientGuard = opened.session.clientGuard
    self.right = right
    answerLimit = AnswerBudget(byteCount: limits.answerByteCount, rowCount: limits.answerRowCount)
    clock = TransactionClock(limit: limits.transactionTime)
  }

  // MARK: - Requests

  /// Runs the requests of a pipeline in order, whatever becomes of each.
  func run(
    _ requests: [Hrana.StreamRequest], _ stored: StoredSQL
  ) -> (results: [Hrana.StreamResult], stored: StoredSQL, situation: Situation) {
    clientGuard?.resume()
    var stored = stored
    var budget = answerLimit
    let results = requests.map { request -> Hrana.StreamResult in
      do throws(ClientError) { return .ok(try run(request, &stored, &budget)) } catch { return .error(error.error) }
    }
    return (results, stored, situation())
  }

  private func run(
    _ request: Hrana.StreamRequest, _ stored: inout StoredSQL, _ budget: inout AnswerBudget
  ) throws(ClientError) -> Hrana.StreamResponse {
    switch request {
    case .close: return .close
    case .execute(let statement): return .execute(try execute(statement, stored, &budget))
    case .batch(let batch): return .batch(try run(batch, stored, &budget))
    case .sequence(let sql, _):
      try runScript(try stored.text(sql))
      return .sequence
    case .describe(let sql, _): return .describe(try describe(try stored.text(sql)))
    case .storeSQL(let id, let sql):
      try stored.store(sql, as: id)
      return .storeSQL
    case .closeSQL(let id):
      stored.close(id)
      return .closeSQL
    case .getAutocommit: return .getAutocommit(isAutocommit: session?.isInTransaction != true)
    }
  }

  private func execute(
    _ statement: Hrana.Statement, _ stored: StoredSQL, _ budget: inout AnswerBudget
  ) throws(ClientError) -> Hrana.StatementResult {
    let result = try run(Hrana.Batch(steps: [Hrana.BatchStep(statement)]), stored, &budget)
    if let error = result.stepErrors.first ?? nil { throw ClientError(error) }
    return (result.stepResults.first ?? nil) ?? Hrana.StatementResult.empty
  }

  private func run(
    _ batch: Hrana.Batch, _ stored: StoredSQL, _ budget: inout AnswerBudget
  ) throws(ClientError) -> Hrana.BatchResult {
    let execution = try begin(batch, stored)
    defer { finish(execution) }
    var results = [Hrana.StatementResult?](repeating: nil, count: batch.steps.count)
    var errors = [Hrana.ProtocolError?](repeating: nil, count: batch.steps.count)
    var current = 0
    var collected = Hrana.StatementResult.empty
    while let event = execution.next() {
      switch event {
      case .stepBegin(let step, let columns):
        current = step
        collected = .empty
        collected.columns = columns
      case .row(let row):
        try budget.spend(row)
        collected.rows.append(row)
      case .stepEnd(let changeCount, let insertedRowID, let time):
        collected.queryDurationMilliseconds = time / .milliseconds(1)
        collected.affectedRowCount = changeCount
        collected.rowsWritten = changeCount
        collected.rowsRead = UInt64(collected.rows.count)
        collected.lastInsertRowID = insertedRowID
        results[current] = collected
      case .stepError(let step, let error): errors[step] = error
      }
    }
    return Hrana.BatchResult(stepResults: results, stepErrors: errors)
  }

  private func runScript(_ script: String) throws(ClientError) {
    let session = try opened()
    var rest = script[...]
    while true {
      let (next, tail) = try session.compileNext(rest)
      guard let statement = next else { return }
      defer { statement.end() }
      if let refusal = clock.refusal(of: rest) { throw refusal }
      rest = tail
      guard right == .readWrite || statement.isReadOnly else { throw ClientError(SQLFailure.readOnly) }
      if !statement.isReadOnly { hasWritten = true }
      do throws(StatementFailure) {
        try statement.begin(until: clock.end)
        while try statement.step() {}
      } catch {
        statement.end()
        throw ClientError(session.tell(error, &clock))
      }
      statement.end()
      clock.note(isAutocommit: !session.isInTransaction)
    }
  }

  private func describe(_ sql: String) throws(ClientError) -> Hrana.DescribeResult {
    let statement = try opened().compileOne(sql)
    return Hrana.DescribeResult(
      parameterNames: statement.parameterNames, columns: statement.columns, isExplain: statement.isExplain,
      isReadOnly: statement.isReadOnly)
  }

  // MARK: - Cursors

  /// Begins a batch whose rows are fetched piece by piece with ``nextLines(upTo:)``.
  func openCursor(_ batch: Hrana.Batch, _ stored: StoredSQL) -> Hrana.ProtocolError? {
    clientGuard?.resume()
    do throws(ClientError) {
      cursor = try begin(batch, stored)
      return nil
    } catch { return error.error }
  }

  /// The next lines of the cursor's answer; nil at its end.
  ///
  /// - Parameter byteCount: how much is wanted; the last row may go beyond it.
  func nextLines(upTo byteCount: Int) -> [UInt8]? {
    guard let cursor else { return nil }
    var lines: [UInt8] = []
    while lines.count < byteCount {
      guard let event = cursor.next() else {
        closeCursor()
        return lines.isEmpty ? nil : lines
      }
      event.entry.encode(into: &lines)
      lines.append(UInt8(ascii: "\n"))
    }
    return lines
  }

  /// The next entries of the cursor, at most `count`, and whether there are no more.
  func nextEntries(_ count: Int) -> (entries: [Hrana.CursorEntry], isDone: Bool) {
    var entries: [Hrana.CursorEntry] = []
    while let cursor, entries.count < count {
      guard let event = cursor.next() else {
        closeCursor()
        break
      }
      entries.append(event.entry)
    }
    return (entries, cursor == nil)
  }

  /// Ends the cursor, where it is.
  func closeCursor() {
    guard let cursor else { return }
    cursor.stop()
    finish(cursor)
    self.cursor = nil
  }

  private func begin(_ batch: Hrana.Batch, _ stored: StoredSQL) throws(ClientError) -> BatchExecution {
    BatchExecution(batch.steps, stored: stored, on: try opened(), right: right, clock: clock)
  }

  private func finish(_ execution: BatchExecution) {
    execution.stop()
    clock = execution.transactionClock
    hasWritten = hasWritten || execution.hasWritten
  }

  // MARK: - Between requests

  /// Stops what is running, from any thread.
  nonisolated func cancel() { clientGuard?.cancel() }

  /// What the client leaves on the connection.
  func situation() -> Situation {
    if let session { cacheTally.add(session.takeCacheUse()) }
    let isAutocommit = session?.isInTransaction != true
    defer { if isAutocommit { hasWritten = false } }
    return Situation(
      isAutocommit: isAutocommit,
      isNeutral: isAutocommit && !clock.isLost && clientGuard?.isConnectionChanged != true,
      transactionEnd: clock.end, lastInsertedRowID: session?.lastInsertedRowID ?? 0,
      mayHaveCommitted: isAutocommit && hasWritten)
  }

  /// Rolls a transaction back whose time is over.
  func endTransactionInTime() {
    if clock.isOver { loseTransaction() }
  }

  /// Makes the connection one that nobody has used.
  ///
  /// - Returns: false when it must be closed instead.
  func prepare(lastInsertedRowID: Int64) -> Bool {
    closeCursor()
    guard let session, session.rollBackForClient(), clientGuard?.isConnectionChanged != true else { return false }
    clock.reset()
    session.setLastInsertedRowID(lastInsertedRowID)
    return true
  }

  func close() {
    closeCursor()
    session?.rollBackForClient()
    session?.close()
    session = nil
  }

  private func loseTransaction() {
    guard let session else { return }
    if !session.rollBackForClient() {
      session.close()
      self.session = nil
    }
    clock.lose()
  }

  private func opened() throws(ClientError) -> Session {
    guard let session else { throw ClientError(SQLFailure.streamExpired) }
    return session
  }
}

extension Hrana.StatementResult {
  static let empty = Hrana.StatementResult(columns: [], rows: [])
}

extension BatchExecution.Event {
  var entry: Hrana.CursorEntry {
    switch self {
    case .stepBegin(let step, let columns): .stepBegin(step: UInt32(clamping: step), columns: columns)
    case .row(let row): .row(row)
    case .stepEnd(let changeCount, let insertedRowID, _):
      .stepEnd(affectedRowCount: changeCount, lastInsertRowID: insertedRowID)
    case .stepError(let step, let error): .stepError(step: UInt32(clamping: step), error: error)
    }
  }
}
