package import EncryptedStorage

/// Readers of one primary, for its replicas: its present state, on one connection that is always open, and snapshots, on
/// connections that are used again.
package actor SnapshotPool {
  /// The store, as given.
  package nonisolated let path: String
  private let factory: ConnectionFactory
  private let countLimit: Int
  /// For ``state()``.
  private let watcher: Connection
  private var idle: [Connection] = []
  /// Snapshots that are open.
  package private(set) var openCount = 0
  private var waiting: [(id: UInt64, continuation: CheckedContinuation<Void, any Error>)] = []
  private var nextID: UInt64 = 0
  private var isClosed = false

  /// Connections that are kept for the next snapshot.
  private static let idleCountMax = 4

  private init(_ path: String, _ factory: ConnectionFactory, _ watcher: Connection, countLimit: Int) {
    self.path = path
    self.factory = factory
    self.watcher = watcher
    self.countLimit = countLimit
  }

  /// Opens a primary for reading.
  ///
  /// - Parameter countLimit: snapshots at a time; who wants one more waits.
  /// - Throws: as `ConnectionFactory.open`; `.denied` for a replica; `.notADatabase` for a file that is no page store.
  package static func open(
    _ path: String, factory: ConnectionFactory, countLimit: Int = 32
  ) async throws -> SnapshotPool {
    let watcher = try await factory.openContainer(path, .reader)
    do {
      try await watcher.run { container in
        try StoreFormat.check(container)
        guard try StoreState.read(container).role == .primary else {
          throw EncryptedStorageError(
            .denied, operation: "open", file: container.path, detail: "a replica is no primary for other replicas",
            hint: "make a primary with albergue-primary")
        }
        _ = try PrimaryState.read(container)
      }
      return SnapshotPool(path, factory, watcher, countLimit: max(1, countLimit))
    } catch {
      await watcher.close()
      throw error
    }
  }

  /// Where the primary is now. Cheap: what a replica that has everything asks for.
  package nonisolated func state() async throws -> PrimaryState {
    try await watcher.run { try PrimaryState.read($0) }
  }

  /// Opens a snapshot of the newest commit. Waits while too many are open.
  ///
  /// - Throws: `.cancelled`, `.closed`, and what opening and reading throw.
  package nonisolated func snapshot() async throws -> StoreSnapshot {
    try await takePlace()
    var connection: Connection?
    do {
      let opened: Connection
      if let kept = await popIdle() { opened = kept } else { opened = try await factory.openContainer(path, .reader) }
      connection = opened
      let state = try await opened.run { container in
        try container.execute("BEGIN")
        return try PrimaryState.read(container)
      }
      return StoreSnapshot(state, opened, self)
    } catch {
      if let connection { await connection.close() }
      await givePlaceBack()
      throw error
    }
  }

  /// Closes all connections but those of open snapshots, which are closed when these are.
  package func close() async {
    isClosed = true
    for waiter in waiting { waiter.continuation.resume(throwing: Self.error(.closed, "the primary is closed")) }
    waiting.removeAll()
    for connection in idle { await connection.close() }
    idle.removeAll()
    await watcher.close()
  }

  // MARK: - Connections

  private func popIdle() -> Connection? { idle.popLast() }

  /// Ends the transaction of a snapshot. Called by a task that is not cancelled.
  func takeBack(_ connection: Connection) async {
    var isUsable = false
    do {
      try await connection.run { container in
        if container.isInTransaction { try container.execute("ROLLBACK") }
      }
      isUsable = true
    } catch {
      // It is closed below.
    }
    if isUsable, !isClosed, idle.count < Self.idleCountMax {
      idle.append(connection)
    } else {
      await connection.close()
    }
    givePlaceBack()
  }

  // MARK: - Places

  private nonisolated func takePlace() async throws {
    let id = await makeID()
    try await withTaskCancellationHandler {
      try await takePlace(id)
    } onCancel: {
      Task { await self.giveUp(id) }
    }
  }

  private func makeID() -> UInt64 {
    nextID += 1
    return nextID
  }

  private func takePlace(_ id: UInt64) async throws {
    guard !isClosed else { throw Self.error(.closed, "the primary is closed") }
    guard !Task.isCancelled else { throw Self.error(.cancelled, "the task was cancelled") }
    if openCount < countLimit {
      openCount += 1
    } else {
      // The place of the snapshot that ends is this one's.
      try await withCheckedThrowingContinuation { waiting.append((id, $0)) }
    }
  }

  private func giveUp(_ id: UInt64) {
    guard let index = waiting.firstIndex(where: { $0.id == id }) else { return }
    waiting.remove(at: index).continuation.resume(throwing: Self.error(.cancelled, "the task was cancelled"))
  }

  private func givePlaceBack() {
    if waiting.isEmpty {
      openCount -= 1
    } else {
      waiting.removeFirst().continuation.resume()
    }
  }

  private static func error(_ code: EncryptedStorageError.Code, _ detail: String) -> EncryptedStorageError {
    EncryptedStorageError(code, operation: "read", detail: detail)
  }
}
