package import Logging

/// Finishes or undoes what a killed rotation left beside a file.
package enum RotationRecovery {
  /// Settles the rotation of `path`, an absolute path.
  ///
  /// Costs one look at a name when there is nothing to do.
  /// - Returns: whether there was something to settle.
  /// - Throws: `.busy` while the rotation is still running.
  @discardableResult
  package static func settle(_ path: String, logger: Logger? = nil) throws(EncryptedStorageError) -> Bool {
    let journalPath = RotationJournal.path(for: path)
    guard FileSystem.exists(journalPath) else { return false }
    // In a folder nobody can write, the left-overs stay; FILE is complete either way.
    guard FileSystem.isWritable(FileSystem.folder(of: path)) else { return false }
    let lock: FileLock
    do throws(EncryptedStorageError) {
      lock = try FileLock(journalPath, creating: false, operation: "open")
    } catch {
      switch error.code {
      // Somebody else's journal stays; FILE is complete either way.
      case .missing, .readOnly: return false
      case .busy:
        throw EncryptedStorageError(
          .busy, operation: "open", file: path, detail: "its key is being rotated", hint: "try again when that is done")
      default: throw error
      }
    }
    try settle(path, lock)
    logger?.notice("cleaned up after an interrupted key rotation of \(path); the file is whole, under one key")
    return true
  }

  /// The same under a lock that the caller holds; the journal is gone afterwards.
  static func settle(_ path: String, _ lock: FileLock) throws(EncryptedStorageError) {
    if let journal = RotationJournal(try lock.read(), of: path) {
      let temporary = FileSystem.folder(of: path) + "/" + journal.temporaryName
      for extra in ["", "-journal", "-wal", "-shm"] { try FileSystem.remove(temporary + extra) }
    }
    // The rename, too, is made durable before the journal goes.
    try FileSystem.synchronizeFolder(of: path)
    try FileSystem.remove(lock.path)
    try FileSystem.synchronizeFolder(of: path)
  }
}
