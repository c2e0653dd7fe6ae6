package import EncryptedStorage

/// Reads what a store says about itself again and again, through one connection that stays open.
///
/// Opening one looks through the whole write-ahead log. While many pages are being applied that is tens of megabytes, which is
/// nothing for one who asks once, and too much for a service that asks every second.
package actor StateReader {
  private let path: String
  private let factory: ConnectionFactory
  private var opening: Task<Connection, any Error>?
  /// Which file was opened.
  private var identity: FileSystem.Status?
  private var isClosed = false

  package init(_ path: String, _ factory: ConnectionFactory) {
    self.path = path
    self.factory = factory
  }

  /// The state of the file that has the name now.
  ///
  /// - Throws: as `ConnectionFactory.open`; `.notADatabase` for a file that is no page store; `.closed`.
  package func read() async throws -> StoreState {
    try await container().run { try StoreState.read($0) }
  }

  private func container() async throws -> Connection {
    guard !isClosed else {
      throw EncryptedStorageError(
        .closed, operation: "read", file: path, detail: "the replica is closed", hint: "open it again")
    }
    let now = FileSystem.status(path)
    if let opening, let identity, let now, now.isSameFile(as: identity) {
      do { return try await opening.value } catch {
        // The next call tries again.
        if self.opening == opening { self.opening = nil }
        throw error
      }
    }
    let former = opening
    let (path, factory) = (path, factory)
    let task = Task {
      try? await former?.value.close()
      let container = try await factory.openContainer(path, .reader)
      do { try await container.run { try StoreFormat.check($0) } } catch {
        await container.close()
        throw error
      }
      return container
    }
    (opening, identity) = (task, now)
    do { return try await task.value } catch {
      if opening == task { opening = nil }
      throw error
    }
  }

  /// Closes the connection. Later calls throw `.closed`.
  package func close() async {
    isClosed = true
    let last = opening
    opening = nil
    try? await last?.value.close()
  }
}
