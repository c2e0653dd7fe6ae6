internal import CSQLCipher
internal import EncryptionKeys

/// The only connection to a file, held while the file is replaced. Everything committed is in the main file.
///
/// Whoever puts another file in the place of one holds one of these from before the rename until after it, on the file
/// that has the name. So two of them never overlap: who gets the lock after the other's rename finds that the file has
/// moved. The lock of the rotation's journal is not needed for that; it keeps out who merely opens the file.
package final class ExclusiveSession {
  package let session: Session
  package let match: KeyMatch
  package let path: String
  /// Pages of the database.
  package let pageCount: UInt32

  /// Opens `path`, takes SQLite's exclusive lock, and empties the write-ahead log into the main file.
  ///
  /// - Throws: `.busy` when any other connection, or any other process that can be seen, has the file open; what opening
  ///   throws otherwise.
  package convenience init(_ path: String, factory: ConnectionFactory) throws(EncryptedStorageError) {
    try self.init(try Opening.open(path, Opening.Mode()), factory: factory)
  }

  /// The same for a file that was opened before; the handle is closed when this fails.
  init(_ handle: DatabaseHandle, factory: ConnectionFactory) throws(EncryptedStorageError) {
    let path = handle.path
    do throws(EncryptedStorageError) {
      let file = try OpenedFile(handle)
      match = try factory.matchingKey(of: file, path: path)
      try Opening.applyKey(match.keys, to: handle)
      // Exclusive before the first read: in WAL mode the lock is then taken on the file itself.
      // Source: https://www.sqlite.org/pragma.html#pragma_locking_mode
      let session = Session(handle: handle)
      for sql in ["PRAGMA busy_timeout=0", "PRAGMA temp_store=MEMORY", "PRAGMA locking_mode=EXCLUSIVE"] {
        try session.executeScript(sql)
      }
      try Self.takeLock(session, match)
      // Between opening and locking, another file may have got the name: this one is nobody's then, and what takes its
      // place would undo what was done to the other.
      guard !file.hasMoved() else {
        throw EncryptedStorageError(
          .busy, operation: "lock", file: path, detail: "the file was replaced meanwhile", hint: "try again")
      }
      // SQLite drops committed rows behind an altered frame, and the log is what shows it: looked at while it is there.
      try WriteAheadLogScan(path: path + "-wal", keys: match.keys).requireIntact()
      try Self.emptyLog(session)
      try OpenFiles.refuseOthers(having: path, expectedHere: 1)
      let geometry = PageGeometry(pageSize: match.format.pageSize)
      let filePages = geometry.pageCount(ofBytes: try file.byteCount())
      guard case .integer(let headerPages) = try session.value("PRAGMA page_count"), headerPages <= Int64(filePages)
      else {
        throw EncryptedStorageError(
          .damaged, operation: "open", file: path, detail: "the file is shorter than its header says",
          hint: "run albergue-crypt verify, then albergue-crypt recover")
      }
      pageCount = UInt32(clamping: headerPages)
      self.session = session
      self.path = path
    } catch {
      handle.close()
      throw error
    }
  }

  /// Removes the empty log and shared memory, so that the new file does not inherit them. Only while the lock is held.
  package func removeLog() throws(EncryptedStorageError) {
    for extra in ["-wal", "-shm"] { try FileSystem.remove(path + extra) }
  }

  /// Closes without touching the log: after a rotation its name belongs to the new file, which others may have opened.
  package func close() { session.close(leavingLog: true) }

  private static func takeLock(_ session: Session, _ match: KeyMatch) throws(EncryptedStorageError) {
    do {
      try session.executeScript("BEGIN EXCLUSIVE; SELECT count(*) FROM sqlite_schema; COMMIT")
    } catch {
      guard let code = error.resultCode, [SQLITE_NOTADB, SQLITE_CORRUPT].contains(code & 0xff) else {
        throw error.code == .busy ? busy(session.path) : error
      }
      throw EncryptedStorageError(
        .damaged, operation: "open", file: session.path, keyID: match.material.id,
        detail: "the key fits, but the schema or the write-ahead log cannot be read",
        hint: "run albergue-crypt verify, then albergue-crypt recover", resultCode: code)
    }
  }

  private static func emptyLog(_ session: Session) throws(EncryptedStorageError) {
    guard try session.value("PRAGMA journal_mode") == .text("wal") else { return }
    guard try session.value("PRAGMA wal_checkpoint(TRUNCATE)") == .integer(0) else { throw busy(session.path) }
  }

  private static func busy(_ path: String) -> EncryptedStorageError {
    EncryptedStorageError(
      .busy, operation: "lock", file: path, detail: "another connection has the file open",
      hint: "stop the programs that use it, then try again")
  }
}
