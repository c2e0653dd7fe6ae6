internal import CSQLCipher

/// What a closure may do with a connection while it runs on the connection's own thread.
///
/// Synchronous on purpose: nothing can suspend between `BEGIN` and `COMMIT`. Not Sendable, so it cannot leave the
/// closure.
///
/// Queries are checked for authenticity to their end. SQLCipher answers a page whose MAC fails with zeros and latches the
/// failure in the pager, which only the *next* page fetch reports: a row whose last overflow page was tampered with would
/// come back as zeros and success. So a query runs in a read transaction and ends with one more page fetch, and what
/// `query` and `value` return is authentic. Measured facts: docs/security/file-formats.md, "Reading".
public final class Session {
  let handle: DatabaseHandle
  /// Nil on a session that does not write.
  private let writerLock: WriterLock?
  /// Of a mounted image: the database that holds its pages. It is closed by the mount.
  private let container: Session?
  private var statements: [String: Statement] = [:]
  private var cachedTexts: [String] = []
  /// Leaves a log that has grown large to whoever calls ``emptyLargeLog()`` later.
  package var leavesLargeLog = false
  /// What runs around every query, compiled at the first one.
  var frame: QueryFrame?

  private static let cachedStatementCount = 64

  init(handle: DatabaseHandle, writerLock: WriterLock? = nil, container: Session? = nil) {
    self.handle = handle
    self.writerLock = writerLock
    self.container = container
  }

  /// The handle itself, for the mount of an image, which works on its container below the level of statements.
  package var databasePointer: OpaquePointer? { unsafe handle.pointer }

  /// The file, as an absolute path.
  public var path: String { handle.path }

  /// Finalises the cached statements and closes. A second call does nothing.
  ///
  /// A writer empties the log first, if nobody else uses the file. The last connection to close removes an empty log, so
  /// that one file holds everything; SQLite does that under its exclusive lock.
  ///
  /// - Parameter leavingLog: when the name of the file, and so of its log, may belong to another file by now.
  package func close(leavingLog: Bool = false) {
    // What cannot be moved into the database now stays in the log, where the next opening finds it.
    // Nor does closing wait for another writer, who empties the log at its own end.
    if writerLock != nil, !isInTransaction { _ = try? checkpoint(waiting: false) }
    if !leavingLog, let database = unsafe handle.pointer, (FileSystem.status(path + "-wal")?.byteCount ?? 0) == 0 {
      _ = unsafe CSQLCipher_db_config_no_checkpoint_on_close(database, 0)
    }
    for statement in statements.values { statement.finalize() }
    statements.removeAll()
    cachedTexts.removeAll()
    frame?.finalize()
    frame = nil
    handle.close()
    writerLock?.release()
    writerLock?.removeFile()
  }

  // MARK: - Statements

  /// A statement from the cache, or a new one. The SQL must be exactly one statement.
  ///
  /// - Throws: `.statement` with SQLite's message about the SQL text, `.denied` for key pragmas and ATTACH.
  public func prepare(_ sql: String) throws(EncryptedStorageError) -> Statement {
    if let cached = statements[sql], !cached.isBusy {
      cached.reset()
      return cached
    }
    let (statement, rest) = try compile(sql[...])
    guard let statement else {
      throw EncryptedStorageError(.statement, operation: "prepare", file: path, detail: "no SQL statement in the text")
    }
    guard try compile(rest).statement == nil else {
      throw EncryptedStorageError(
        .statement, operation: "prepare", file: path, detail: "more than one SQL statement in the text",
        hint: "run them one by one")
    }
    remember(statement, as: sql)
    return statement
  }

  /// Runs one statement to its end.
  ///
  /// - Returns: rows inserted, updated or deleted by it and its triggers.
  @discardableResult
  public func execute(_ sql: String, _ values: [Value] = []) throws(EncryptedStorageError) -> Int {
    let statement = try prepare(sql)
    try statement.bind(values)
    let before = totalChanges
    try run(statement)
    return totalChanges - before
  }

  /// Runs every statement of a text in turn, without parameters.
  public func executeScript(_ script: String) throws(EncryptedStorageError) {
    var rest = script[...]
    while true {
      let (statement, tail) = try compile(rest)
      guard let statement else { return }
      defer { statement.finalize() }
      try run(statement)
      rest = tail
    }
  }

  /// Runs one query and collects what `body` makes of each row.
  ///
  /// - Throws: `.damaged` when any page that was read is not authentic, even if only the last one; what `body` saw until
  ///   then must be dropped.
  public func query<T>(_ sql: String, _ values: [Value] = [], _ body: (borrowing Row) throws -> T) throws -> [T] {
    var results: [T] = []
    try forEachRow(sql, values) { results.append(try body($0)) }
    return results
  }

  /// Runs one query and hands each row to `body`, in bounded memory.
  ///
  /// Query and `body` share one transaction: what `body` writes is committed after the last row, and rolled back when
  /// `body` or the query throws.
  /// - Throws: as ``query(_:_:_:)``.
  public func forEachRow(_ sql: String, _ values: [Value] = [], _ body: (borrowing Row) throws -> Void) throws {
    try forEachRow(of: prepare(sql), values, body)
  }

  /// The same for a statement made by ``prepare(_:)``.
  public func forEachRow(
    of statement: Statement, _ values: [Value] = [], _ body: (borrowing Row) throws -> Void
  ) throws {
    try statement.bind(values)
    try authenticating(statement) {
      try locking(statement) {
        while try statement.step() { try body(Row(statement)) }
      }
    }
  }

  /// The first column of the first row; `.null` when there is no row.
  public func value(_ sql: String, _ values: [Value] = []) throws(EncryptedStorageError) -> Value {
    let statement = try prepare(sql)
    try statement.bind(values)
    var result = Value.null
    do {
      try authenticating(statement) {
        try locking(statement) {
          if try statement.step() { result = Row(statement)[0] }
        }
      }
    } catch { throw EncryptedStorageError(error, file: path) }
    return result
  }

  // MARK: - Transactions

  /// How a transaction begins. Source: https://www.sqlite.org/lang_transaction.html
  public enum TransactionKind: String, Sendable {
    /// A snapshot for reading, from the first read on.
    case deferred = "DEFERRED"
    /// The write lock, at once.
    case immediate = "IMMEDIATE"
    /// The only connection, at once.
    case exclusive = "EXCLUSIVE"
  }

  /// Whether a transaction is open.
  public var isInTransaction: Bool {
    guard let database = unsafe handle.pointer else { return false }
    return unsafe sqlite3_get_autocommit(database) == 0
  }

  /// Rows changed since the connection was opened.
  public var totalChanges: Int {
    guard let database = unsafe handle.pointer else { return 0 }
    return Int(unsafe sqlite3_total_changes64(database))
  }

  /// The rowid of the last inserted row. Source: https://www.sqlite.org/c3ref/last_insert_rowid.html
  public var lastInsertedRowID: Int64 {
    guard let database = unsafe handle.pointer else { return 0 }
    return unsafe sqlite3_last_insert_rowid(database)
  }

  /// Runs `body` in a transaction: committed when it returns, rolled back when it throws. Cannot be nested, and cannot begin
  /// inside ``forEachRow(_:_:_:)``, which is one.
  ///
  /// - Parameter kind: nil for `.immediate` on a writer and `.deferred` on a reader.
  public func transaction<T>(_ kind: TransactionKind? = nil, _ body: (Session) throws -> T) throws -> T {
    let kind = kind ?? (writerLock == nil ? .deferred : .immediate)
    guard !isInTransaction else {
      throw EncryptedStorageError(
        .statement, operation: "begin", file: path, detail: "a transaction is already open on this connection")
    }
    try execute("BEGIN \(kind.rawValue)")
    do {
      let result = try body(self)
      try execute("COMMIT")
      return result
    } catch {
      rollBack()
      throw error
    }
  }

  /// Ends a transaction after a failure, also when the task is cancelled. One that SQLite has already rolled back needs
  /// nothing; one that cannot be rolled back makes the connection unusable.
  func rollBack() {
    guard isInTransaction else { return }
    handle.isIgnoringCancellation = true
    defer { handle.isIgnoringCancellation = false }
    do { try execute("ROLLBACK") } catch { handle.isPoisoned = true }
  }

  // MARK: - Checkpoints

  /// Moves the write-ahead log into the database as far as readers allow, and empties it if none is in the way. Waits for
  /// other writers, never for readers.
  ///
  /// - Returns: whether the log is empty now; readers of older snapshots keep part of it.
  /// - Throws: `.denied` on a session that does not write; `.busy` when another writer holds the lock; `.cancelled` when
  ///   the task is cancelled while it waits for that one.
  @discardableResult
  public func checkpoint() throws(EncryptedStorageError) -> Bool {
    try checkpoint(waiting: true)
  }

  private func checkpoint(waiting: Bool) throws(EncryptedStorageError) -> Bool {
    guard let writerLock, !isInTransaction else {
      throw EncryptedStorageError(
        .denied, operation: "checkpoint", file: path, detail: "only a writer outside a transaction can checkpoint")
    }
    let target = container ?? self
    let database = try unsafe target.handle.opened("checkpoint")
    try writerLock.acquire(waiting: waiting)
    defer { writerLock.release() }
    // Where TRUNCATE would wait for a reader and may not, it goes on as PASSIVE, moves what it can, and answers BUSY.
    // Unlike PASSIVE it takes SQLite's write lock, which keeps programs out that do not know ours.
    // Source: https://www.sqlite.org/c3ref/wal_checkpoint_v2.html
    let result = try target.withoutBusyTimeout {
      unsafe sqlite3_wal_checkpoint_v2(database, "main", SQLITE_CHECKPOINT_TRUNCATE, nil, nil)
    }
    guard result & 0xff != SQLITE_BUSY else { return false }
    guard result == SQLITE_OK else { throw handle.error(result, operation: "checkpoint") }
    return true
  }

  /// Runs `body` while SQLite waits for no lock, and gives the connection back the time limit that it had.
  private func withoutBusyTimeout(_ body: () -> Int32) throws(EncryptedStorageError) -> Int32 {
    let milliseconds = try handle.limitBusyTimeout(to: .zero)
    let result = body()
    handle.setBusyTimeout(milliseconds)
    guard try handle.busyTimeout() == milliseconds else { throw handle.busyTimeoutIsUnknown }
    return result
  }

  /// Empties a log that has grown large, at the end of a write transaction, which is durable whatever happens here: a log
  /// that cannot be emptied now is emptied after a later one.
  package func emptyLargeLog() {
    guard let status = FileSystem.status(path + "-wal"), status.byteCount > Self.logByteCount else { return }
    _ = try? checkpoint()
  }

  /// Size of the log after which it is emptied: 1000 frames of 4 KiB, SQLite's own default.
  private static let logByteCount: Int64 = 1000 * 4120

  // MARK: - Statements of clients

  /// Set on a connection that serves clients.
  package var clientGuard: ClientGuard? { handle.clientGuard }

  /// Takes the writer lock for a statement that writes, as ``locking(_:_:)`` does; but not on behalf of a task.
  func lockForClient(_ statement: Statement) throws(EncryptedStorageError) {
    if !statement.isReadOnly { try writerLock?.acquire() }
  }

  /// Gives the writer lock up when a statement has ended, unless its transaction goes on.
  func unlockAfterTransaction() {
    guard let writerLock, writerLock.isHeld, !isInTransaction else { return }
    if !leavesLargeLog { emptyLargeLog() }
    writerLock.release()
  }

  // MARK: - Running

  private func run(_ statement: Statement) throws(EncryptedStorageError) {
    do { try locking(statement) { while try statement.step() {} } } catch {
      throw EncryptedStorageError(error, file: path)
    }
  }

  /// Steps a statement, under the writer lock from the first one that writes until the transaction ends.
  ///
  /// `BEGIN IMMEDIATE` counts as writing, `BEGIN` and `COMMIT` do not. Source: c3ref/stmt_readonly.html
  private func locking(_ statement: Statement, _ steps: () throws -> Void) throws {
    try handle.checkUsable("step")
    // One time limit for both locks: programs that do not know ours may hold SQLite's.
    let rest = statement.isReadOnly ? nil : try writerLock?.acquire()
    var busyTimeout: Int32?
    defer {
      statement.reset()
      if let busyTimeout { handle.setBusyTimeout(busyTimeout) }
      unlockAfterTransaction()
    }
    if let rest { busyTimeout = try handle.limitBusyTimeout(to: rest) }
    try steps()
  }

  // MARK: - Compiling

  /// The first statement of `sql` and what follows it; no statement when only comments and white space are left.
  func compile(_ sql: Substring) throws(EncryptedStorageError) -> (statement: Statement?, rest: Substring) {
    let (result, statement, rest) = try compileFirst(sql)
    guard result == SQLITE_OK else { throw handle.error(result, operation: "prepare") }
    return (statement, rest)
  }

  /// The same with SQLite's result code, for callers that ask SQLite itself what was wrong.
  func compileFirst(
    _ sql: Substring
  ) throws(EncryptedStorageError) -> (result: Int32, statement: Statement?, rest: Substring) {
    let database = try unsafe handle.opened("prepare")
    var rest = sql
    while !rest.isEmpty {
      var text = String(rest)
      var compiled: OpaquePointer?
      var consumed = 0
      let result = text.withUTF8 { bytes -> Int32 in
        guard let base = bytes.baseAddress else { return SQLITE_OK }
        return unsafe base.withMemoryRebound(to: CChar.self, capacity: bytes.count) { start in
          var tail: UnsafePointer<CChar>?
          let result = unsafe sqlite3_prepare_v2(database, start, Int32(clamping: bytes.count), &compiled, &tail)
          consumed = unsafe tail.map { unsafe $0 - start } ?? bytes.count
          return result
        }
      }
      guard result == SQLITE_OK else { return (result, nil, rest) }
      let boundary = text.utf8.index(text.utf8.startIndex, offsetBy: min(consumed, text.utf8.count))
      let used = String(text[..<boundary])
      rest = text[boundary...]
      if let compiled = unsafe compiled {
        return (result, unsafe Statement(handle: handle, statement: compiled, sql: used), rest)
      }
      if consumed == 0 { break }
    }
    return (SQLITE_OK, nil, rest)
  }

  /// Keeps a statement; the oldest one goes when the cache is full.
  private func remember(_ statement: Statement, as sql: String) {
    guard statements.updateValue(statement, forKey: sql) == nil else { return }
    cachedTexts.append(sql)
    if cachedTexts.count > Self.cachedStatementCount {
      statements.removeValue(forKey: cachedTexts.removeFirst())
    }
  }
}
