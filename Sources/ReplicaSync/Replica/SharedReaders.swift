internal import EncryptedStorage

/// The readers of a replica, opened by the first read: before the first pull there is nothing to open.
actor SharedReaders {
  private let path: String
  private let count: Int
  private let factory: ConnectionFactory
  private var pool: ReaderPool?
  private var opening: Task<ReaderPool, any Error>?
  /// Which file was opened.
  private var identity: FileSystem.Status?
  private var isClosed = false

  init(path: String, count: Int, factory: ConnectionFactory) {
    self.path = path
    self.count = count
    self.factory = factory
  }

  /// The readers; new ones when the file under the name is another one than before.
  ///
  /// - Throws: as `ConnectionFactory.open`.
  func get() async throws -> ReaderPool {
    guard !isClosed else { throw SyncError(.closed, "the replica is closed", hint: "open it again") }
    if let pool {
      let now = FileSystem.status(path)
      if let identity, let now, now.isSameFile(as: identity) { return pool }
      self.pool = nil
      // Reads that are under way end before their connection closes.
      Task { await pool.close() }
    }
    if let opening { return try await opening.value }
    let (path, count, factory) = (path, count, factory)
    let task = Task { try await factory.openReaders(path, count: count) }
    opening = task
    defer { opening = nil }
    let identity = FileSystem.status(path)
    let opened = try await task.value
    guard !isClosed else {
      await opened.close()
      throw SyncError(.closed, "the replica is closed", hint: "open it again")
    }
    (pool, self.identity) = (opened, identity)
    return opened
  }

  func close() async {
    isClosed = true
    await pool?.close()
    pool = nil
  }
}
