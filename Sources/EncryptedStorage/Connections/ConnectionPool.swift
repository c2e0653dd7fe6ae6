/// One writer and several readers of one encrypted database in WAL mode: readers keep their snapshot while the writer
/// commits.
public actor ConnectionPool {
  private let writer: Connection
  private let readers: [Connection]
  private var idleReaders: [Connection]
  private var waiting: [(id: UInt64, continuation: CheckedContinuation<Connection, any Error>)] = []
  private var nextID: UInt64 = 0
  private var isClosed = false

  init(writer: Connection, readers: [Connection]) {
    self.writer = writer
    self.readers = readers
    idleReaders = readers
  }

  /// Runs `body` on a reader, in one snapshot. Waits for a reader to be free.
  ///
  /// - Throws: what `body` throws; `.cancelled`; `.closed`.
  public nonisolated func read<T: Sendable>(_ body: @escaping @Sendable (Session) throws -> T) async throws -> T {
    let reader = try await acquire()
    do {
      let result = try await reader.transaction(.deferred, body)
      await release(reader)
      return result
    } catch {
      await release(reader)
      throw error
    }
  }

  /// Runs `body` in a write transaction: committed when it returns, rolled back when it throws.
  ///
  /// - Throws: what `body` throws; `.busy`, `.diskFull`, `.cancelled`, `.closed`.
  public nonisolated func write<T: Sendable>(_ body: @escaping @Sendable (Session) throws -> T) async throws -> T {
    try await writer.transaction(.immediate, body)
  }

  /// Closes all connections. Calls that wait for a reader throw `.closed`.
  public func close() async {
    isClosed = true
    for waiter in waiting { waiter.continuation.resume(throwing: Self.closed) }
    waiting.removeAll()
    for reader in readers { await reader.close() }
    await writer.close()
  }

  // MARK: - Readers

  private nonisolated func acquire() async throws -> Connection {
    let id = await makeID()
    return try await withTaskCancellationHandler {
      try await acquire(id)
    } onCancel: {
      Task { await self.giveUp(id) }
    }
  }

  private func makeID() -> UInt64 {
    nextID += 1
    return nextID
  }

  private func acquire(_ id: UInt64) async throws -> Connection {
    guard !isClosed else { throw Self.closed }
    guard !Task.isCancelled else { throw Self.cancelled }
    if let reader = idleReaders.popLast() { return reader }
    return try await withCheckedThrowingContinuation { waiting.append((id, $0)) }
  }

  private func giveUp(_ id: UInt64) {
    guard let index = waiting.firstIndex(where: { $0.id == id }) else { return }
    waiting.remove(at: index).continuation.resume(throwing: Self.cancelled)
  }

  private func release(_ reader: Connection) {
    if waiting.isEmpty {
      idleReaders.append(reader)
    } else {
      waiting.removeFirst().continuation.resume(returning: reader)
    }
  }

  private static var closed: EncryptedStorageError {
    EncryptedStorageError(.closed, operation: "use", detail: "the pool is closed", hint: "open it again")
  }

  private static var cancelled: EncryptedStorageError {
    EncryptedStorageError(.cancelled, operation: "use", detail: "the task was cancelled")
  }
}
