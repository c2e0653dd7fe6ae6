internal import EncryptedStorage
internal import PageStore

/// The file of a replica while this process synchronises it: the lock that keeps other processes from doing the same, and
/// the store, open for changing its pages.
///
/// Readers need neither, in whatever process.
struct ReplicaFile {
  let path: String
  let store: PageStore
  private let lock: FileLock
  /// Which file was opened.
  private var identity: FileSystem.Status?

  /// Beside the replica.
  static let lockSuffix = "-sync.lock"

  /// Opens the replica, or makes an empty one. A wrong key, a missing one and another profile are found here, before anything
  /// is asked of the remote.
  ///
  /// - Throws: ``SyncError`` `.busy` when another process synchronises the replica; `EncryptedStorageError`.
  static func open(_ path: String, _ factory: ConnectionFactory) async throws -> ReplicaFile {
    let lock = try await BlockingWork.run { _ in try takeLock(path) }
    let exists = try await BlockingWork.run { _ in
      let exists = FileSystem.exists(path)
      // What a killed replacement has left.
      if exists { try PageStore.removeReplica(path + Pull.replacementSuffix) }
      return exists
    }
    // What a power cut takes from a replica is on the remote, and the position goes with it: the next sync brings both back.
    // A first pull waits for the disk by itself.
    let factory = factory.configured { $0.waitsForDisk = false }
    let store =
      exists
      ? try await PageStore.open(path, factory: factory)
      : try await PageStore.create(path, role: .replica, factory: factory)
    var file = ReplicaFile(path: path, store: store, lock: lock)
    file.remember()
    return file
  }

  private init(path: String, store: PageStore, lock: FileLock) {
    self.path = path
    self.store = store
    self.lock = lock
  }

  private static func takeLock(_ path: String) throws -> FileLock {
    do throws(EncryptedStorageError) {
      return try FileLock(path + lockSuffix, database: path, operation: "sync")
    } catch {
      guard error.code == .busy else { throw error }
      throw SyncError(
        .busy, "another process synchronises \(path)",
        hint: "one is enough: any number of others can read the replica meanwhile")
    }
  }

  /// Notes which file has the name; a first pull changes that.
  mutating func remember() { identity = FileSystem.status(path) }

  /// Whether the name leads to another file now: somebody has removed or replaced it.
  var isGone: Bool {
    guard let identity, let now = FileSystem.status(path) else { return true }
    return !now.isSameFile(as: identity)
  }

  /// Closes the store. The lock ends with the last copy of this value.
  func close() async { await store.close() }
}
