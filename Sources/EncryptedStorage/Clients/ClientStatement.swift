internal import CSQLCipher

/// A statement of a client, from its text to its last row, with everything that a protocol tells about it.
///
/// Belongs to the thread of its session; not Sendable. A statement that writes holds the writer lock from `begin` to the end of
/// its transaction.
package final class ClientStatement {
  private let session: Session
  private let statement: Statement
  private let guarding: ClientGuard
  private let isInsert: Bool
  private var changesBefore = 0
  private var isRunning = false

  fileprivate init(_ session: Session, _ statement: Statement, _ guarding: ClientGuard, isInsert: Bool) {
    self.session = session
    self.statement = statement
    self.guarding = guarding
    self.isInsert = isInsert
  }

  deinit { end() }

  // MARK: - About the statement

  package var isReadOnly: Bool { statement.isReadOnly }

  /// `EXPLAIN` or `EXPLAIN QUERY PLAN`.
  package var isExplain: Bool { unsafe sqlite3_stmt_isexplain(statement.pointer) != 0 }

  package var columnNames: [String] { statement.columnNames }

  /// The type each column was declared with; nil for expressions.
  package var declaredTypes: [String?] {
    let count = unsafe sqlite3_column_count(statement.pointer)
    return (0..<count).map { index in
      unsafe sqlite3_column_decltype(statement.pointer, index).map { unsafe String(cString: $0) }
    }
  }

  /// Names of the parameters 1, 2, …, with their prefix; nil for `?`.
  package var parameterNames: [String?] {
    (0..<Int32(clamping: statement.parameterCount)).map { index in
      unsafe sqlite3_bind_parameter_name(statement.pointer, index + 1).map { unsafe String(cString: $0) }
    }
  }

  // MARK: - Running

  /// Gives the parameter `index`, from 1, its value.
  package func bind(_ value: Value, at index: Int) throws(StatementFailure) {
    let result = statement.bind(value, at: Int32(clamping: index))
    guard result == SQLITE_OK else { throw failure(result) }
  }

  /// Takes the writer lock if the statement writes, and starts its time.
  ///
  /// - Parameter end: when the transaction that it belongs to must be over.
  package func begin(until end: ContinuousClock.Instant?) throws(StatementFailure) {
    do throws(EncryptedStorageError) { try session.lockForClient(statement) } catch {
      throw StatementFailure(storage: error)
    }
    guarding.begin(until: end)
    changesBefore = session.totalChanges
    isRunning = true
  }

  /// Advances to the next row; false when there is none.
  package func step() throws(StatementFailure) -> Bool {
    switch unsafe sqlite3_step(statement.pointer) {
    case SQLITE_ROW: return true
    case SQLITE_DONE: return false
    case let result: throw failure(result)
    }
  }

  package var columnCount: Int { Int(unsafe sqlite3_data_count(statement.pointer)) }

  /// The value of the 0-based column in the current row.
  package func value(at column: Int) -> Value { statement.value(at: column) }

  /// Rows that an INSERT, UPDATE or DELETE changed by itself; 0 for other statements.
  package var changeCount: UInt64 {
    guard session.totalChanges != changesBefore, let database = unsafe session.databasePointer else { return 0 }
    return UInt64(clamping: unsafe sqlite3_changes64(database))
  }

  /// The rowid that an INSERT gave to its last row; nil for other statements.
  package var insertedRowID: Int64? { isInsert ? session.lastInsertedRowID : nil }

  /// Ends the statement, finished or not, and gives the writer lock up unless a transaction goes on.
  package func end() {
    statement.reset()
    guard isRunning else { return }
    isRunning = false
    session.unlockAfterTransaction()
  }

  private func failure(_ result: Int32) -> StatementFailure {
    // In a container that failed a MAC, every code may come; what SQLite says of the image is right.
    session.failure(result, stop: result & 0xff == SQLITE_INTERRUPT ? guarding.stop ?? .cancelled : nil)
  }
}

extension Session {
  /// Compiles the first statement of `sql`; nil when there are only comments and white space.
  package func compileForClient(
    _ sql: Substring
  ) throws(StatementFailure) -> (statement: ClientStatement?, rest: Substring) {
    guard let clientGuard else {
      throw StatementFailure(resultCode: SQLITE_MISUSE, message: "the connection serves no clients")
    }
    _ = clientGuard.takeInsertMark()
    let compiled: (result: Int32, statement: Statement?, rest: Substring)
    do throws(EncryptedStorageError) { compiled = try compileFirst(sql) } catch {
      throw StatementFailure(storage: error)
    }
    guard compiled.result == SQLITE_OK else { throw failure(compiled.result, stop: nil) }
    let isInsert = clientGuard.takeInsertMark()
    return (compiled.statement.map { ClientStatement(self, $0, clientGuard, isInsert: isInsert) }, compiled.rest)
  }

  /// Sets what `last_insert_rowid()` answers, for a client that gets another connection than before.
  package func setLastInsertedRowID(_ number: Int64) {
    guard let database = unsafe databasePointer else { return }
    unsafe sqlite3_set_last_insert_rowid(database, number)
  }

  fileprivate func failure(_ result: Int32, stop: StatementFailure.Stop?) -> StatementFailure {
    guard let database = unsafe databasePointer else {
      return StatementFailure(resultCode: SQLITE_MISUSE, message: "the connection is closed")
    }
    let message = unsafe sqlite3_errmsg(database).map { unsafe String(cString: $0) } ?? ""
    let offset = unsafe sqlite3_error_offset(database)
    return StatementFailure(resultCode: result, message: message, offset: offset >= 0 ? Int(offset) : nil, stop: stop)
  }
}

extension StatementFailure {
  /// A failure below the statement, without the names of files.
  package init(storage error: EncryptedStorageError) {
    let resultCode: Int32 =
      switch error.code {
      case .busy: SQLITE_BUSY
      case .cancelled: SQLITE_INTERRUPT
      case .diskFull: SQLITE_FULL
      case .readOnly, .denied: SQLITE_READONLY
      case .damaged: SQLITE_CORRUPT
      default: error.resultCode ?? SQLITE_IOERR
      }
    let message = unsafe sqlite3_errstr(resultCode).map { unsafe String(cString: $0) } ?? "the statement failed"
    self.init(resultCode: resultCode, message: message, stop: error.code == .cancelled ? .cancelled : nil)
  }
}
