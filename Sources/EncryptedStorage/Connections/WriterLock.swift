internal import Glibc

/// The lock under which every write transaction and every checkpoint of a database happens, between threads and between
/// processes.
///
/// SQLite 3.46, inside SQLCipher 4.6, has a race between a checkpoint and a commit on another connection that can damage
/// the file (fixed in 3.51.3). SQLite's own write lock does not exclude it; this file lock, `FILE-writer.lock`, does.
///
/// Not Sendable: belongs to one session.
final class WriterLock {
  private let database: String
  private let path: String
  private let timeout: Duration
  private var lock: FileLock?

  init(database: String, timeout: Duration) {
    self.database = database
    path = database + "-writer.lock"
    self.timeout = timeout
  }

  /// Waits for the lock; holding it already is enough.
  ///
  /// - Throws: `.busy` after the time limit.
  func acquire() throws(EncryptedStorageError) {
    guard lock == nil else { return }
    let deadline = ContinuousClock.now + timeout
    var pauseMicroseconds: UInt32 = 100
    while true {
      do throws(EncryptedStorageError) {
        lock = try FileLock(path, database: database, operation: "write")
        return
      } catch {
        guard error.code == .busy else { throw error }
        guard ContinuousClock.now < deadline else {
          throw EncryptedStorageError(
            .busy, operation: "write", file: path, detail: "another writer holds the lock", hint: "try again later")
        }
      }
      // This thread belongs to the connection and may block. flock(2) has no time limit, hence the polling.
      usleep(pauseMicroseconds)
      pauseMicroseconds = min(pauseMicroseconds * 2, 10_000)
    }
  }

  func release() { lock = nil }

  /// Removes the lock file, unless another writer holds it. Whoever has it open already notices (`FileLock`).
  func removeFile() {
    guard let last = try? FileLock(path, creating: false, operation: "close") else { return }
    try? FileSystem.remove(last.path)
  }
}
