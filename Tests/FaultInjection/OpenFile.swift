import CSQLCipher
import Synchronization

/// One open file of a disk: `sqlite3_file`, pointer to this object, then the file of `unix` in one block of SQLite's.
///
/// Unsafe code: the block is SQLite's and lives from xOpen until xClose has returned; from `install` to `close` it holds
/// one reference to this object. SQLite calls the methods of one file from one thread at a time.
@safe final class OpenFile {
  /// Where the file of `unix` begins in the block; a multiple of every alignment that it needs.
  static let headerByteCount = 16
  private static let referenceOffset = unsafe MemoryLayout<sqlite3_file>.stride

  private let fileSystem: VirtualFileSystem
  private let lower: UnsafeMutablePointer<sqlite3_file>
  /// Nil for a temporary file, which no power cut matters to.
  private let path: String?
  private var synchronizesFolder: Bool

  init(
    _ fileSystem: VirtualFileSystem, lower: UnsafeMutablePointer<sqlite3_file>, path: String?, synchronizesFolder: Bool
  ) {
    self.fileSystem = fileSystem
    unsafe self.lower = lower
    self.path = path
    self.synchronizesFolder = synchronizesFolder
  }

  static func lower(_ file: UnsafeMutablePointer<sqlite3_file>) -> UnsafeMutablePointer<sqlite3_file> {
    unsafe (UnsafeMutableRawPointer(file) + headerByteCount).assumingMemoryBound(to: sqlite3_file.self)
  }

  static func of(_ file: UnsafeMutablePointer<sqlite3_file>) -> OpenFile {
    unsafe reference(file).takeUnretainedValue()
  }

  private static func reference(_ file: UnsafeMutablePointer<sqlite3_file>) -> Unmanaged<OpenFile> {
    let block = UnsafeMutableRawPointer(file)
    return unsafe Unmanaged.fromOpaque(block.load(fromByteOffset: referenceOffset, as: UnsafeRawPointer.self))
  }

  /// Makes the block answer to SQLite.
  func install(in file: UnsafeMutablePointer<sqlite3_file>) {
    let block = UnsafeMutableRawPointer(file)
    let reference = unsafe UnsafeRawPointer(Unmanaged.passRetained(self).toOpaque())
    unsafe block.storeBytes(of: reference, toByteOffset: Self.referenceOffset, as: UnsafeRawPointer.self)
    unsafe file.pointee.pMethods = UnsafePointer(FileMethods.table)
  }

  static func close(_ file: UnsafeMutablePointer<sqlite3_file>) -> Int32 {
    let reference = unsafe reference(file)
    let opened = unsafe reference.takeUnretainedValue()
    let result = unsafe opened.methods?.xClose(opened.lower) ?? SQLITE_OK
    opened.fileSystem.recorder.state.withLock { $0.openFileCount -= 1 }
    unsafe reference.release()
    return result
  }

  // MARK: - What changes the disk: each operation and its record are one step under the lock of the disk

  func write(_ bytes: UnsafeRawPointer, _ count: Int, at offset: Int) -> Int32 {
    fileSystem.recorder.state.withLock { state in
      guard let path else { return unsafe writeBelow(bytes, count, at: offset) }
      let fault = state.begin(.write, path)
      let kept =
        fault.map { $0 == .diskFull ? count / 2 / Change.sectorByteCount * Change.sectorByteCount : 0 } ?? count
      if kept > 0 {
        guard let oldSize = size else { return SQLITE_IOERR }
        let old = read(min(kept, max(0, oldSize - offset)), at: offset)
        let result = unsafe writeBelow(bytes, kept, at: offset)
        guard result == SQLITE_OK else { return result }
        let new = unsafe [UInt8](UnsafeRawBufferPointer(start: bytes, count: kept))
        state.record(.write(offset: offset, old: old, new: new, oldSize: oldSize), of: path)
      }
      return fault?.resultCode(for: .write) ?? SQLITE_OK
    }
  }

  func truncate(to newSize: Int) -> Int32 {
    fileSystem.recorder.state.withLock { state in
      guard let path else { return truncateBelow(to: newSize) }
      if let fault = state.begin(.truncate, path) { return fault.resultCode(for: .truncate) }
      guard let oldSize = size else { return SQLITE_IOERR }
      let tail = read(max(0, oldSize - newSize), at: newSize)
      let result = truncateBelow(to: newSize)
      guard result == SQLITE_OK else { return result }
      state.record(.truncate(size: newSize, tail: tail, oldSize: oldSize), of: path)
      return SQLITE_OK
    }
  }

  /// Only counts: the power cut is made up, and a real synchronization would cost the tests their time.
  func synchronize() -> Int32 {
    guard let path else { return SQLITE_OK }
    return fileSystem.recorder.state.withLock { state in
      if let fault = state.begin(.sync, path) { return fault.resultCode(for: .sync) }
      state.recordSync(of: path)
      if synchronizesFolder { state.recordFolderSync(for: path) }
      synchronizesFolder = false
      return SQLITE_OK
    }
  }

  // MARK: - The file below

  private var methods: sqlite3_io_methods? { unsafe lower.pointee.pMethods?.pointee }

  private var size: Int? {
    var size: sqlite3_int64 = 0
    guard unsafe methods?.xFileSize(lower, &size) == SQLITE_OK else { return nil }
    return Int(size)
  }

  private func read(_ count: Int, at offset: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    guard count > 0 else { return bytes }
    let result = unsafe bytes.withUnsafeMutableBytes { buffer in
      unsafe methods?.xRead(lower, buffer.baseAddress, Int32(count), Int64(offset))
    }
    precondition(result == SQLITE_OK, "the file below cannot be read, so that a power cut could not be worked out")
    return bytes
  }

  private func writeBelow(_ bytes: UnsafeRawPointer, _ count: Int, at offset: Int) -> Int32 {
    unsafe methods?.xWrite(lower, bytes, Int32(count), Int64(offset)) ?? SQLITE_IOERR
  }

  private func truncateBelow(to size: Int) -> Int32 { unsafe methods?.xTruncate(lower, Int64(size)) ?? SQLITE_IOERR }
}
