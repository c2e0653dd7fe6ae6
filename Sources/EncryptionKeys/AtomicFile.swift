internal import Glibc

/// A small secret file that is replaced as a whole, by one writer at a time.
///
/// The lock is on the folder, not on the file: a rename gives the file a new identity, and a lock on the old one would
/// let two writers through. It is advisory and holds as long as this value.
struct AtomicFile: ~Copyable {
  /// The file itself, with symbolic links resolved, so that a rename replaces the file and not the link.
  let path: String

  private let folder: FileDescriptor
  private let subject: String
  /// `PATH` up to the last slash, the slash included.
  private let folderPath: String

  /// Waits up to 10 s for the lock on the folder of `path`; the file itself may be absent.
  ///
  /// - Parameter subject: the file, as messages name it.
  /// - Throws: ``KeyError`` `.missing` (no such folder), `.permission`, `.busy`, `.io`.
  static func lock(path givenPath: String, subject: String) throws(KeyError) -> AtomicFile {
    let path = try resolved(givenPath, subject: subject)
    let folderPath = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "./"
    do {
      let folder = try FileDescriptor.open(folderPath, flags: O_RDONLY | O_DIRECTORY)
      let deadline = ContinuousClock.now.advanced(by: lockTimeout)
      while try !folder.tryLockExclusively() {
        guard ContinuousClock.now < deadline else {
          throw KeyError(.busy, "\(subject): another process is writing in its folder", hint: "try again")
        }
        usleep(lockRetryMicroseconds)
      }
      return AtomicFile(path: path, folder: folder, subject: subject, folderPath: folderPath)
    } catch let error as SystemError {
      throw error.keyError("lock", "folder of \(subject)")
    } catch let error as KeyError {
      throw error
    } catch {
      throw KeyError(.io, "\(subject): cannot lock the folder")
    }
  }

  /// True if the file is there.
  borrowing func exists() throws(KeyError) -> Bool {
    try status() != nil
  }

  /// Writes `contents` to a new file (mode 0600) beside the old one, makes it durable, and puts it in its place.
  ///
  /// - Throws: ``KeyError`` `.exists` if the file was absent and somebody else has made it meanwhile, `.permission`,
  ///   `.io`.
  borrowing func replace(with contents: borrowing SecretBytes) throws(KeyError) {
    let old = try status()
    removeAbandoned()
    // A name that nobody chooses, and that no other run has.
    let temporaryPath = "\(path).\(String(UInt64.random(in: .min ... .max), radix: 36))\(Self.temporarySuffix)"
    do {
      try write(contents, to: temporaryPath, owner: old)
      if old != nil {
        _ = try retrying { unsafe rename(temporaryPath, path) }
      } else {
        // Unlike rename, link does not overwrite what a program without our lock may have put there.
        _ = try retrying { unsafe link(temporaryPath, path) }
        _ = try retrying { unsafe unlink(temporaryPath) }
      }
    } catch {
      unsafe unlink(temporaryPath)
      if error.number == EEXIST { throw KeyError(.exists, "\(subject): was made by another program meanwhile") }
      throw error.keyError("write", subject)
    }
    do {
      try folder.synchronize()
    } catch {
      throw error.keyError("make durable", "folder of \(subject)")
    }
  }

  /// Removes what interrupted runs left under temporary names: it may hold keys. The lock keeps other runs out meanwhile.
  private borrowing func removeAbandoned() {
    let prefix = (path.split(separator: "/").last.map(String.init) ?? path) + "."
    guard let stream = unsafe opendir(folderPath) else { return }
    defer { unsafe closedir(stream) }
    while let entry = unsafe readdir(stream) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      if name.hasPrefix(prefix), name.hasSuffix(Self.temporarySuffix) { unsafe unlink("\(folderPath)/\(name)") }
    }
  }

  private static let temporarySuffix = ".albergue-tmp"
  private static let lockTimeout = Duration.seconds(10)
  private static let lockRetryMicroseconds: UInt32 = 10_000

  private borrowing func write(
    _ contents: borrowing SecretBytes, to temporaryPath: String, owner: FileStatus?
  ) throws(SystemError) {
    let file = try FileDescriptor.open(temporaryPath, flags: O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600)
    if let owner, try file.status().user != owner.user {
      // Root that adds a key must not take the keyring away from the service that reads it.
      try file.setOwner(user: owner.user, group: owner.group)
    }
    try unsafe contents.withUnsafeBytes { (bytes) throws(SystemError) in try unsafe file.writeAll(bytes) }
    try file.synchronize()
  }

  private borrowing func status() throws(KeyError) -> FileStatus? {
    var status = stat()
    do {
      _ = try retrying { unsafe stat(path, &status) }
      return FileStatus(status)
    } catch {
      if error.number == ENOENT { return nil }
      throw error.keyError("look for", subject)
    }
  }

  /// `path` without symbolic links; as it is if nothing is there yet.
  private static func resolved(_ path: String, subject: String) throws(KeyError) -> String {
    guard let resolved = unsafe realpath(path, nil) else {
      let error = SystemError.last()
      if error.number == ENOENT { return path }
      throw error.keyError("resolve", subject)
    }
    defer { unsafe free(resolved) }
    return unsafe String(cString: resolved)
  }
}
