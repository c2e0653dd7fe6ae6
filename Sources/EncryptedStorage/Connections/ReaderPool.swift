/// Several readers of one encrypted database: each call gets one of them, and one snapshot.
public actor ReaderPool {
  private let readers: [Connection]
  private var idle: [Connection]
  private var waiting: [(id: UInt64, continuation: CheckedContinuation<Connection, any Error>)] = []
  private var nextID: UInt64 = 0
  private var isClosed = false

  init(_ readers: [Connection]) {
    self.readers = readers
    idle = readers
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

  /// Closes all connections. Calls that wait for a reader throw `.closed`.
  public func close() async {
    isClosed = true
    for waiter in waiting { waiter.continuation.resume(throwing: Self.closed) }
    waiting.removeAll()
    for reader in readers { await reader.close() }
  }

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
    if let reader = idle.popLast() { return reader }
    return try await withCheckedThrowingContinuation { waiting.append((id, $0)) }
  }

  private func giveUp(_ id: UInt64) {
    guard let index = waiting.firstIndex(where: { $0.id == id }) else { return }
    waiting.remove(at: index).continuation.resume(throwing: Self.cancelled)
  }

  private func release(_ reader: Connection) {
    if waiting.isEmpty {
      idle.append(reader)
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

extension ConnectionFactory {
  /// Opens an existing encrypted database, or the image of a page store, for `count` readers at a time.
  ///
  /// - Throws: as ``open(_:_:)``.
  public func openReaders(_ path: String, count: Int = 2) async throws -> ReaderPool {
    var readers: [Connection] = []
    do {
      for _ in 0..<max(1, count) { readers.append(try await open(path, .reader)) }
    } catch {
      for connection in readers { await connection.close() }
      throw error
    }
    return ReaderPool(readers)
  }
}
