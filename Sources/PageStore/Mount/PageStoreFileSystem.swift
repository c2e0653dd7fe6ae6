internal import CSQLCipher
internal import EncryptedStorage
internal import Glibc
internal import Synchronization

/// The VFS that shows page stores to SQLite as databases. It opens main databases only, and only those whose container was
/// handed over by the connection factory: no journal, log or temporary file, so that no page reaches the disk but
/// encrypted.
///
/// Unsafe code: C callbacks. SQLite allocates an `ImageFile` for each open file and passes its address to every callback
/// until `xClose` has returned; the image in it is retained from `xOpen` to `xClose`. The two tables of functions are
/// allocated once and never freed.
/// Source: https://www.sqlite.org/c3ref/vfs.html, https://www.sqlite.org/c3ref/io_methods.html
enum PageStoreFileSystem {
  static let name = "albergue-page-store"
  private static let parameterName = "container"

  /// Containers that are waiting to be opened, by token. Addresses, because pointers are not Sendable.
  private static let waiting = Mutex<[UInt64: UInt]>([:])

  /// Takes over an image, which the next opening with the returned mount point gets.
  static func add(_ image: MountedImage) throws(EncryptedStorageError) -> MountPoint {
    guard isRegistered else {
      throw EncryptedStorageError(.cipherUnavailable, operation: "mount", detail: "SQLite refused the page store's VFS")
    }
    let token = UInt64.random(in: 1...UInt64(Int64.max))
    let address = UInt(bitPattern: unsafe Unmanaged.passRetained(image).toOpaque())
    waiting.withLock { $0[token] = address }
    return MountPoint(fileSystem: name, parameter: "\(parameterName)=\(token)")
  }

  /// Closes an image that SQLite has not taken.
  static func forget(_ mountPoint: MountPoint) {
    guard let token = mountPoint.parameter.split(separator: "=").last.flatMap({ UInt64($0) }),
      let image = unsafe take(token)
    else { return }
    unsafe image.takeRetainedValue().close()
  }

  private static func take(_ token: UInt64) -> Unmanaged<MountedImage>? {
    guard let address = waiting.withLock({ $0.removeValue(forKey: token) }),
      let pointer = unsafe UnsafeRawPointer(bitPattern: address)
    else { return nil }
    return unsafe Unmanaged.fromOpaque(pointer)
  }

  // MARK: - Registration

  private static let isRegistered: Bool = {
    guard let system = unsafe sqlite3_vfs_find("unix"), let cName = unsafe strdup(name) else { return false }
    // Time, randomness and sleep are the system's.
    let own = UnsafeMutablePointer<sqlite3_vfs>.allocate(capacity: 1)
    unsafe own.initialize(to: system.pointee)
    unsafe own.pointee.iVersion = 2
    unsafe own.pointee.szOsFile = Int32(MemoryLayout<ImageFile>.size)
    unsafe own.pointee.pNext = nil
    unsafe own.pointee.zName = UnsafePointer(cName)
    unsafe own.pointee.xOpen = unsafe open
    unsafe own.pointee.xDelete = { _, _, _ in SQLITE_OK }
    // There never is a journal or a log beside an image.
    unsafe own.pointee.xAccess = { _, _, _, answer in
      unsafe answer?.pointee = 0
      return SQLITE_OK
    }
    return unsafe sqlite3_vfs_register(own, 0) == SQLITE_OK
  }()

  private static let open:
    @convention(c) (
      UnsafeMutablePointer<sqlite3_vfs>?, UnsafePointer<CChar>?, UnsafeMutablePointer<sqlite3_file>?, Int32,
      UnsafeMutablePointer<Int32>?
    ) -> Int32 = { _, name, file, flags, outputFlags in
      guard let file = unsafe file else { return SQLITE_CANTOPEN }
      unsafe file.pointee.pMethods = nil
      // Without locks, every read would be a snapshot of its own.
      guard flags & SQLITE_OPEN_MAIN_DB != 0, unsafe sqlite3_uri_boolean(name, "nolock", 0) == 0,
        unsafe sqlite3_uri_boolean(name, "immutable", 0) == 0,
        case let token = unsafe sqlite3_uri_int64(name, parameterName, 0), token > 0,
        let image = unsafe take(UInt64(token))
      else { return SQLITE_CANTOPEN }
      unsafe UnsafeMutableRawPointer(file).withMemoryRebound(to: ImageFile.self, capacity: 1) {
        unsafe $0.initialize(to: ImageFile(base: sqlite3_file(pMethods: UnsafePointer(methods)), image: image))
      }
      unsafe outputFlags?.pointee = flags
      return SQLITE_OK
    }

  // MARK: - Files

  /// SQLite knows the first member, and gives the memory for both.
  @unsafe private struct ImageFile {
    let base: sqlite3_file
    let image: Unmanaged<MountedImage>
  }

  private static func image(_ file: UnsafeMutablePointer<sqlite3_file>?) -> Unmanaged<MountedImage>? {
    guard let file = unsafe file else { return nil }
    return unsafe UnsafeRawPointer(file).assumingMemoryBound(to: ImageFile.self).pointee.image
  }

  private static func withImage(
    _ file: UnsafeMutablePointer<sqlite3_file>?, _ body: (MountedImage) -> Int32
  ) -> Int32 {
    guard let image = unsafe image(file) else { return SQLITE_IOERR }
    return unsafe image._withUnsafeGuaranteedRef(body)
  }

  /// Version 1: no shared memory, so that SQLite never begins a log.
  nonisolated(unsafe) private static let methods: UnsafeMutablePointer<sqlite3_io_methods> = {
    let methods = UnsafeMutablePointer<sqlite3_io_methods>.allocate(capacity: 1)
    var table = sqlite3_io_methods()
    table.iVersion = 1
    unsafe table.xClose = { file in
      guard let image = unsafe image(file) else { return SQLITE_OK }
      unsafe image.takeRetainedValue().close()
      unsafe file?.pointee.pMethods = nil
      return SQLITE_OK
    }
    unsafe table.xRead = { file, target, count, offset in
      guard let target = unsafe target else { return SQLITE_IOERR }
      return unsafe withImage(file) { image in
        var span = unsafe MutableRawSpan(_unsafeStart: target, byteCount: Int(count))
        return image.read(into: &span, at: offset)
      }
    }
    unsafe table.xWrite = { file, source, count, offset in
      guard let source = unsafe source else { return SQLITE_IOERR }
      return unsafe withImage(file) { image in
        image.write(unsafe RawSpan(_unsafeStart: source, byteCount: Int(count)), at: offset)
      }
    }
    unsafe table.xTruncate = { file, size in unsafe withImage(file) { $0.truncate(to: size) } }
    // Durability is the container's commit.
    unsafe table.xSync = { _, _ in SQLITE_OK }
    unsafe table.xFileSize = { file, size in
      unsafe withImage(file) { image in
        guard let byteCount = image.byteCount() else { return SQLITE_IOERR | (7 << 8) }  // SQLITE_IOERR_FSTAT
        unsafe size?.pointee = byteCount
        return SQLITE_OK
      }
    }
    unsafe table.xLock = { file, level in unsafe withImage(file) { $0.lock(level) } }
    unsafe table.xUnlock = { file, level in unsafe withImage(file) { $0.unlock(level) } }
    unsafe table.xCheckReservedLock = { _, answer in
      unsafe answer?.pointee = 0
      return SQLITE_OK
    }
    unsafe table.xFileControl = { file, operation, _ in
      operation == SQLITE_FCNTL_SYNC ? unsafe withImage(file) { $0.synchronize() } : SQLITE_NOTFOUND
    }
    unsafe table.xSectorSize = { _ in Int32(StoreFormat.pageByteCount) }
    unsafe table.xDeviceCharacteristics = { _ in SQLITE_IOCAP_POWERSAFE_OVERWRITE | SQLITE_IOCAP_UNDELETABLE_WHEN_OPEN }
    unsafe methods.initialize(to: table)
    return unsafe methods
  }()
}
