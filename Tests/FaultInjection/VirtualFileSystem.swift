import CSQLCipher
import Foundation
import Synchronization

/// The `sqlite3_vfs` of one disk.
///
/// A copy of `unix` in which opening and removing are replaced: the other methods of `unix` use nothing of the structure
/// they are called with but its limit of path lengths. Source: https://www.sqlite.org/src/file/src/os_unix.c
///
/// Unsafe code: the structure and its name are owned until `deinit`, are not changed after `init` (except for the link of
/// SQLite's own list, under SQLite's mutex), and every open file keeps this object alive. So they outlive every connection
/// through them; the one who opens by name keeps the disk meanwhile.
@safe final class VirtualFileSystem: Sendable {
  let recorder: OperationRecorder
  private nonisolated(unsafe) let name: UnsafeMutablePointer<CChar>
  private nonisolated(unsafe) let entry: UnsafeMutablePointer<sqlite3_vfs>
  private nonisolated(unsafe) let unix: UnsafeMutablePointer<sqlite3_vfs>

  /// Registers the structure; nil when SQLite refuses.
  init?(named text: String, recorder: OperationRecorder) {
    guard sqlite3_initialize() == SQLITE_OK, let unix = unsafe sqlite3_vfs_find("unix"), let name = unsafe strdup(text)
    else { return nil }
    self.recorder = recorder
    unsafe self.unix = unix
    unsafe self.name = name
    unsafe entry = UnsafeMutablePointer.allocate(capacity: 1)
    unsafe entry.initialize(to: unix.pointee)
    unsafe entry.pointee.pNext = nil
    unsafe entry.pointee.zName = UnsafePointer(name)
    unsafe entry.pointee.szOsFile = Int32(OpenFile.headerByteCount) + unix.pointee.szOsFile
    unsafe entry.pointee.pAppData = Unmanaged.passUnretained(self).toOpaque()
    unsafe entry.pointee.xOpen = { vfs, name, file, flags, outputFlags in
      guard let file = unsafe file, let system = unsafe VirtualFileSystem.of(vfs) else { return SQLITE_CANTOPEN }
      return unsafe system.open(name, file, flags, outputFlags)
    }
    unsafe entry.pointee.xDelete = { vfs, name, synchronizesFolder in
      guard let name = unsafe name, let system = unsafe VirtualFileSystem.of(vfs) else { return SQLITE_IOERR }
      return unsafe system.delete(name, synchronizesFolder)
    }
    guard unsafe sqlite3_vfs_register(entry, 0) == SQLITE_OK else { return nil }
  }

  deinit {
    unregister()
    unsafe entry.deallocate()
    unsafe free(name)
  }

  /// Does nothing the second time.
  func unregister() { _ = unsafe sqlite3_vfs_unregister(entry) }

  private static func of(_ vfs: UnsafeMutablePointer<sqlite3_vfs>?) -> VirtualFileSystem? {
    guard let context = unsafe vfs?.pointee.pAppData else { return nil }
    return unsafe Unmanaged<VirtualFileSystem>.fromOpaque(context).takeUnretainedValue()
  }

  private func open(
    _ name: UnsafePointer<CChar>?, _ file: UnsafeMutablePointer<sqlite3_file>, _ flags: Int32,
    _ outputFlags: UnsafeMutablePointer<Int32>?
  ) -> Int32 {
    // SQLite closes what has methods, also after a failure.
    unsafe file.pointee.pMethods = nil
    let path = unsafe name.map { unsafe String(cString: $0) }
    let isNew = path.map { !FileManager.default.fileExists(atPath: $0) } ?? true
    guard !isNew || !recorder.state.withLock({ $0.isDead }) else { return SQLITE_CANTOPEN }
    let lower = unsafe OpenFile.lower(file)
    unsafe lower.pointee.pMethods = nil
    guard let openBelow = unsafe unix.pointee.xOpen else { return SQLITE_CANTOPEN }
    let result = unsafe openBelow(unix, name, lower, flags, outputFlags)
    let methods = unsafe lower.pointee.pMethods
    guard result == SQLITE_OK, unsafe (methods?.pointee.iVersion ?? 0) >= 3 else {
      if let close = unsafe methods?.pointee.xClose { _ = unsafe close(lower) }
      return result == SQLITE_OK ? SQLITE_CANTOPEN : result
    }
    recorder.state.withLock { state in
      state.openFileCount += 1
      if let path, flags & SQLITE_OPEN_MAIN_DB != 0 { state.noteDatabase(path) }
    }
    // The first synchronization of a log or journal that may be new is one of its folder too, as in `unix`.
    let isJournal = flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL) != 0
    let opened = unsafe OpenFile(
      self, lower: lower, path: path, synchronizesFolder: isJournal && flags & SQLITE_OPEN_CREATE != 0)
    unsafe opened.install(in: file)
    return SQLITE_OK
  }

  private func delete(_ name: UnsafePointer<CChar>, _ synchronizesFolder: Int32) -> Int32 {
    guard let deleteBelow = unsafe unix.pointee.xDelete else { return SQLITE_IOERR }
    let path = unsafe String(cString: name)
    return recorder.state.withLock { state in
      // SQLite has no record locks on a log or journal that reading it could drop, and removes no other file.
      guard let content = FileManager.default.contents(atPath: path) else {
        return unsafe deleteBelow(unix, name, 0)
      }
      if let fault = state.begin(.delete, path) { return fault.resultCode(for: .delete) }
      let result = unsafe deleteBelow(unix, name, 0)
      guard result == SQLITE_OK else { return result }
      state.recordDeletion(of: path, content: [UInt8](content))
      if synchronizesFolder != 0 { state.recordFolderSync(for: path) }
      return SQLITE_OK
    }
  }
}

extension Fault {
  /// Swift does not import the composite macros `SQLITE_IOERR_WRITE` and so on.
  func resultCode(for kind: Operation.Kind) -> Int32 {
    switch (self, kind) {
    case (.diskFull, _): SQLITE_FULL
    case (.inputOutput, .write): SQLITE_IOERR | (3 << 8)
    case (.inputOutput, .sync): SQLITE_IOERR | (4 << 8)
    case (.inputOutput, .truncate): SQLITE_IOERR | (6 << 8)
    case (.inputOutput, .delete): SQLITE_IOERR | (10 << 8)
    }
  }
}
