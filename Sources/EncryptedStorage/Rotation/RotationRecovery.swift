package import Logging

/// Finishes or undoes what a killed rotation left beside a file.
package enum RotationRecovery {
  /// What was found and done.
  package enum Outcome: Sendable, Equatable {
    case nothingToDo
    /// The new file had not been put in place: the unfinished copy was removed.
    case undone
    /// The new file was in place: only the journal was left.
    case finished
  }

  /// Settles the rotation of `path`, an absolute path.
  ///
  /// Costs one look at a name when there is nothing to do.
  /// - Throws: `.busy` while the rotation is still running.
  @discardableResult
  package static func settle(_ path: String, logger: Logger? = nil) throws(EncryptedStorageError) -> Outcome {
    let journalPath = RotationJournal.path(for: path)
    guard FileSystem.exists(journalPath) else { return .nothingToDo }
    // In a folder nobody can write, the left-overs stay; FILE is complete either way.
    guard FileSystem.isWritable(FileSystem.folder(of: path)) else { return .nothingToDo }
    let lock: FileLock
    do throws(EncryptedStorageError) {
      lock = try FileLock(journalPath, creating: false, operation: "open")
    } catch {
      switch error.code {
      case .missing: return .nothingToDo
      case .busy:
        throw EncryptedStorageError(
          .busy, operation: "open", file: path, detail: "its key is being rotated", hint: "try again when that is done")
      default: throw error
      }
    }
    let outcome = try settle(path, lock)
    logger?.notice("\(outcome == .undone ? "undid" : "finished") an interrupted key rotation of \(path)")
    return outcome
  }

  /// The same under a lock that the caller holds; the journal is gone afterwards.
  static func settle(_ path: String, _ lock: FileLock) throws(EncryptedStorageError) -> Outcome {
    var outcome = Outcome.finished
    let journal = RotationJournal(try lock.read(), of: path)
    if let journal {
      let temporary = FileSystem.folder(of: path) + "/" + journal.temporaryName
      if FileSystem.exists(temporary) {
        outcome = .undone
        for extra in ["", "-journal", "-wal", "-shm"] { try FileSystem.remove(temporary + extra) }
      }
    } else {
      outcome = .undone
    }
    // The rename, too, is made durable before the journal goes.
    try FileSystem.synchronizeFolder(of: path)
    try FileSystem.remove(lock.path)
    try FileSystem.synchronizeFolder(of: path)
    return outcome
  }
}
