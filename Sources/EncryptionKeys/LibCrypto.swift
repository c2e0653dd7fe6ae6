internal import COpenSSL

/// The calls into OpenSSL's libcrypto; the only file of this module that imports it.
enum LibCrypto {
  /// Overwrites `buffer` with zeros in a way the compiler does not remove.
  static func cleanse(_ buffer: UnsafeMutableRawBufferPointer) {
    unsafe OPENSSL_cleanse(buffer.baseAddress, buffer.count)
  }

  /// Compares in a time that depends on the count only. Both must have the same count.
  static func isEqual(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
    precondition(left.count == right.count, "constant-time comparison of different counts")
    guard let leftBase = left.baseAddress, let rightBase = right.baseAddress else { return true }
    return unsafe CRYPTO_memcmp(leftBase, rightBase, left.count) == 0
  }

  /// Fills `buffer` from the generator for values that must stay secret (`RAND_priv_bytes`).
  static func fillPrivateRandom(_ buffer: UnsafeMutableRawBufferPointer) throws(KeyError) {
    ERR_clear_error()
    let bytes = unsafe buffer.assumingMemoryBound(to: UInt8.self)
    guard unsafe RAND_priv_bytes(bytes.baseAddress, try length(buffer.count)) == 1 else {
      throw drainedError("random generator")
    }
  }

  /// Fills `buffer` from the generator for values that become public (`RAND_bytes`).
  static func fillPublicRandom(_ buffer: UnsafeMutableRawBufferPointer) throws(KeyError) {
    ERR_clear_error()
    let bytes = unsafe buffer.assumingMemoryBound(to: UInt8.self)
    guard unsafe RAND_bytes(bytes.baseAddress, try length(buffer.count)) == 1 else {
      throw drainedError("random generator")
    }
  }

  /// PBKDF2-HMAC (`PKCS5_PBKDF2_HMAC`) into all of `output`.
  static func pbkdf2(
    password: UnsafeRawBufferPointer, salt: [UInt8], iterations: Int32, digest: DigestAlgorithm,
    into output: UnsafeMutableRawBufferPointer
  ) throws(KeyError) {
    ERR_clear_error()
    let digestFunction =
      switch digest {
      case .sha1: unsafe EVP_sha1()
      case .sha256: unsafe EVP_sha256()
      case .sha512: unsafe EVP_sha512()
      }
    let result = unsafe PKCS5_PBKDF2_HMAC(
      password.assumingMemoryBound(to: CChar.self).baseAddress, try length(password.count),
      salt, try length(salt.count), iterations, digestFunction,
      try length(output.count), output.assumingMemoryBound(to: UInt8.self).baseAddress)
    guard result == 1 else { throw drainedError("key derivation") }
  }

  /// OpenSSL counts in `int`.
  private static func length(_ count: Int) throws(KeyError) -> Int32 {
    guard let length = Int32(exactly: count) else {
      throw KeyError(.usage, "\(count) bytes are too many for libcrypto")
    }
    return length
  }

  /// The thread's last libcrypto error, with the error queue emptied so that nobody else reports it.
  private static func drainedError(_ operation: String) -> KeyError {
    let number = ERR_get_error()
    ERR_clear_error()
    let reason = unsafe ERR_reason_error_string(number)
    let text = if let reason = unsafe reason { unsafe String(cString: reason) } else { "error \(number)" }
    return KeyError(.io, "libcrypto: \(operation) failed: \(text)")
  }
}
