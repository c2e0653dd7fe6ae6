internal import Glibc

/// An exclusive lock on a file of its own, between processes and between holders in one process.
///
/// `flock` locks belong to the open file, not to the process, so that two holders in one process exclude each other
/// too, and closing another descriptor of the file does not drop it. It ends with the process, however that ends.
/// Source: flock(2).
///
/// Unsafe code: a descriptor owned until `deinit`.
package final class FileLock: Sendable {
  package let path: String
  private let descriptor: Int32
  /// Which file the descriptor leads to. No other one gets its numbers while it is open, even after it was removed.
  private let identity: FileSystem.Status

  /// Takes the lock, creating the file (mode 0600) when it is not there.
  ///
  /// - Parameters:
  ///   - creating: whether a lock file that is not there is made.
  ///   - database: whose owner and mode a new lock file gets, so that everyone who may write the database can lock it,
  ///     also after a run as root was killed.
  ///   - isShared: only looks whether somebody holds it, and keeps no other looker out.
  /// - Throws: `.busy` at once when another holder has it.
  package init(
    _ path: String, creating: Bool = true, database: String? = nil, isShared: Bool = false, operation: String
  ) throws(EncryptedStorageError) {
    while true {
      let flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | (creating ? O_CREAT : 0)
      let descriptor = unsafe open(path, flags, 0o600)
      guard descriptor >= 0 else { throw FileSystem.failure(operation, path, errno) }
      do throws(EncryptedStorageError) {
        try Self.lock(descriptor, isShared ? LOCK_SH : LOCK_EX, path, operation)
      } catch {
        close(descriptor)
        throw error
      }
      // The former holder may have removed the file between our open and our lock: then we hold a nameless one.
      var buffer = stat()
      if unsafe fstat(descriptor, &buffer) == 0, let named = FileSystem.status(path),
        named.isSameFile(as: FileSystem.Status(buffer))
      {
        self.path = path
        self.descriptor = descriptor
        identity = named
        if creating, let database { giveOwner(of: database, to: named) }
        return
      }
      close(descriptor)
      if !creating, !FileSystem.exists(path) {
        throw EncryptedStorageError(.missing, operation: operation, file: path, detail: "no such file")
      }
    }
  }

  // Closing alone would leave the lock to a child of this process that is between fork and exec.
  deinit {
    unlock()
    close(descriptor)
  }

  // MARK: - Giving it up for a while

  /// Gives the lock up, and keeps the file open for `lockAgain`.
  ///
  /// Unlike closing, this also ends the lock that a child of this process shares between fork and exec.
  func unlock() { _ = flock(descriptor, LOCK_UN) }

  /// Takes the lock again that `unlock` gave up.
  ///
  /// - Parameter database: as when the lock was made.
  /// - Returns: false, and no lock, when the file was removed or replaced meanwhile: another one has to be made.
  /// - Throws: `.busy` at once when another holder has it.
  func lockAgain(database: String, operation: String) throws(EncryptedStorageError) -> Bool {
    try Self.lock(descriptor, LOCK_EX, path, operation)
    // As after opening: only the file that has the name keeps others out.
    guard let named = FileSystem.status(path), named.isSameFile(as: identity) else {
      unlock()
      return false
    }
    giveOwner(of: database, to: named)
    return true
  }

  private static func lock(
    _ descriptor: Int32, _ kind: Int32, _ path: String, _ operation: String
  ) throws(EncryptedStorageError) {
    guard flock(descriptor, kind | LOCK_NB) != 0 else { return }
    let code = errno
    guard code == EWOULDBLOCK else { throw FileSystem.failure(operation, path, code) }
    throw EncryptedStorageError(
      .busy, operation: operation, file: path, detail: "another process holds this lock",
      hint: "try again when it has finished")
  }

  private func giveOwner(of database: String, to named: FileSystem.Status) {
    guard let owner = FileSystem.status(database),
      owner.owner != named.owner || owner.group != named.group || owner.permissions & 0o666 != named.permissions
    else { return }
    // Only its owner or root can, and only they need to.
    _ = fchown(descriptor, owner.owner, owner.group)
    _ = fchmod(descriptor, mode_t(owner.permissions & 0o666))
  }

  // MARK: - Content

  /// Replaces the content of the lock file and makes it durable.
  package func write(_ content: [UInt8]) throws(EncryptedStorageError) {
    var rest = content[...]
    while !rest.isEmpty {
      let offset = off_t(content.count - rest.count)
      // Less than asked for is no error yet: the next call says why.
      let written = unsafe rest.withUnsafeBytes { unsafe pwrite(descriptor, $0.baseAddress, $0.count, offset) }
      if written < 0 {
        if errno == EINTR { continue }
        throw FileSystem.failure("write", path, errno)
      }
      rest = rest.dropFirst(written)
    }
    guard ftruncate(descriptor, off_t(content.count)) == 0, fsync(descriptor) == 0 else {
      throw FileSystem.failure("write", path, errno)
    }
  }

  /// The content of the lock file, at most 64 KiB.
  package func read() throws(EncryptedStorageError) -> [UInt8] {
    var content = [UInt8](repeating: 0, count: 65536)
    let count = unsafe content.withUnsafeMutableBytes { unsafe pread(descriptor, $0.baseAddress, $0.count, 0) }
    guard count >= 0 else { throw FileSystem.failure("read", path, errno) }
    content.removeLast(content.count - count)
    return content
  }
}
