/// A database file in the making: under a temporary name until it is complete, then under its own, which must be free.
struct NewDatabaseFile {
  /// The final name, absolute.
  let path: String
  private let temporary: TemporaryFile

  /// Takes a name for a new file, and removes what killed runs left beside it.
  ///
  /// - Throws: `.exists` when the name is taken, or when the log or journal of a former file waits for it; `.missing` for a
  ///   folder that is not there.
  init(_ destination: String) throws(EncryptedStorageError) {
    path = try FileSystem.absolutePath(destination)
    temporary = TemporaryFile(beside: path)
    TemporaryFile.removeAbandoned(beside: path)
    guard !FileSystem.exists(path) else { throw FileSystem.alreadyExists(destination) }
    try FileSystem.refuseForeignLog(beside: path)
  }

  /// Where to write it.
  var temporaryPath: String { temporary.path }

  /// Gives the file its name, in one step and durably.
  ///
  /// - Parameter output: the file, whose content must be synchronized. It is closed before it gets its name.
  /// - Throws: `.exists` when the name was taken meanwhile; `.busy` when another process that makes a file of this name
  ///   took this one for an abandoned one.
  func publish(_ output: OutputFile) throws(EncryptedStorageError) {
    try FileSystem.refuseForeignLog(beside: path)
    output.close()
    try OpenFiles.requireClosedHere(temporary.path)
    do throws(EncryptedStorageError) { try FileSystem.publish(temporary.path, as: path) } catch {
      guard error.code == .missing else { throw error }
      throw EncryptedStorageError(
        .busy, operation: "create", file: path, detail: "another process is making a file of this name",
        hint: "try again when it has finished")
    }
    CrashPoint.reach("published")
    try FileSystem.synchronizeName(of: path)
  }

  /// Removes what was not published.
  func discard() { temporary.discard() }
}
