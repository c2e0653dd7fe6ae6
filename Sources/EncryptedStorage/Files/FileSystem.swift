internal import CLinux
internal import Glibc

/// The few file system calls of the project, each one call, errno read right after it.
///
/// Unsafe code: C strings, `stat` buffers and directory streams that live for one call.
package enum FileSystem {
  /// What `stat` says.
  package struct Status: Sendable, Equatable {
    package let device: UInt64
    package let inode: UInt64
    package let mode: UInt32
    package let owner: UInt32
    package let group: UInt32
    package let byteCount: Int64
    /// Names that lead to the file.
    package let linkCount: UInt64

    package var isRegularFile: Bool { mode & S_IFMT == S_IFREG }
    package var isDirectory: Bool { mode & S_IFMT == S_IFDIR }
    /// The permission bits, as `chmod` takes them.
    package var permissions: UInt32 { mode & 0o7777 }

    init(_ status: stat) {
      device = UInt64(status.st_dev)
      inode = UInt64(status.st_ino)
      mode = status.st_mode
      owner = status.st_uid
      group = status.st_gid
      byteCount = Int64(status.st_size)
      linkCount = UInt64(status.st_nlink)
    }

    package func isSameFile(as other: Status) -> Bool { device == other.device && inode == other.inode }
  }

  /// Nil when the path does not lead to anything that can be looked at.
  package static func status(_ path: String) -> Status? {
    var buffer = stat()
    return unsafe stat(path, &buffer) == 0 ? Status(buffer) : nil
  }

  /// Whether this process may write to the file or folder.
  package static func isWritable(_ path: String) -> Bool { unsafe access(path, W_OK) == 0 }

  /// Whether the name is taken, by a dangling symlink too.
  package static func exists(_ path: String) -> Bool {
    var buffer = stat()
    return unsafe lstat(path, &buffer) == 0
  }

  /// An absolute path with symlinks resolved as far as the file exists; the last component may be missing.
  ///
  /// Resolving keeps the names of WAL and journal next to the real file, as SQLite does.
  package static func absolutePath(_ path: String) throws(EncryptedStorageError) -> String {
    guard !path.isEmpty, !path.utf8.contains(0) else {
      throw EncryptedStorageError(.missing, operation: "open", file: path, detail: "an empty file name")
    }
    if let resolved = resolve(path) { return resolved }
    let (folder, name) = split(path)
    guard let resolved = resolve(folder), !name.isEmpty, name != ".", name != ".." else {
      throw EncryptedStorageError(
        .missing, operation: "open", file: path, detail: "the folder does not exist", hint: "create it first")
    }
    return resolved == "/" ? "/" + name : resolved + "/" + name
  }

  /// The absolute path of a file that is there.
  ///
  /// - Throws: `.missing`; `.notADatabase` for a folder or device.
  package static func existingFile(_ path: String) throws(EncryptedStorageError) -> String {
    let absolute = try absolutePath(path)
    guard let status = status(absolute) else {
      throw EncryptedStorageError(
        .missing, operation: "open", file: path, detail: "no such file", hint: "check the path")
    }
    guard status.isRegularFile else {
      throw EncryptedStorageError(
        .notADatabase, operation: "open", file: path, detail: "not a regular file", hint: "name the database file")
    }
    return absolute
  }

  /// Makes sure that a new database file finds no log or journal of a former one under its name: SQLite would take it for
  /// the new file's own and write the old content over it.
  ///
  /// - Throws: `.exists` naming the log or journal; empty ones are removed.
  package static func refuseForeignLog(beside target: String) throws(EncryptedStorageError) {
    for suffix in ["-wal", "-journal", RotationJournal.suffix] {
      guard let status = status(target + suffix) else { continue }
      guard status.byteCount == 0 else {
        throw EncryptedStorageError(
          .exists, operation: "create", file: target + suffix,
          detail: "belongs to a former file of this name, and would be applied to the new one",
          hint: "move it away, or choose another name")
      }
      try remove(target + suffix)
    }
    try remove(target + "-shm")
  }

  /// The folder a path lies in, `.` when it names none.
  package static func folder(of path: String) -> String { split(path).folder }

  private static func split(_ path: String) -> (folder: String, name: String) {
    guard let slash = path.lastIndex(of: "/") else { return (".", path) }
    let folder = slash == path.startIndex ? "/" : String(path[..<slash])
    return (folder, String(path[path.index(after: slash)...]))
  }

  private static func resolve(_ path: String) -> String? {
    guard let resolved = unsafe realpath(path, nil) else { return nil }
    defer { unsafe free(resolved) }
    return unsafe String(cString: resolved)
  }

  /// Removes a file; a file that is not there counts as removed.
  package static func remove(_ path: String) throws(EncryptedStorageError) {
    if unsafe unlink(path) != 0, errno != ENOENT { throw failure("remove", path, errno) }
  }

  /// Puts `source` in the place of `target` in one step. Durable only after `synchronizeFolder`.
  package static func rename(_ source: String, to target: String) throws(EncryptedStorageError) {
    if unsafe Glibc.rename(source, target) != 0 { throw failure("rename", target, errno) }
  }

  /// What tells this run of the machine from every other; empty where the kernel does not say.
  /// Source: proc_sys_kernel(5), `random/boot_id`.
  package static func bootIdentity() -> String {
    guard let file = unsafe fopen("/proc/sys/kernel/random/boot_id", "re") else { return "" }
    defer { unsafe fclose(file) }
    var line = [UInt8](repeating: 0, count: 64)
    let count = unsafe line.withUnsafeMutableBytes { unsafe fread($0.baseAddress, 1, $0.count, file) }
    return String(decoding: line.prefix(count).prefix { $0 > 32 }, as: UTF8.self)
  }

  /// Names in a folder; none when it cannot be read, as for the processes of others.
  package static func entries(of folder: String) -> [String] {
    guard let stream = unsafe opendir(folder) else { return [] }
    defer { unsafe closedir(stream) }
    var names: [String] = []
    while let entry = unsafe readdir(stream) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names
  }

  /// Gives `source` the name `target` unless that name is taken, in one step.
  ///
  /// - Throws: `.exists` when `target` exists.
  package static func publish(_ source: String, as target: String) throws(EncryptedStorageError) {
    // One call that moves the name: between link and unlink, a killed run would leave the file under both names, and a
    // later rotation would leave the old key's data under the forgotten one.
    guard unsafe CLinux_rename_no_replace(source, target) != 0 else { return }
    let code = errno
    guard code != EEXIST else { throw alreadyExists(target) }
    guard code == EINVAL || code == ENOSYS || code == ENOTSUP else { throw failure("publish", target, code) }
    // File systems that cannot rename exclusively, such as NFS.
    guard unsafe link(source, target) != 0 else { return try remove(source) }
    guard errno != EEXIST else { throw alreadyExists(target) }
    throw failure("publish", target, errno)
  }

  /// Makes created, renamed and removed names in the folder of `path` durable.
  package static func synchronizeFolder(of path: String) throws(EncryptedStorageError) {
    let folder = folder(of: path)
    let descriptor = unsafe open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure("fsync", folder, errno) }
    defer { close(descriptor) }
    // EINVAL: the file system cannot fsync folders, so there is nothing to wait for.
    if fsync(descriptor) != 0, errno != EINVAL { throw failure("fsync", folder, errno) }
  }

  /// Makes the name of a file that was just put in place durable.
  ///
  /// - Throws: `.inputOutput`, saying that the file is in place all the same.
  package static func synchronizeName(of path: String) throws(EncryptedStorageError) {
    do throws(EncryptedStorageError) { try synchronizeFolder(of: path) } catch {
      throw EncryptedStorageError(
        error.code, operation: "fsync", file: path,
        detail: "the new file is in place, but its name may not survive a power cut: \(error.detail)",
        hint: "check the disk, then run albergue-crypt verify")
    }
  }

  package static func alreadyExists(_ path: String) -> EncryptedStorageError {
    EncryptedStorageError(
      .exists, operation: "create", file: path, detail: "the file exists and is not overwritten",
      hint: "choose another name, or move the file away")
  }

  /// The error for an errno value. Source: errno(3).
  package static func failure(_ operation: String, _ path: String, _ code: Int32) -> EncryptedStorageError {
    let reason = unsafe String(cString: strerror(code))
    switch code {
    case ENOENT:
      return EncryptedStorageError(.missing, operation: operation, file: path, detail: reason, hint: "check the path")
    case EEXIST: return alreadyExists(path)
    case ENOSPC, EFBIG, EDQUOT:
      return EncryptedStorageError(
        .diskFull, operation: operation, file: path, detail: reason, hint: "free space and try again")
    case EROFS, EACCES, EPERM:
      return EncryptedStorageError(
        .readOnly, operation: operation, file: path, detail: reason,
        hint: "check the owner and mode of the file and of its folder")
    case EISDIR, ENOTDIR:
      return EncryptedStorageError(.notADatabase, operation: operation, file: path, detail: reason)
    default:
      return EncryptedStorageError(.inputOutput, operation: operation, file: path, detail: reason)
    }
  }
}
