import CSQLCipher
import EncryptedStorage
import Glibc

/// Gives SQLite a plaintext file where the image of a replica would be.
///
/// Unsafe code: a copy of SQLite's own VFS that answers another path, made once and never freed.
struct PlainMounting: ImageMounting {
  private static let name = "benchmark-plain"

  /// - Parameter path: of the plaintext database, absolute.
  init(_ path: String) throws {
    guard let system = unsafe sqlite3_vfs_find("unix") else { throw Failure() }
    unsafe plainPath = path
    let own = UnsafeMutablePointer<sqlite3_vfs>.allocate(capacity: 1)
    unsafe own.initialize(to: system.pointee)
    unsafe own.pointee.pNext = nil
    unsafe own.pointee.zName = UnsafePointer(strdup(Self.name))
    // Names of log and shared memory are made of this one.
    unsafe own.pointee.xFullPathname = { _, _, capacity, target in
      let bytes = unsafe plainPath.utf8CString
      guard let target = unsafe target, bytes.count <= Int(capacity) else { return SQLITE_CANTOPEN }
      for (index, byte) in bytes.enumerated() { unsafe target[index] = byte }
      return SQLITE_OK
    }
    guard unsafe sqlite3_vfs_register(own, 0) == SQLITE_OK else { throw Failure() }
  }

  struct Failure: Error {}

  func mount(
    _ container: Session, _ access: ConnectionFactory.Access, cacheKibibytes: Int?
  ) throws(EncryptedStorageError) -> MountPoint {
    MountPoint(fileSystem: Self.name, parameter: "container=0")
  }

  func forget(_ mountPoint: MountPoint) {}
}

/// Set once, before anything is opened.
nonisolated(unsafe) private var plainPath = ""
