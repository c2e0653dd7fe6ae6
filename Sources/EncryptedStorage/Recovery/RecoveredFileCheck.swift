internal import EncryptionKeys

/// Reads a recovered file back before it gets its name.
struct RecoveredFileCheck {
  let path: String
  let keys: PageKeys
  var progress: Progress?
  var cancellation = Cancellation()

  /// Whether SQLCipher, too, can read the file and finds no fault in its structure.
  ///
  /// - Throws: `.inputOutput` when a page does not read back as it was written.
  func isSound() throws(EncryptedStorageError) -> Bool {
    try PageScan(path: path, keys: keys, progress: progress, cancellation: cancellation)
      .requireWritten(operation: "recover")
    do throws(EncryptedStorageError) {
      let session = try CopySessions.openSource(path, keys: keys, isImmutable: true)
      defer { session.close() }
      return try session.value("PRAGMA quick_check(1)") == .text("ok")
    } catch {
      guard error.code == .damaged || error.code == .statement else { throw error }
      return false
    }
  }
}
