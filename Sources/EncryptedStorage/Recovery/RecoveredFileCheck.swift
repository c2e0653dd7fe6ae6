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
    progress?.step("verifying")
    var scan = PageScan(path: path, keys: keys)
    scan.progress = progress
    scan.cancellation = cancellation
    let result = try scan.run()
    guard result.flaws.isEmpty, result.trailingByteCount == 0 else {
      throw EncryptedStorageError(
        .inputOutput, operation: "recover", file: path, detail: "the new file does not read back as it was written",
        hint: "check the disk")
    }
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
