internal import EncryptionKeys

extension ConnectionFactory {
  /// Why no key fits.
  func reasonForMisfit(
    of file: some StoredBytes, _ path: String
  ) throws(EncryptedStorageError) -> EncryptedStorageError {
    func error(
      _ code: EncryptedStorageError.Code, _ detail: String, _ hint: String?, keyID: KeyID? = nil
    ) -> EncryptedStorageError {
      EncryptedStorageError(code, operation: "open", file: path, keyID: keyID, detail: detail, hint: hint)
    }
    let appearance = FileAppearance(head: try file.bytes(at: 0, count: 4096))
    switch appearance {
    case .empty:
      return error(
        .notADatabase, "the file is empty, and any key would open it", "create it with albergue-crypt init")
    case .plaintext:
      return error(
        .plaintext, "the file is an unencrypted SQLite database", "encrypt it with albergue-crypt import")
    case .tursoEncrypted:
      return error(
        .unsupportedFormat, "the file is encrypted in Turso's own format",
        "export it with the program that wrote it, then use albergue-crypt import")
    default: break
    }
    guard !candidates.isEmpty else {
      return error(.noKey, "no key was given", "name a key file or a keyring")
    }
    if let legacy = try KeyTrial.match(file, candidates: candidates, scope: .includingLegacy) {
      return error(
        .unsupportedFormat, "the file is in an older SQLCipher format (\(legacy.profileName))",
        "convert it with albergue-crypt import", keyID: legacy.material.id)
    }
    switch appearance {
    case .legacyUnauthenticated:
      return error(
        .unsupportedFormat, "the file looks like libSQL's aes256cbc encryption, which has no authentication",
        "export it with the program that wrote it, then use albergue-crypt import")
    case .other:
      return error(.notADatabase, "the file is neither a SQLite nor a SQLCipher database", "check the path")
    default:
      return error(
        .wrongKey,
        candidates.count == 1
          ? "the key does not fit this file" : "none of the \(candidates.count) keys fits this file",
        "check which key the file was written with (albergue-crypt status)", keyID: candidates.last?.id)
    }
  }
}
