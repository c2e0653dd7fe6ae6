internal import CSQLCipher
internal import EncryptedStorage

/// The few statements with which a mounted image reads and writes its container, below the level of `Session`: a read of
/// the image is two of these steps, so nothing is allocated and nothing is thrown here. Calls answer SQLite result codes.
///
/// Unsafe code: owns its statements until `close`, and the container's session with them, so that the handle outlives the
/// statements. What a column points to is copied before the next step. All calls come from the thread that runs the
/// connection of the image, one at a time. Not Sendable.
@safe final class ContainerStatements {
  private let container: Session
  private let database: OpaquePointer
  private let state, begin, commit, rollback: OpaquePointer
  private let readHead, readTail, writeHead, writeTail, removeHeads, removeTails: OpaquePointer

  init(_ container: Session) throws(EncryptedStorageError) {
    guard let database = unsafe container.databasePointer else {
      throw EncryptedStorageError(.closed, operation: "mount", file: container.path, detail: "the container is closed")
    }
    self.container = container
    unsafe self.database = database
    var prepared: [OpaquePointer] = unsafe []
    for sql in Self.texts {
      var statement: OpaquePointer?
      let result = unsafe sqlite3_prepare_v3(database, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil)
      guard result == SQLITE_OK, let statement = unsafe statement else {
        unsafe Self.finalize(prepared)
        throw EncryptedStorageError(
          .damaged, operation: "mount", file: container.path,
          detail: "the page store's tables are not as they should be",
          hint: "run albergue-crypt verify", resultCode: result)
      }
      unsafe prepared.append(statement)
    }
    unsafe state = prepared[0]
    unsafe begin = prepared[1]
    unsafe commit = prepared[2]
    unsafe rollback = prepared[3]
    unsafe readHead = prepared[4]
    unsafe readTail = prepared[5]
    unsafe writeHead = prepared[6]
    unsafe writeTail = prepared[7]
    unsafe removeHeads = prepared[8]
    unsafe removeTails = prepared[9]
  }

  private static let texts = [
    "SELECT position, epoch, page_count FROM change ORDER BY position DESC LIMIT 1",
    "BEGIN IMMEDIATE", "COMMIT", "ROLLBACK",
    "SELECT data FROM head WHERE page = ?", "SELECT data FROM tail WHERE page = ?",
    StoreFormat.writeHead, StoreFormat.writeTail,
    "DELETE FROM head WHERE page > ?", "DELETE FROM tail WHERE page > ?",
  ]

  /// Ends everything and closes the container.
  func close() {
    unsafe Self.finalize([
      state, begin, commit, rollback, readHead, readTail, writeHead, writeTail, removeHeads, removeTails,
    ])
    container.close()
  }

  private static func finalize(_ statements: [OpaquePointer]) {
    unsafe statements.forEach { unsafe sqlite3_finalize($0) }
  }

  // MARK: - Snapshots

  /// Begins to read: from here on the container's pages are those of one commit.
  ///
  /// The statement stays on its row. An unfinished statement is what keeps a read transaction open outside BEGIN, and it
  /// survives COMMIT and ROLLBACK: after a commit of its own, the connection goes on reading exactly what it wrote, and
  /// nothing of another writer can slip in between. Source: https://www.sqlite.org/lang_transaction.html
  func beginReading() -> (result: Int32, state: ImageState?) {
    let result = unsafe sqlite3_step(state)
    guard result == SQLITE_ROW else {
      unsafe sqlite3_reset(state)
      return (result == SQLITE_DONE ? SQLITE_CORRUPT : result, nil)
    }
    return unsafe (
      SQLITE_OK,
      ImageState(
        position: sqlite3_column_int64(state, 0), epoch: UInt32(truncatingIfNeeded: sqlite3_column_int64(state, 1)),
        pageCount: UInt32(truncatingIfNeeded: sqlite3_column_int64(state, 2)))
    )
  }

  func endReading() { unsafe sqlite3_reset(state) }

  /// Takes the container's write lock on the snapshot that is being read; busy when that is not the newest.
  func beginWriting() -> Int32 { unsafe run(begin) }

  func commitWriting() -> Int32 { unsafe run(commit) }

  /// Undoes what was written. SQLite may have done so already, after a failure.
  func rollBackWriting() {
    guard unsafe sqlite3_get_autocommit(database) == 0 else { return }
    _ = unsafe run(rollback)
  }

  // MARK: - Pages

  /// Fills `target`, 4096 bytes.
  ///
  /// - Returns: `SQLITE_NOTFOUND` when the store has no such page.
  func read(_ page: UInt32, into target: inout MutableRawSpan) -> Int32 {
    unsafe target.withUnsafeMutableBytes { bytes in
      guard let start = bytes.baseAddress, bytes.count == StoreFormat.pageByteCount else { return SQLITE_MISUSE }
      let result = unsafe read(readHead, page, to: start, StoreFormat.headByteCount)
      guard result == SQLITE_OK else { return result }
      return unsafe read(readTail, page, to: start + StoreFormat.headByteCount, StoreFormat.tailByteCount)
    }
  }

  private func read(
    _ statement: OpaquePointer, _ page: UInt32, to target: UnsafeMutableRawPointer, _ byteCount: Int
  ) -> Int32 {
    unsafe sqlite3_bind_int64(statement, 1, Int64(page))
    let result = unsafe sqlite3_step(statement)
    guard result == SQLITE_ROW else {
      unsafe sqlite3_reset(statement)
      return result == SQLITE_DONE ? SQLITE_NOTFOUND : result
    }
    guard let source = unsafe sqlite3_column_blob(statement, 0),
      unsafe Int(sqlite3_column_bytes(statement, 0)) == byteCount
    else {
      unsafe sqlite3_reset(statement)
      return SQLITE_CORRUPT
    }
    unsafe target.copyMemory(from: source, byteCount: byteCount)
    return unsafe sqlite3_reset(statement)
  }

  /// Stores a page of 4096 bytes.
  func write(_ page: UInt32, from source: RawSpan) -> Int32 {
    unsafe source.withUnsafeBytes { bytes in
      guard let start = bytes.baseAddress, bytes.count == StoreFormat.pageByteCount else { return SQLITE_MISUSE }
      let result = unsafe write(writeHead, page, from: start, StoreFormat.headByteCount)
      guard result == SQLITE_OK else { return result }
      return unsafe write(writeTail, page, from: start + StoreFormat.headByteCount, StoreFormat.tailByteCount)
    }
  }

  private func write(
    _ statement: OpaquePointer, _ page: UInt32, from source: UnsafeRawPointer, _ byteCount: Int
  ) -> Int32 {
    unsafe sqlite3_bind_int64(statement, 1, Int64(page))
    // Static: the bytes live as long as this call, and the statement is bound anew before it runs again.
    unsafe sqlite3_bind_blob(statement, 2, source, Int32(byteCount), nil)
    return unsafe run(statement)
  }

  /// Removes the pages beyond `pageCount`.
  func truncate(to pageCount: UInt32) -> Int32 {
    let result = unsafe truncate(removeHeads, to: pageCount)
    return unsafe result == SQLITE_OK ? truncate(removeTails, to: pageCount) : result
  }

  private func truncate(_ statement: OpaquePointer, to pageCount: UInt32) -> Int32 {
    unsafe sqlite3_bind_int64(statement, 1, Int64(pageCount))
    return unsafe run(statement)
  }

  // MARK: - Changes

  /// Notes a commit; the state is the one after it.
  func append(_ state: ImageState, pages: [UInt32], compacting: Bool) throws(EncryptedStorageError) {
    if compacting {
      do { try ChangeLog.compact(container, pageCount: state.pageCount) } catch {
        throw EncryptedStorageError(error, file: container.path)
      }
    }
    try ChangeLog.append(state, pages: pages, container)
  }

  private func run(_ statement: OpaquePointer) -> Int32 {
    let result = unsafe sqlite3_step(statement)
    let reset = unsafe sqlite3_reset(statement)
    return result == SQLITE_DONE || result == SQLITE_ROW ? reset : result
  }
}
