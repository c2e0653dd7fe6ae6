internal import Glibc

/// An open file descriptor, closed on release; thin wrappers that retry on EINTR and report `errno`.
struct FileDescriptor: ~Copyable, Sendable {
  let rawValue: Int32

  /// Takes over an open descriptor.
  init(owning rawValue: Int32) {
    self.rawValue = rawValue
  }

  deinit {
    // Nothing that was written hangs on this close: every writer fsyncs first and checks that.
    close(rawValue)
  }

  /// Opens `path`, always with O_CLOEXEC.
  static func open(_ path: String, flags: Int32, mode: mode_t = 0) throws(SystemError) -> FileDescriptor {
    let descriptor = try retrying { unsafe Glibc.open(path, flags | O_CLOEXEC, mode) }
    return FileDescriptor(owning: descriptor)
  }

  /// Reads what is there, at most `buffer.count` bytes; 0 at the end.
  borrowing func read(into buffer: UnsafeMutableRawBufferPointer) throws(SystemError) -> Int {
    try retrying { unsafe Glibc.read(rawValue, buffer.baseAddress, buffer.count) }
  }

  /// Fills `buffer` from the start and returns how many bytes there were before the end of the file.
  borrowing func readToEnd(into buffer: UnsafeMutableRawBufferPointer) throws(SystemError) -> Int {
    var filled = 0
    while filled < buffer.count {
      let count = try unsafe read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]))
      if count == 0 { break }
      filled += count
    }
    return filled
  }

  /// Writes all of `buffer`.
  borrowing func writeAll(_ buffer: UnsafeRawBufferPointer) throws(SystemError) {
    var written = 0
    while written < buffer.count {
      let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[written...])
      written += try retrying { unsafe Glibc.write(rawValue, rest.baseAddress, rest.count) }
    }
  }

  /// Size, mode, owner and identity.
  borrowing func status() throws(SystemError) -> FileStatus {
    var status = stat()
    _ = try retrying { unsafe fstat(rawValue, &status) }
    return FileStatus(status)
  }

  /// Makes content and size durable.
  borrowing func synchronize() throws(SystemError) {
    _ = try retrying { fsync(rawValue) }
  }

  /// Takes the exclusive lock without waiting; false if another open file has it. Released when this value is.
  borrowing func tryLockExclusively() throws(SystemError) -> Bool {
    do {
      _ = try retrying { flock(rawValue, LOCK_EX | LOCK_NB) }
      return true
    } catch {
      if error.number == EWOULDBLOCK { return false }
      throw error
    }
  }

  /// Sets the owner.
  borrowing func setOwner(user: uid_t, group: gid_t) throws(SystemError) {
    _ = try retrying { fchown(rawValue, user, group) }
  }
}

/// What `fstat` says, as far as keys need it.
struct FileStatus: Sendable {
  let isRegular: Bool
  /// The lower twelve bits of the mode.
  let permissions: mode_t
  let user: uid_t
  let group: gid_t
  let byteCount: Int

  init(_ status: stat) {
    isRegular = status.st_mode & S_IFMT == S_IFREG
    permissions = status.st_mode & 0o7777
    user = status.st_uid
    group = status.st_gid
    byteCount = Int(status.st_size)
  }

  /// As in `0640`.
  var permissionText: String {
    let digits = String(permissions, radix: 8)
    return String(repeating: "0", count: max(0, 4 - digits.utf8.count)) + digits
  }
}

/// Repeats a call that a signal interrupted; its error is the `errno` read directly after it.
func retrying<Result: SignedInteger>(_ call: () -> Result) throws(SystemError) -> Result {
  while true {
    let result = call()
    if result != -1 { return result }
    let error = SystemError.last()
    if error.number != EINTR { throw error }
  }
}
