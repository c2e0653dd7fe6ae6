import CSQLCipher

/// The `sqlite3_io_methods` of every open file: what changes the disk goes to `OpenFile`, the rest to the file of `unix`.
///
/// Unsafe code: the table is made once, never changed and never freed. SQLite calls only with files that `OpenFile`
/// installed; `VirtualFileSystem` refuses files below without the methods of version 3.
enum FileMethods {
  nonisolated(unsafe) static let table: UnsafeMutablePointer<sqlite3_io_methods> = {
    var methods = sqlite3_io_methods()
    methods.iVersion = 3
    addContentMethods(to: &methods)
    addLockMethods(to: &methods)
    addMemoryMethods(to: &methods)
    let table = UnsafeMutablePointer<sqlite3_io_methods>.allocate(capacity: 1)
    unsafe table.initialize(to: methods)
    return unsafe table
  }()

  private typealias File = UnsafeMutablePointer<sqlite3_file>

  /// Calls `body` with the file below and its methods.
  private static func below(_ file: File?, _ body: (sqlite3_io_methods, File) -> Int32?) -> Int32 {
    guard let file = unsafe file else { return SQLITE_MISUSE }
    let lower = unsafe OpenFile.lower(file)
    guard let methods = unsafe lower.pointee.pMethods?.pointee else { return SQLITE_MISUSE }
    // A file system without a method answers as one that failed.
    return unsafe body(methods, lower) ?? SQLITE_IOERR
  }

  private static func addContentMethods(to methods: inout sqlite3_io_methods) {
    unsafe methods.xClose = { file in
      guard let file = unsafe file else { return SQLITE_MISUSE }
      return unsafe OpenFile.close(file)
    }
    unsafe methods.xRead = { file, bytes, count, offset in
      unsafe FileMethods.below(file) { unsafe $0.xRead?($1, bytes, count, offset) }
    }
    unsafe methods.xWrite = { file, bytes, count, offset in
      guard let file = unsafe file, let bytes = unsafe bytes else { return SQLITE_MISUSE }
      return unsafe OpenFile.of(file).write(bytes, Int(count), at: Int(offset))
    }
    unsafe methods.xTruncate = { file, size in
      guard let file = unsafe file else { return SQLITE_MISUSE }
      return unsafe OpenFile.of(file).truncate(to: Int(size))
    }
    unsafe methods.xSync = { file, _ in
      guard let file = unsafe file else { return SQLITE_MISUSE }
      return unsafe OpenFile.of(file).synchronize()
    }
    unsafe methods.xFileSize = { file, size in unsafe FileMethods.below(file) { unsafe $0.xFileSize?($1, size) } }
    unsafe methods.xFileControl = { file, operation, argument in
      unsafe FileMethods.below(file) { unsafe $0.xFileControl?($1, operation, argument) }
    }
    unsafe methods.xSectorSize = { file in unsafe FileMethods.below(file) { unsafe $0.xSectorSize?($1) } }
    unsafe methods.xDeviceCharacteristics = { file in
      unsafe FileMethods.below(file) { unsafe $0.xDeviceCharacteristics?($1) }
    }
  }

  private static func addLockMethods(to methods: inout sqlite3_io_methods) {
    unsafe methods.xLock = { file, level in unsafe FileMethods.below(file) { unsafe $0.xLock?($1, level) } }
    unsafe methods.xUnlock = { file, level in unsafe FileMethods.below(file) { unsafe $0.xUnlock?($1, level) } }
    unsafe methods.xCheckReservedLock = { file, result in
      unsafe FileMethods.below(file) { unsafe $0.xCheckReservedLock?($1, result) }
    }
  }

  private static func addMemoryMethods(to methods: inout sqlite3_io_methods) {
    unsafe methods.xShmMap = { file, page, pageSize, extends, memory in
      unsafe FileMethods.below(file) { unsafe $0.xShmMap?($1, page, pageSize, extends, memory) }
    }
    unsafe methods.xShmLock = { file, offset, count, flags in
      unsafe FileMethods.below(file) { unsafe $0.xShmLock?($1, offset, count, flags) }
    }
    unsafe methods.xShmBarrier = { file in
      _ = unsafe FileMethods.below(file) { methods, lower in
        unsafe methods.xShmBarrier?(lower)
        return SQLITE_OK
      }
    }
    unsafe methods.xShmUnmap = { file, deletes in unsafe FileMethods.below(file) { unsafe $0.xShmUnmap?($1, deletes) } }
    unsafe methods.xFetch = { file, offset, count, memory in
      unsafe FileMethods.below(file) { unsafe $0.xFetch?($1, offset, count, memory) }
    }
    unsafe methods.xUnfetch = { file, offset, memory in
      unsafe FileMethods.below(file) { unsafe $0.xUnfetch?($1, offset, memory) }
    }
  }
}
