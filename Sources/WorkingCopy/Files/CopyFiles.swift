internal import EncryptedStorage
internal import Glibc

/// The files of a working copy. All are encrypted under its key.
struct CopyFiles: Sendable {
  /// The working copy, absolute.
  let path: String

  /// The remote's image that the working copy was made from: a page store.
  var base: String { path + WorkingCopy.baseSuffix }
  /// A newer image, which takes the place of the base when there is a working copy made from it.
  var next: String { path + ".albergue-next" }
  /// A working copy in the making.
  var fresh: String { path + ".albergue-new" }
  /// A copy of the remote to rehearse a push on.
  var rehearsal: String { path + ".albergue-rehearsal" }
  /// The statements of a push.
  var spool: String { path + ".albergue-spool" }
  /// Locked by the run that works here. Empty.
  var lock: String { path + ".albergue-lock" }

  /// What SQLite and our writers put beside a database.
  private static let companions = ["-wal", "-shm", "-journal", "-writer.lock"]

  /// - Throws: `.missing` for a folder that is not there.
  init(_ path: String) throws(EncryptedStorageError) { self.path = try FileSystem.absolutePath(path) }

  /// Removes a file of ours with everything whose name begins with its name. What is not there counts as removed.
  func remove(_ file: String) throws(EncryptedStorageError) {
    let folder = FileSystem.folder(of: file)
    let name = file.dropFirst(folder == "/" ? 1 : folder.utf8.count + 1)
    for entry in FileSystem.entries(of: folder) where entry.hasPrefix(name) {
      try FileSystem.remove(folder + "/" + entry)
    }
  }

  /// Puts a file in the place of another one, or in a free place, durably.
  ///
  /// - Parameters:
  ///   - file: closed, durable, without a log.
  ///   - target: locked by `session`; nil when there is none.
  /// - Throws: `.busy` when somebody has it open.
  static func replace(_ target: String, with file: String, locked session: ExclusiveSession?) throws {
    for suffix in companions { try FileSystem.remove(file + suffix) }
    guard let session else {
      try FileSystem.refuseForeignLog(beside: target)
      try FileSystem.publish(file, as: target)
      return try FileSystem.synchronizeName(of: target)
    }
    try OpenFiles.refuseOthers(having: target, expectedHere: nil)
    try OpenFiles.requireClosedHere(file)
    if let status = FileSystem.status(target) { try adopt(status, file) }
    try session.removeLog()
    try FileSystem.rename(file, to: target)
    try FileSystem.synchronizeName(of: target)
  }

  /// Gives the new file owner, group and mode of the old one, which its user may have set.
  private static func adopt(_ status: FileSystem.Status, _ file: String) throws(EncryptedStorageError) {
    guard let own = FileSystem.status(file) else { return }
    if own.owner != status.owner || own.group != status.group {
      guard unsafe chown(file, status.owner, status.group) == 0 else { throw FileSystem.failure("chown", file, errno) }
    }
    if own.permissions != status.permissions {
      guard unsafe chmod(file, mode_t(status.permissions)) == 0 else { throw FileSystem.failure("chmod", file, errno) }
    }
  }

  /// Copies the stored bytes of an encrypted file that nobody writes to and that has no log.
  ///
  /// - Parameter target: must not exist; complete or absent.
  static func duplicate(_ source: String, to target: String, _ cancellation: Cancellation) throws {
    let file = try RawDatabaseFile(path: source)
    let temporary = TemporaryFile(beside: target)
    defer { temporary.discard() }
    let output = try OutputFile(creating: temporary.path)
    let byteCount = try file.byteCount()
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    var offset: Int64 = 0
    while offset < byteCount {
      try cancellation.check("copy")
      let count = Int(min(Int64(buffer.count), byteCount - offset))
      if count < buffer.count { buffer.removeLast(buffer.count - count) }
      var bytes = buffer.mutableSpan
      var raw = unsafe bytes.mutableBytes
      try file.read(into: &raw, at: offset)
      try output.write(unsafe buffer.span.bytes, at: offset)
      offset += Int64(count)
    }
    try output.synchronize()
    output.close()
    try FileSystem.publish(temporary.path, as: target)
    try FileSystem.synchronizeName(of: target)
  }
}
