internal import CSQLCipher

/// Reads the stored bytes of a database file through SQLite's own file layer.
///
/// Why not open(2): POSIX record locks belong to the process, and closing *any* descriptor of a file drops all of them.
/// A tool that opened and closed a database file by itself would silently release the locks of a live connection in the
/// same process. SQLite's `unix` VFS keeps count and delays the close.
/// Source: https://www.sqlite.org/src/file/src/os_unix.c ("POSIX Advisory Locks").
///
/// Takes no lock and never writes bytes. Not Sendable: one per thread.
///
/// Unsafe code: owns the `sqlite3_file` block and the file name it was opened with until `deinit`; calls only methods of
/// the opened file.
@safe package final class RawDatabaseFile {
  package let path: String
  private let file: UnsafeMutablePointer<sqlite3_file>
  private let name: UnsafePointer<CChar>

  /// Opens an existing file for reading.
  ///
  /// - Throws: `.missing`, `.notADatabase` (a directory), `.inputOutput`.
  package init(path: String) throws(EncryptedStorageError) {
    let absolute = try FileSystem.existingFile(path)
    guard let vfs = unsafe sqlite3_vfs_find("unix"), let open = unsafe vfs.pointee.xOpen,
      let name = unsafe sqlite3_create_filename(absolute, "", "", 0, nil)
    else {
      throw EncryptedStorageError(.cipherUnavailable, operation: "open", file: path, detail: "SQLite has no unix VFS")
    }
    let byteCount = Int(unsafe vfs.pointee.szOsFile)
    let memory = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 16)
    unsafe memory.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
    let file = unsafe memory.assumingMemoryBound(to: sqlite3_file.self)
    let result = unsafe open(vfs, name, file, SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB, nil)
    guard result == SQLITE_OK else {
      unsafe sqlite3_free_filename(UnsafeMutablePointer(mutating: name))
      unsafe memory.deallocate()
      throw EncryptedStorageError(
        .inputOutput, operation: "open", file: path, detail: "the file cannot be opened for reading",
        hint: "check the owner and mode of the file", resultCode: result)
    }
    self.path = path
    unsafe self.file = file
    unsafe self.name = UnsafePointer(name)
  }

  deinit {
    if let close = unsafe file.pointee.pMethods?.pointee.xClose { _ = unsafe close(file) }
    unsafe UnsafeMutableRawPointer(file).deallocate()
    unsafe sqlite3_free_filename(UnsafeMutablePointer(mutating: name))
  }

  /// Size in bytes now.
  package func byteCount() throws(EncryptedStorageError) -> Int64 {
    var size: sqlite3_int64 = 0
    guard let fileSize = unsafe file.pointee.pMethods?.pointee.xFileSize,
      unsafe fileSize(file, &size) == SQLITE_OK
    else {
      throw EncryptedStorageError(.inputOutput, operation: "read", file: path, detail: "its size cannot be read")
    }
    return size
  }

  /// Fills `span` from `offset`. What lies past the end of the file becomes zero.
  ///
  /// - Returns: false when the file ended inside the range.
  @discardableResult
  package func read(into span: inout MutableRawSpan, at offset: Int64) throws(EncryptedStorageError) -> Bool {
    try unsafe Self.read(file, path: path, into: &span, at: offset)
  }

  /// Waits until content and length are on the disk, whoever has written them.
  package func synchronize() throws(EncryptedStorageError) {
    let result = unsafe file.pointee.pMethods?.pointee.xSync.map { unsafe $0(file, SQLITE_SYNC_NORMAL) } ?? SQLITE_IOERR
    guard result == SQLITE_OK else { throw SQLiteResult.error(result, operation: "synchronize", file: path) }
  }

  /// The same as ``read(into:at:)``, on a file that a connection has open.
  static func read(
    _ file: UnsafeMutablePointer<sqlite3_file>, path: String, into span: inout MutableRawSpan, at offset: Int64
  ) throws(EncryptedStorageError) -> Bool {
    let result = unsafe span.withUnsafeMutableBytes { bytes -> Int32 in
      guard let read = unsafe file.pointee.pMethods?.pointee.xRead else { return SQLITE_IOERR }
      return unsafe read(file, bytes.baseAddress, Int32(bytes.count), offset)
    }
    // SQLITE_IOERR_SHORT_READ is a composite macro, which Swift does not import.
    let shortRead = SQLITE_IOERR | (2 << 8)
    switch result {
    case SQLITE_OK: return true
    case shortRead: return false
    default: throw SQLiteResult.error(result, operation: "read", file: path)
    }
  }
}
