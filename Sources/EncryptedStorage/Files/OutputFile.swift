internal import CLinux
internal import Glibc
internal import Synchronization

/// A file in the making that is written at any offset, by several threads, and made durable before it gets its name.
///
/// It is closed before it gets the name: from then on SQLite may have the file open in this process, and closing any
/// descriptor of a file drops all POSIX locks that the process has on it (`RawDatabaseFile`).
///
/// Unsafe code: a descriptor owned until `close` or `deinit`; writes borrow the bytes for one call.
package final class OutputFile: Sendable {
  package let path: String
  /// -1 once closed.
  private let openDescriptor: Atomic<Int32>

  /// Creates `path`, which must not exist, readable and writable by the owner alone.
  package init(creating path: String) throws(EncryptedStorageError) {
    let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw FileSystem.failure("create", path, errno) }
    // While this process lives, nobody takes the file for an abandoned one (`TemporaryFile.removeAbandoned`).
    _ = flock(descriptor, LOCK_EX | LOCK_NB)
    self.path = path
    openDescriptor = Atomic(descriptor)
  }

  /// Opens a file that an earlier run has begun.
  package init(opening path: String) throws(EncryptedStorageError) {
    let descriptor = unsafe open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW)
    guard descriptor >= 0 else { throw FileSystem.failure("open", path, errno) }
    self.path = path
    openDescriptor = Atomic(descriptor)
  }

  deinit { close() }

  private var descriptor: Int32 { openDescriptor.load(ordering: .relaxed) }

  /// Lets go of the file, which keeps what was written; nobody may be writing. A second call does nothing.
  package func close() {
    let descriptor = openDescriptor.exchange(-1, ordering: .relaxed)
    if descriptor >= 0 { Glibc.close(descriptor) }
  }

  /// Writes all of `bytes` at `offset`; safe from several threads, since pwrite(2) shares no position.
  package func write(_ bytes: RawSpan, at offset: Int64) throws(EncryptedStorageError) {
    var written = 0
    while written < bytes.byteCount {
      let result = unsafe bytes.extracting(written..<bytes.byteCount).withUnsafeBytes { rest in
        unsafe pwrite(descriptor, rest.baseAddress, rest.count, off_t(offset) + off_t(written))
      }
      if result < 0 {
        if errno == EINTR { continue }
        throw FileSystem.failure("write", path, errno)
      }
      written += result
    }
  }

  /// Sets the length; a longer file is filled with a hole.
  package func truncate(to byteCount: Int64) throws(EncryptedStorageError) {
    if ftruncate(descriptor, off_t(byteCount)) != 0 { throw FileSystem.failure("truncate", path, errno) }
  }

  /// Gives the file owner, group and mode of another one.
  ///
  /// - Throws: `.readOnly` when this user may not: the mode under another owner or group would shut the right ones out and
  ///   let others in.
  package func adopt(_ status: FileSystem.Status) throws(EncryptedStorageError) {
    var buffer = stat()
    let isSame =
      unsafe fstat(descriptor, &buffer) == 0 && buffer.st_uid == status.owner && buffer.st_gid == status.group
    let keepsOwner = UInt32.max
    let owner = buffer.st_uid == status.owner ? keepsOwner : status.owner
    guard isSame || fchown(descriptor, owner, status.group) == 0 else {
      throw EncryptedStorageError(
        .readOnly, operation: "chown", file: path, detail: "the new file cannot get the owner and group of the old one",
        hint: "run this as the owner of the file, or as root")
    }
    if fchmod(descriptor, mode_t(status.permissions)) != 0 { throw FileSystem.failure("chmod", path, errno) }
  }

  /// Starts writing a range to the disk without waiting, so that `synchronize` has less left to do. Only a hint.
  package func startWriteback(of byteCount: Int, at offset: Int64) {
    CLinux_start_writeback(descriptor, offset, Int64(byteCount))
  }

  /// Waits until content and length are on the disk.
  package func synchronize() throws(EncryptedStorageError) {
    if fsync(descriptor) != 0 { throw FileSystem.failure("fsync", path, errno) }
  }
}
