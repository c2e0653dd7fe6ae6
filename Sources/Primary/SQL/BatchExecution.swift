internal import EncryptedStorage
internal import LibSQLProtocol
internal import ServerAccess

/// Runs the steps of a batch one row at a time, so that an answer can be collected as well as streamed.
///
/// Belongs to the thread of its session; not Sendable.
final class BatchExecution {
  enum Event {
    case stepBegin(step: Int, columns: [Hrana.Column])
    case row([Hrana.Value])
    case stepEnd(changeCount: UInt64, insertedRowID: Int64?, time: Duration)
    case stepError(step: Int, error: Hrana.ProtocolError)
  }

  private enum Outcome { case ok, failed, skipped }

  private let session: Session
  private let steps: [Hrana.BatchStep]
  private let stored: StoredSQL
  private let right: AccessRight
  private var clock: TransactionClock
  private var outcomes: [Outcome] = []
  private var current: (statement: ClientStatement, wantsRows: Bool, start: ContinuousClock.Instant)?
  /// Whether something other than reading has been begun.
  private(set) var hasWritten = false

  init(
    _ steps: [Hrana.BatchStep], stored: StoredSQL, on session: Session, right: AccessRight, clock: TransactionClock
  ) {
    self.steps = steps
    self.stored = stored
    self.session = session
    self.right = right
    self.clock = clock
  }

  /// The clock as the steps left it.
  var transactionClock: TransactionClock { clock }

  /// What happens next; nil when all steps are done. A skipped step is silent.
  func next() -> Event? {
    if let (statement, wantsRows, start) = current { return advance(statement, wantsRows: wantsRows, since: start) }
    while outcomes.count < steps.count {
      let step = steps[outcomes.count]
      guard step.condition.map(holds) ?? true else {
        outcomes.append(.skipped)
        continue
      }
      do throws(ClientError) { return try begin(step.statement) } catch { return fail(error.error) }
    }
    return nil
  }

  /// Ends what is running; the rest of the batch does not happen.
  func stop() {
    current?.statement.end()
    current = nil
    clock.note(isAutocommit: !session.isInTransaction)
  }

  // MARK: - Steps

  private func begin(_ statement: Hrana.Statement) throws(ClientError) -> Event {
    let sql = try stored.text(statement.sql)
    if let refusal = clock.refusal(of: sql) { throw refusal }
    let start = ContinuousClock.now
    let compiled = try session.compileOne(sql)
    do throws(ClientError) {
      guard right == .readWrite || compiled.isReadOnly else { throw ClientError(SQLFailure.readOnly) }
      try compiled.bind(statement.arguments, statement.namedArguments)
      if !compiled.isReadOnly { hasWritten = true }
      do throws(StatementFailure) { try compiled.begin(until: clock.end) } catch { throw ClientError(error) }
    } catch {
      compiled.end()
      throw error
    }
    current = (compiled, statement.wantsRows, start)
    return .stepBegin(step: outcomes.count, columns: compiled.columns)
  }

  private func advance(
    _ statement: ClientStatement, wantsRows: Bool, since start: ContinuousClock.Instant
  ) -> Event {
    do throws(StatementFailure) {
      while try statement.step() {
        if wantsRows { return .row((0..<statement.columnCount).map { Hrana.Value(statement.value(at: $0)) }) }
      }
    } catch {
      return fail(failure(error))
    }
    let event = Event.stepEnd(
      changeCount: statement.changeCount, insertedRowID: statement.insertedRowID, time: ContinuousClock.now - start)
    finish(.ok)
    return event
  }

  private func failure(_ failure: StatementFailure) -> Hrana.ProtocolError {
    current?.statement.end()
    return session.tell(failure, &clock)
  }

  private func fail(_ error: Hrana.ProtocolError) -> Event {
    let step = outcomes.count
    finish(.failed)
    return .stepError(step: step, error: error)
  }

  private func finish(_ outcome: Outcome) {
    current?.statement.end()
    current = nil
    clock.note(isAutocommit: !session.isInTransaction)
    outcomes.append(outcome)
  }

  // MARK: - Conditions

  /// Whether a condition is met. A step that was skipped is an `error`, as in sqld and in Turso's protocol; the Hrana 3
  /// specification says that it is neither.
  private func holds(_ condition: Hrana.Condition) -> Bool {
    switch condition {
    case .ok(let step): outcome(of: step) == .ok
    case .error(let step): outcome(of: step) != .ok
    case .not(let condition): !holds(condition)
    case .and(let conditions): conditions.allSatisfy(holds)
    case .or(let conditions): conditions.contains(where: holds)
    case .isAutocommit: !session.isInTransaction
    }
  }

  private func outcome(of step: UInt32) -> Outcome? {
    outcomes.indices.contains(Int(step)) ? outcomes[Int(step)] : nil
  }
}

extension Session {
  /// The one statement of a text.
  ///
  /// - Throws: `SQL_NO_STATEMENT`, `SQL_MANY_STATEMENTS`, or what SQLite says of the text.
  func compileOne(_ sql: String) throws(ClientError) -> ClientStatement {
    let (statement, rest) = try compileNext(sql.withoutReadOnlyMark[...])
    guard let statement else { throw ClientError(SQLFailure.noStatement) }
    guard try compileNext(rest).statement == nil else { throw ClientError(SQLFailure.manyStatements) }
    return statement
  }

  /// The next statement of a script, nil at its end, and what follows it.
  func compileNext(_ script: Substring) throws(ClientError) -> (statement: ClientStatement?, rest: Substring) {
    do throws(StatementFailure) { return try compileForClient(script) } catch { throw ClientError(error) }
  }

  /// Ends an open transaction without a trace.
  ///
  /// - Returns: false when it is still open; the connection must then be closed.
  @discardableResult
  func rollBackForClient() -> Bool {
    guard isInTransaction else { return true }
    clientGuard?.resume()
    do throws(StatementFailure) {
      guard let statement = try compileForClient("ROLLBACK").statement else { return false }
      defer { statement.end() }
      try statement.begin(until: nil)
      _ = try statement.step()
    } catch { return false }
    return !isInTransaction
  }
}

extension Session {
  /// What the client is told about a statement that failed and has been ended. One that was interrupted because its
  /// transaction is over takes the transaction with it.
  func tell(_ failure: StatementFailure, _ clock: inout TransactionClock) -> Hrana.ProtocolError {
    guard failure.stop == .time, clock.isOver else { return SQLFailure.error(failure) }
    rollBackForClient()
    clock.lose()
    return SQLFailure.transactionTimeout
  }
}

extension ClientStatement {
  var columns: [Hrana.Column] {
    zip(columnNames, declaredTypes).map { Hrana.Column(name: $0, declaredType: $1) }
  }
}

extension String {
  /// libSQL's `BEGIN READONLY`, which SQLite does not know, is `BEGIN`: the statements of the transaction decide.
  fileprivate var withoutReadOnlyMark: String {
    guard utf8.count < 64, firstKeyword == "BEGIN" else { return self }
    let words = split { $0.isWhitespace || $0 == ";" }.map { $0.uppercased() }
    return words == ["BEGIN", "READONLY"] || words == ["BEGIN", "READONLY", "TRANSACTION"] ? "BEGIN" : self
  }
}
