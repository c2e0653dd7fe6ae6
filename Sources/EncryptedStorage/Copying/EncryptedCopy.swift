internal import EncryptionKeys

/// Makes a complete, verified, durable copy of a database under another format or key, in a temporary file.
///
/// The caller decides what becomes of the file: a new name, the place of the source, or nothing.
struct EncryptedCopy {
  /// How the copy is written.
  enum Target {
    case encrypted(KeyMaterial, CipherFormat)
    case plaintext(pageSize: Int)
  }

  let source: Session
  let target: Target
  var progress: Progress?
  var cancellation = Cancellation()

  /// Writes to `path`, which must not exist, and leaves it synchronized.
  ///
  /// - Throws: `.damaged` when the copy is not equal to the source; `.diskFull`, `.inputOutput`, `.cancelled`.
  func write(to path: String) throws(EncryptedStorageError) -> OutputFile {
    let output = try OutputFile(creating: path)
    do {
      let keys = try keys(for: path)
      progress?.step("copying")
      let session = try CopySessions.openTarget(path, keys: keys, pageSize: pageSize)
      do {
        defer { session.close() }
        try LogicalCopy(source: source, target: session, progress: progress, cancellation: cancellation).run()
      }
      try cancellation.check("copy")
      try output.synchronize()
      try verify(path, keys)
      return output
    } catch { throw EncryptedStorageError(error, file: source.path) }
  }

  /// Reads the copy back from the file: every MAC, then every row against the source.
  private func verify(_ path: String, _ keys: PageKeys?) throws {
    if let keys {
      try PageScan(path: path, keys: keys, progress: progress, cancellation: cancellation)
        .requireWritten(operation: "copy")
    }
    progress?.step("comparing")
    let copy = try CopySessions.openSource(path, keys: keys)
    defer { copy.close() }
    try ContentComparison(source: source, target: copy, progress: progress, cancellation: cancellation).run()
  }

  /// Keys with a new salt; SQLCipher is given both, so that a passphrase, too, opens the file later.
  private func keys(for path: String) throws(KeyError) -> PageKeys? {
    guard case .encrypted(let material, let format) = target else { return nil }
    return try PageKeys(format: format, salt: Salt.random(), material: material)
  }

  private var pageSize: Int {
    if case .plaintext(let pageSize) = target { pageSize } else { 4096 }
  }
}
