/// A connection to an encrypted database, for use from any task.
///
/// An actor on an executor of its own: every call runs on the connection's queue, in order, and blocks no thread of the
/// cooperative pool. Cancelling the calling task interrupts the statement that it is running; an open transaction is
/// rolled back.
public actor Connection {
  private let executor: ConnectionExecutor
  private nonisolated let interrupter: Interrupter
  private var session: Session?

  /// The connection's own queue.
  public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }

  private init(isBackground: Bool) {
    executor = ConnectionExecutor(isBackground: isBackground)
    interrupter = Interrupter()
  }

  /// Opening blocks (key derivation, first page), so it happens on the new connection's queue.
  static func make(
    isBackground: Bool = false, _ open: @escaping @Sendable (Interrupter) throws(EncryptedStorageError) -> Session
  ) async throws -> Connection {
    let connection = Connection(isBackground: isBackground)
    try await connection.begin(open)
    return connection
  }

  private func begin(_ open: @Sendable (Interrupter) throws(EncryptedStorageError) -> Session) throws {
    session = try open(interrupter)
  }

  /// Runs `body` on the connection's queue, with nothing else in between.
  ///
  /// - Throws: what `body` throws; `.cancelled`; `.closed`.
  public nonisolated func run<T: Sendable>(_ body: @escaping @Sendable (Session) throws -> T) async throws -> T {
    let token = interrupter.makeToken()
    return try await withTaskCancellationHandler {
      try await perform(token, body)
    } onCancel: {
      interrupter.interrupt(token)
    }
  }

  /// Runs `body` in a transaction: committed when it returns, rolled back when it throws or is cancelled.
  public nonisolated func transaction<T: Sendable>(
    _ kind: Session.TransactionKind? = nil, _ body: @escaping @Sendable (Session) throws -> T
  ) async throws -> T {
    try await run { session in try session.transaction(kind, body) }
  }

  /// Closes the file. Later calls throw `.closed`; a second close does nothing.
  ///
  /// A writer empties the log into the database first, if nobody else is using it, so that one file holds everything.
  public func close() {
    session?.close()
    session = nil
  }

  private func perform<T: Sendable>(_ token: Interrupter.Token, _ body: @Sendable (Session) throws -> T) throws -> T {
    guard let session else {
      throw EncryptedStorageError(.closed, operation: "use", detail: "the connection is closed", hint: "open it again")
    }
    interrupter.begin(token)
    defer { interrupter.end() }
    try session.handle.checkUsable("use")
    return try body(session)
  }
}
