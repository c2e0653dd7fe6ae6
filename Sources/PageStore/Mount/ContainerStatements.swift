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
  private let updateHead, updateTail, insertHead, insertTail, removeHeads, removeTails: OpaquePointer
  private var heads, tails: Cursor
  /// Reads the pages of an image that is not published yet.
  private let staged: StagedPages?

  init(_ container: Session, staged: StagedPages? = nil) throws(EncryptedStorageError) {
    guard let database = unsafe container.databasePointer else {
      throw EncryptedStorageError(.closed, operation: "mount", file: container.path, detail: "the container is closed")
    }
    self.container = container
    self.staged = staged
    unsafe self.database = database
    // The connection of the image waits, and asks again and again; each of these would wait as long.
    _ = unsafe sqlite3_busy_timeout(database, 0)
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
    heads = unsafe Cursor(statement: prepared[4])
    tails = unsafe Cursor(statement: prepared[5])
    unsafe updateHead = prepared[6]
    unsafe updateTail = prepared[7]
    unsafe insertHead = prepared[8]
    unsafe insertTail = prepared[9]
    unsafe removeHeads = prepared[10]
    unsafe removeTails = prepared[11]
  }

  private static let texts = [
    "SELECT position, epoch, page_count FROM change ORDER BY position DESC LIMIT 1",
    "BEGIN IMMEDIATE", "COMMIT", "ROLLBACK",
    "SELECT page, data FROM head WHERE page >= ?", "SELECT page, data FROM tail WHERE page >= ?",
    StoreFormat.Write.updateHead, StoreFormat.Write.updateTail, StoreFormat.Write.insertHead,
    StoreFormat.Write.insertTail,
    "DELETE FROM head WHERE page > ?", "DELETE FROM tail WHERE page > ?",
  ]

  /// Ends everything and closes the container.
  func close() {
    unsafe Self.finalize([
      state, begin, commit, rollback, heads.statement, tails.statement, updateHead, updateTail, insertHead, insertTail,
      removeHeads, removeTails,
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
    guard let epoch = unsafe UInt32(exactly: sqlite3_column_int64(state, 1)),
      let pageCount = unsafe UInt32(exactly: sqlite3_column_int64(state, 2))
    else {
      unsafe sqlite3_reset(state)
      return (SQLITE_CORRUPT, nil)
    }
    let position = unsafe sqlite3_column_int64(state, 0)
    return (SQLITE_OK, ImageState(position: position, epoch: epoch, pageCount: pageCount))
  }

  func endReading() {
    resetCursors()
    unsafe sqlite3_reset(state)
  }

  /// Takes the container's write lock on the snapshot that is being read; busy when that is not the newest.
  func beginWriting() -> Int32 {
    resetCursors()
    return unsafe run(begin)
  }

  func commitWriting() -> Int32 {
    resetCursors()
    return unsafe run(commit)
  }

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
    if let staged { return staged.read(page, into: &target) }
    return unsafe target.withUnsafeMutableBytes { bytes in
      guard let start = bytes.baseAddress, bytes.count == StoreFormat.pageByteCount else { return SQLITE_MISUSE }
      let result = unsafe read(&heads, page, to: start, StoreFormat.headByteCount)
      guard result == SQLITE_OK else { return result }
      return unsafe read(&tails, page, to: start + StoreFormat.headByteCount, StoreFormat.tailByteCount)
    }
  }

  /// Reads through a cursor that stays where it is: the next page of a scan is then one step instead of a search.
  private func read(
    _ cursor: inout Cursor, _ page: UInt32, to target: UnsafeMutableRawPointer, _ byteCount: Int
  ) -> Int32 {
    let statement = unsafe cursor.statement
    if cursor.next != page {
      unsafe sqlite3_reset(statement)
      unsafe sqlite3_bind_int64(statement, 1, Int64(page))
    }
    cursor.next = 0
    let result = unsafe sqlite3_step(statement)
    guard result == SQLITE_ROW, unsafe sqlite3_column_int64(statement, 0) == Int64(page) else {
      unsafe sqlite3_reset(statement)
      return result == SQLITE_ROW || result == SQLITE_DONE ? SQLITE_NOTFOUND : result
    }
    guard let source = unsafe sqlite3_column_blob(statement, 1),
      unsafe Int(sqlite3_column_bytes(statement, 1)) == byteCount
    else {
      unsafe sqlite3_reset(statement)
      return SQLITE_CORRUPT
    }
    unsafe target.copyMemory(from: source, byteCount: byteCount)
    cursor.next = page &+ 1
    return SQLITE_OK
  }

  /// Lets go of the pages that the cursors are on.
  private func resetCursors() {
    guard heads.next != 0 || tails.next != 0 else { return }
    unsafe sqlite3_reset(heads.statement)
    unsafe sqlite3_reset(tails.statement)
    heads.next = 0
    tails.next = 0
  }

  /// A statement over the pages from a number on.
  @safe private struct Cursor {
    let statement: OpaquePointer
    /// The page that the next step gives; 0 when the statement is reset.
    var next: UInt32 = 0
  }

  /// Stores a page of 4096 bytes.
  func write(_ page: UInt32, from source: RawSpan) -> Int32 {
    // SQLite would save and restore the cursors around every write.
    resetCursors()
    return unsafe source.withUnsafeBytes { bytes in
      guard let start = bytes.baseAddress, bytes.count == StoreFormat.pageByteCount else { return SQLITE_MISUSE }
      let tail = unsafe start + StoreFormat.headByteCount
      var result = unsafe write(updateHead, page, from: start, StoreFormat.headByteCount)
      guard result == SQLITE_OK else { return result }
      guard unsafe sqlite3_changes(database) == 0 else {
        return unsafe write(updateTail, page, from: tail, StoreFormat.tailByteCount)
      }
      result = unsafe write(insertHead, page, from: start, StoreFormat.headByteCount)
      guard result == SQLITE_OK else { return result }
      return unsafe write(insertTail, page, from: tail, StoreFormat.tailByteCount)
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
    try Generation.beginNextIfDue(at: state, container)
  }

  private func run(_ statement: OpaquePointer) -> Int32 {
    let result = unsafe sqlite3_step(statement)
    let reset = unsafe sqlite3_reset(statement)
    return result == SQLITE_DONE || result == SQLITE_ROW ? reset : result
  }
}
