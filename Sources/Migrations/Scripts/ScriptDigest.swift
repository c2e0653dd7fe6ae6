internal import COpenSSL

/// SHA-256 of a script.
///
/// Unsafe code: both buffers live during the one call.
/// Source: https://docs.openssl.org/3.0/man3/EVP_DigestInit/
enum ScriptDigest {
  /// - Returns: 64 lower-case digits.
  static func sha256(_ bytes: [UInt8]) throws(MigrationError) -> String {
    var digest = [UInt8](repeating: 0, count: 32)
    guard unsafe EVP_Digest(bytes, bytes.count, &digest, nil, EVP_sha256(), nil) == 1 else {
      throw MigrationError(.inputOutput, "OpenSSL refused SHA-256", hint: "install OpenSSL 3 (./taskw deps:install)")
    }
    let digits = Array("0123456789abcdef")
    return String(digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
  }
}
