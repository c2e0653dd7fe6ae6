internal import Glibc

/// The lock under which every write transaction and every checkpoint of a database happens, between threads and between
/// processes.
///
/// SQLite 3.46, inside SQLCipher 4.6, has a race between a checkpoint and a commit on another connection that can damage
/// the file (fixed in 3.51.3). SQLite's own write lock does not exclude it; this lock does: first the turn among the
/// writers of this process (`WriterQueue`), then the file lock `FILE-writer.lock` against other processes.
///
/// Not Sendable: belongs to one session.
final class WriterLock {
  private let database: String
  private let path: String
  private let timeout: Duration
  private let interrupter: Interrupter
  /// Stays open between two acquisitions, because opening is most of the work; locked only while `isHeld`.
  private var file: FileLock?
  private(set) var isHeld = false

  /// - Parameter database: the absolute path.
  init(database: String, timeout: Duration, interrupter: Interrupter) {
    self.database = database
    path = database + "-writer.lock"
    self.timeout = timeout
    self.interrupter = interrupter
  }

  deinit { release() }

  /// Waits for the lock; holding it already is enough.
  ///
  /// - Parameter waiting: false only looks whether the lock is free.
  /// - Returns: what is left of the time limit for SQLite's own locks; nil if all of it, because nobody was in the way.
  /// - Throws: `.busy` after the time limit; `.cancelled` when the task is cancelled while it waits.
  @discardableResult
  func acquire(waiting: Bool = true) throws(EncryptedStorageError) -> Duration? {
    guard !isHeld else { return nil }
    let deadline = ContinuousClock.now + (waiting ? timeout : .zero)
    var hasWaited = false
    switch WriterQueue.enter(database, until: deadline, interrupter) {
    case .turn(let hasQueued): hasWaited = hasQueued
    case .timedOut: throw busy
    case .cancelled: throw cancelled
    }
    do throws(EncryptedStorageError) { if try lockFile(until: deadline) { hasWaited = true } } catch {
      WriterQueue.leave(database)
      throw error
    }
    isHeld = true
    return hasWaited ? max(.zero, deadline - ContinuousClock.now) : nil
  }

  func release() {
    guard isHeld else { return }
    isHeld = false
    file?.unlock()
    WriterQueue.leave(database)
  }

  /// Removes the lock file, unless another writer holds it. Whoever has it open already notices (`FileLock`).
  func removeFile() {
    release()
    file = nil
    guard case .turn = WriterQueue.enter(database, until: ContinuousClock.now, interrupter) else { return }
    defer { WriterQueue.leave(database) }
    guard let last = try? FileLock(path, creating: false, operation: "close") else { return }
    try? FileSystem.remove(last.path)
  }

  /// Waits until no other process has the file lock.
  ///
  /// - Returns: whether one had it.
  private func lockFile(until deadline: ContinuousClock.Instant) throws(EncryptedStorageError) -> Bool {
    var pauseMicroseconds: UInt32 = 100
    var hasWaited = false
    while true {
      do throws(EncryptedStorageError) {
        try lockFile()
        return hasWaited
      } catch {
        guard error.code == .busy else { throw error }
      }
      hasWaited = true
      guard ContinuousClock.now < deadline else { throw busy }
      guard !Task.isCancelled else { throw cancelled }
      // This thread belongs to the connection and may block. flock(2) has no time limit, hence the polling.
      usleep(pauseMicroseconds)
      pauseMicroseconds = min(pauseMicroseconds * 2, 10_000)
    }
  }

  private func lockFile() throws(EncryptedStorageError) {
    if let file, try file.lockAgain(database: database, operation: "write") { return }
    file = try FileLock(path, database: database, operation: "write")
  }

  private var busy: EncryptedStorageError {
    EncryptedStorageError(
      .busy, operation: "write", file: path, detail: "another writer holds the lock", hint: "try again later")
  }

  private var cancelled: EncryptedStorageError {
    EncryptedStorageError(.cancelled, operation: "write", file: database, detail: "the task was cancelled")
  }
}
