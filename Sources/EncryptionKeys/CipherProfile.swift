/// A named ``CipherFormat`` that we write.
///
/// Both profiles derive passphrases alike, so that one pragma, `cipher_hmac_algorithm`, is all another SQLCipher tool
/// has to set for ``sqlcipher4SHA256``.
public enum CipherProfile: String, Sendable, CaseIterable {
  /// SQLCipher 4's defaults: HMAC-SHA512. What every SQLCipher tool expects.
  case sqlcipher4 = "sqlcipher4"
  /// SQLCipher 4 with HMAC-SHA256: faster with SHA-NI, 32 more usable bytes per page.
  case sqlcipher4SHA256 = "sqlcipher4-sha256"

  /// Reads a profile by its name, exactly as in `rawValue`.
  ///
  /// - Throws: ``KeyError`` `.usage` for an unknown name, which is not repeated: a key in the wrong place would show.
  public init(parsing name: String) throws(KeyError) {
    guard name != "aes256cbc" else {
      throw KeyError(
        .usage,
        "cipher aes256cbc is refused: libSQL's format is unauthenticated, has no per-file salt and cannot be rotated",
        hint: "use sqlcipher4")
    }
    guard let profile = CipherProfile(rawValue: name) else {
      let known = CipherProfile.allCases.map(\.rawValue).joined(separator: ", ")
      throw KeyError(.usage, "unknown cipher profile", hint: "known: \(known)")
    }
    self = profile
  }

  /// The parameters of this profile: page size 4096, PBKDF2-HMAC-SHA512 with 256 000 rounds.
  public var format: CipherFormat {
    switch self {
    case .sqlcipher4: CipherFormat(mac: .sha512, derivation: .sqlcipher4)
    case .sqlcipher4SHA256: CipherFormat(mac: .sha256, derivation: .sqlcipher4)
    }
  }
}

extension CipherProfile: CustomStringConvertible {
  /// The name, as in a keyring or `TURSO_ENCRYPTION_CIPHER`.
  public var description: String { rawValue }
}
