internal import CSQLCipher

/// One open `sqlite3` handle, and what is needed to speak about its failures.
///
/// Statements and session share it; SQLite closes when the last of them is gone, or at `close`.
///
/// Unsafe code: owns the pointer. All calls come from one thread at a time, which `SQLITE_OPEN_NOMUTEX` asks for; the
/// exception is `sqlite3_interrupt`, see `Interrupter`. Not Sendable.
@safe final class DatabaseHandle {
  let path: String
  private(set) var pointer: OpaquePointer?
  private(set) var interrupter = Interrupter()
  /// What SQLite's callbacks point to, on a connection that serves clients.
  var clientGuard: ClientGuard?
  /// Set while a rollback must run although the task is cancelled.
  var isIgnoringCancellation = false
  /// Set when a rollback failed: the connection then refuses everything, rather than stay half-open.
  var isPoisoned = false

  init(path: String, pointer: OpaquePointer) {
    self.path = path
    unsafe self.pointer = pointer
  }

  deinit { close() }

  /// From now on `interrupter` stops this handle's statements.
  func attach(_ interrupter: Interrupter) {
    guard let open = unsafe pointer else { return }
    self.interrupter = interrupter
    unsafe interrupter.attach(open)
  }

  /// Closes; statements not yet finalised keep SQLite's handle as a zombie until they are.
  /// Source: https://www.sqlite.org/c3ref/close.html
  func close() {
    guard let open = unsafe pointer else { return }
    interrupter.detach()
    unsafe sqlite3_close_v2(open)
    unsafe pointer = nil
  }

  /// - Throws: `.closed` after `close`.
  func opened(_ operation: String) throws(EncryptedStorageError) -> OpaquePointer {
    guard let pointer = unsafe pointer else {
      throw EncryptedStorageError(.closed, operation: operation, file: path, detail: "the connection is closed")
    }
    return unsafe pointer
  }

  // MARK: - Waiting for SQLite's locks

  /// The time limit in milliseconds. Read each time it is needed, since SQL may change it; not through a statement of the
  /// session, which would release the writer lock.
  func busyTimeout() throws(EncryptedStorageError) -> Int32 {
    guard let milliseconds = Int32(try Opening.text("PRAGMA busy_timeout", on: self)) else {
      throw busyTimeoutIsUnknown
    }
    return milliseconds
  }

  func setBusyTimeout(_ milliseconds: Int32) {
    if let open = unsafe pointer { _ = unsafe sqlite3_busy_timeout(open, milliseconds) }
  }

  /// - Returns: the former time limit, for `setBusyTimeout`, in milliseconds.
  func limitBusyTimeout(to limit: Duration) throws(EncryptedStorageError) -> Int32 {
    let former = try busyTimeout()
    setBusyTimeout(min(former, Int32(clamping: limit.milliseconds)))
    return former
  }

  var busyTimeoutIsUnknown: EncryptedStorageError {
    EncryptedStorageError(
      .cipherUnavailable, operation: "wait", file: path, detail: "the busy timeout did not take effect")
  }

  /// - Throws: `.cancelled` when the current task is; `.closed` when the connection is unusable.
  func checkUsable(_ operation: String) throws(EncryptedStorageError) {
    guard !isPoisoned else {
      throw EncryptedStorageError(
        .closed, operation: operation, file: path, detail: "the connection is unusable after a failed rollback",
        hint: "open it again")
    }
    guard isIgnoringCancellation || !Task.isCancelled else {
      throw EncryptedStorageError(.cancelled, operation: operation, file: path, detail: "the task was cancelled")
    }
  }

  /// The error for a result code. SQLite's message is used only where it cannot quote a value: about the SQL text itself
  /// and about constraints, which it names by table and column.
  func error(_ resultCode: Int32, operation: String) -> EncryptedStorageError {
    let isAboutSchema = operation == "prepare" || resultCode & 0xff == SQLITE_CONSTRAINT
    var message: String?
    if isAboutSchema, let pointer = unsafe pointer, let text = unsafe sqlite3_errmsg(pointer) {
      message = unsafe String(cString: text)
    }
    // SQLCipher reports a page that failed its MAC at the next page fetch, as SQLITE_ERROR without a message of its own;
    // every error of the SQL itself sets one.
    if resultCode & 0xff == SQLITE_ERROR, operation == "step", let pointer = unsafe pointer,
      let text = unsafe sqlite3_errmsg(pointer), unsafe String(cString: text) == SQLiteResult.genericMessage
    {
      return SQLiteResult.error(SQLITE_NOTADB, operation: operation, file: path)
    }
    // A function that the authorizer refuses is answered with SQLITE_ERROR, unlike everything else it refuses.
    if resultCode & 0xff == SQLITE_ERROR, let message, message.hasPrefix("not authorized") {
      return SQLiteResult.error(SQLITE_AUTH, operation: operation, file: path, message: message)
    }
    return SQLiteResult.error(resultCode, operation: operation, file: path, message: message)
  }
}
