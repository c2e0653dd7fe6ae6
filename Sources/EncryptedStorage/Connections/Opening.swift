internal import COpenSSL
internal import CSQLCipher
internal import EncryptionKeys
internal import Synchronization

/// The only code that calls `sqlite3_open_v2`, and the only code that hands SQLCipher a key.
///
/// Unsafe code: the handle is closed on every path that does not return it; the key text lives in memory that is wiped
/// after the call.
enum Opening {
  /// How SQLite opens the file.
  struct Mode: Sendable {
    /// For media that nobody can write, with no log beside: SQLite then needs no lock and no shared memory.
    /// Source: https://www.sqlite.org/uri.html#uriimmutable
    var isImmutable = false
    /// The name of SQLite's VFS through which the file is read and written.
    var fileSystem = "unix"
    /// What an image is opened on; the VFS is then that of the mount.
    var mountPoint: MountPoint?
  }

  /// Opens without a key: only to look at the stored bytes, or for a plaintext source.
  static func open(_ path: String, _ mode: Mode) throws(EncryptedStorageError) -> DatabaseHandle {
    try prepareLibrary()
    var pointer: OpaquePointer?
    var flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE
    // An absolute path never starts with `file:`, so it is never taken for a URI by accident.
    var name = path
    if let parameter = mode.isImmutable ? "immutable=1" : mode.mountPoint?.parameter {
      flags |= SQLITE_OPEN_URI
      name = "file:" + percentEncoded(path) + "?" + parameter
    }
    let fileSystem = mode.mountPoint?.fileSystem ?? mode.fileSystem
    let result = unsafe sqlite3_open_v2(name, &pointer, flags, fileSystem)
    guard result == SQLITE_OK, let pointer = unsafe pointer else {
      unsafe sqlite3_close_v2(pointer)
      throw SQLiteResult.error(result, operation: "open", file: path)
    }
    // From the start, so that an opening that fails leaves file and log as they are.
    guard unsafe CSQLCipher_db_config_no_checkpoint_on_close(pointer, 1) == SQLITE_OK else {
      unsafe sqlite3_close_v2(pointer)
      throw EncryptedStorageError(
        .cipherUnavailable, operation: "open", file: path, detail: "SQLite refused a connection setting")
    }
    return unsafe DatabaseHandle(path: path, pointer: pointer)
  }

  /// Gives the handle its key and the format of the file.
  ///
  /// The format goes through the process-wide `cipher_default_*` settings, because only these reach the reserve of a new
  /// file (docs/security/file-formats.md); hence one mutex around setting them and keying.
  static func applyKey(_ keys: PageKeys, to handle: DatabaseHandle) throws(EncryptedStorageError) {
    let outcome = keying.withLock { defaults -> Result<Void, EncryptedStorageError> in
      do throws(EncryptedStorageError) {
        if defaults != keys.format {
          // Unknown until all three are set.
          defaults = nil
          for setting in [
            "PRAGMA cipher_default_page_size=\(keys.format.pageSize)",
            "PRAGMA cipher_default_hmac_algorithm=HMAC_\(keys.format.mac.rawValue.uppercased())",
            "PRAGMA cipher_default_kdf_algorithm=PBKDF2_HMAC_\(keys.format.derivation.digest.rawValue.uppercased())",
          ] {
            try run(setting, on: handle)
          }
          try key(handle, with: keys)
          // SQLCipher writes every failed MAC to stderr; here failures are errors with a file and a hint. The first key
          // of a process sets the level anew, so it is set after that.
          try run("PRAGMA cipher_log_level=NONE", on: handle)
          defaults = keys.format
        } else {
          try key(handle, with: keys)
        }
        return .success(())
      } catch {
        return .failure(error)
      }
    }
    return try outcome.get()
  }

  /// The first value of a statement as text, before there is a session; empty when there is none.
  static func text(_ sql: String, on handle: DatabaseHandle) throws(EncryptedStorageError) -> String {
    unsafe text(sql, try handle.opened("open"))
  }

  /// What SQLCipher gives to databases keyed in this process; nil while that is not known.
  private static let keying = Mutex<CipherFormat?>(nil)

  /// `x'` + 64 digits of the key + 32 of the salt + `'`: a raw key, with the salt a new file gets; in an existing file it
  /// is the one that is there. Anything of another length SQLCipher would take for a passphrase, without a word.
  private static func key(_ handle: DatabaseHandle, with keys: PageKeys) throws(EncryptedStorageError) {
    let database = try unsafe handle.opened("key")
    let byteCount = EncryptionKey.byteCount + Salt.byteCount
    // On the stack and wiped at once: locked pages would cost more than all the rest of the call.
    let result = unsafe withUnsafeTemporaryAllocation(byteCount: 2 + 2 * byteCount + 1, alignment: 1) { target in
      defer { unsafe OPENSSL_cleanse(target.baseAddress, target.count) }
      unsafe target[0] = UInt8(ascii: "x")
      unsafe target[1] = UInt8(ascii: "'")
      unsafe keys.encryptionKey.withUnsafeBytes { key in
        for index in 0..<byteCount {
          let byte = unsafe index < key.count ? key[index] : keys.salt.bytes[index - key.count]
          unsafe target[2 + 2 * index] = hexDigit(byte >> 4)
          unsafe target[3 + 2 * index] = hexDigit(byte & 15)
        }
      }
      unsafe target[2 + 2 * byteCount] = UInt8(ascii: "'")
      return unsafe sqlite3_key_v2(database, "main", target.baseAddress, Int32(target.count))
    }
    guard result == SQLITE_OK else {
      throw EncryptedStorageError(
        .cipherUnavailable, operation: "key", file: handle.path, detail: "SQLCipher refused the key",
        resultCode: result)
    }
  }

  /// Without a table, so that no memory access depends on the key.
  private static func hexDigit(_ value: UInt8) -> UInt8 {
    let letterOffset = UInt8(ascii: "a") - 10 - UInt8(ascii: "0")
    // All ones for 10...15, else zero.
    let isLetter = UInt8(0) &- ((value &+ 6) >> 4)
    return UInt8(ascii: "0") + value + (isLetter & letterOffset)
  }

  /// One statement without a result, before there is a session.
  static func run(_ sql: String, on handle: DatabaseHandle) throws(EncryptedStorageError) {
    let database = try unsafe handle.opened("open")
    let result = unsafe sqlite3_exec(database, sql, nil, nil, nil)
    guard result == SQLITE_OK else { throw handle.error(result, operation: "open") }
  }

  // MARK: - The library

  /// Once per process: is it SQLCipher 4, thread-safe, and silent on stderr?
  private static func prepareLibrary() throws(EncryptedStorageError) {
    if let failure = libraryFailure { throw failure }
  }

  private static let libraryFailure: EncryptedStorageError? = {
    guard sqlite3_threadsafe() != 0, sqlite3_libversion_number() >= 3_046_000 else {
      return unavailable("the linked SQLite is older than 3.46 or not thread-safe")
    }
    var pointer: OpaquePointer?
    guard unsafe sqlite3_open_v2(":memory:", &pointer, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nil) == SQLITE_OK,
      let database = unsafe pointer
    else { return unavailable("SQLite cannot open a database in memory") }
    defer { unsafe sqlite3_close_v2(database) }
    let version = unsafe text("PRAGMA cipher_version", database)
    guard version.hasPrefix("4.") else {
      return unavailable(
        version.isEmpty ? "the linked SQLite has no codec" : "SQLCipher \(version) is linked, 4 is needed")
    }
    return nil
  }()

  private static func unavailable(_ detail: String) -> EncryptedStorageError {
    EncryptedStorageError(
      .cipherUnavailable, operation: "open", detail: detail,
      hint: "install libsqlcipher 4.6 or newer (./taskw deps:install), and link no other SQLite")
  }

  private static func text(_ sql: String, _ database: OpaquePointer) -> String {
    var statement: OpaquePointer?
    defer { unsafe sqlite3_finalize(statement) }
    guard unsafe sqlite3_prepare_v2(database, sql, -1, &statement, nil) == SQLITE_OK,
      unsafe sqlite3_step(statement) == SQLITE_ROW, let value = unsafe sqlite3_column_text(statement, 0)
    else { return "" }
    return unsafe String(cString: value)
  }

  /// Whether nobody can write here and no log waits beside the file.
  static func isUnwritable(_ path: String) -> Bool {
    guard !FileSystem.isWritable(FileSystem.folder(of: path)), !FileSystem.isWritable(path) else { return false }
    return ["-wal", "-journal"].allSatisfy { (FileSystem.status(path + $0)?.byteCount ?? 0) == 0 }
  }

  static func percentEncoded(_ path: String) -> String {
    let hexDigits = Array("0123456789ABCDEF")
    return path.utf8.reduce(into: "") { result, byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "/"), UInt8(ascii: "."), UInt8(ascii: "-"),
        UInt8(ascii: "_"):
        result.unicodeScalars.append(Unicode.Scalar(byte))
      default:
        result += "%" + String(hexDigits[Int(byte >> 4)]) + String(hexDigits[Int(byte & 15)])
      }
    }
  }
}

/// The stored bytes of a file that a connection has just opened, read through the connection's own descriptor: opening
/// and closing another one would drop the process's locks (see `RawDatabaseFile`).
///
/// Unsafe code: the `sqlite3_file` belongs to the handle, which this value keeps alive.
@safe struct OpenedFile: StoredBytes {
  private let handle: DatabaseHandle
  private let file: UnsafeMutablePointer<sqlite3_file>

  init(_ handle: DatabaseHandle) throws(EncryptedStorageError) {
    var file: UnsafeMutablePointer<sqlite3_file>?
    let database = try unsafe handle.opened("open")
    let result = unsafe sqlite3_file_control(database, "main", SQLITE_FCNTL_FILE_POINTER, &file)
    guard result == SQLITE_OK, let file = unsafe file else { throw handle.error(result, operation: "open") }
    self.handle = handle
    unsafe self.file = file
  }

  func byteCount() throws(EncryptedStorageError) -> Int64 {
    var size: sqlite3_int64 = 0
    guard let fileSize = unsafe file.pointee.pMethods?.pointee.xFileSize,
      unsafe fileSize(file, &size) == SQLITE_OK
    else { throw EncryptedStorageError(.inputOutput, operation: "read", file: handle.path, detail: "no size") }
    return size
  }

  func read(into span: inout MutableRawSpan, at offset: Int64) throws(EncryptedStorageError) -> Bool {
    try unsafe RawDatabaseFile.read(file, path: handle.path, into: &span, at: offset)
  }

  /// Whether the path now leads to another file than the one opened.
  func hasMoved() -> Bool {
    var moved: Int32 = 0
    guard let database = unsafe handle.pointer else { return false }
    _ = unsafe sqlite3_file_control(database, "main", SQLITE_FCNTL_HAS_MOVED, &moved)
    return moved != 0
  }
}
