/// A hash function, as the base of an HMAC.
public enum DigestAlgorithm: String, Hashable, Sendable, CaseIterable {
  /// SHA-1, 20 bytes: SQLCipher 3 and older.
  case sha1
  /// SHA-256, 32 bytes: faster where the processor has SHA instructions.
  case sha256
  /// SHA-512, 64 bytes: SQLCipher 4's default.
  case sha512

  /// Size of the digest, in bytes.
  public var byteCount: Int {
    switch self {
    case .sha1: 20
    case .sha256: 32
    case .sha512: 64
    }
  }
}

/// Password-based key derivation, PBKDF2 with an HMAC.
///
/// - Source: RFC 8018, section 5.2; computed by OpenSSL's `PKCS5_PBKDF2_HMAC`.
public enum PBKDF2 {
  /// Derives `byteCount` bytes from a password and a salt. Blocks the thread: 256 000 rounds take some 0.1 to 0.4 s.
  ///
  /// - Parameter password: read during the call only; may be empty.
  /// - Parameter iterations: 1 to 2^31 - 1.
  /// - Parameter byteCount: 1 or more.
  /// - Throws: ``KeyError`` `.usage` for a number out of range, `.io` if libcrypto fails.
  public static func derive(
    password: UnsafeRawBufferPointer, salt: [UInt8], iterations: Int, digest: DigestAlgorithm, byteCount: Int
  ) throws(KeyError) -> SecretBytes {
    guard let rounds = Int32(exactly: iterations), rounds >= 1 else {
      throw KeyError(.usage, "key derivation needs 1 to \(Int32.max) iterations, not \(iterations)")
    }
    guard (1...Int(Int32.max)).contains(byteCount) else {
      throw KeyError(.usage, "key derivation cannot yield \(byteCount) bytes")
    }
    return try unsafe SecretBytes(count: byteCount) { (output: UnsafeMutableRawBufferPointer) throws(KeyError) in
      try unsafe LibCrypto.pbkdf2(
        password: password, salt: salt, iterations: rounds, digest: digest, into: output)
    }
  }
}
