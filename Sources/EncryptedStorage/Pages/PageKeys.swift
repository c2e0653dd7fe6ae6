package import EncryptionKeys

/// The two keys of one SQLCipher file: for its cipher and for its MAC.
///
/// The MAC key is PBKDF2(encryption key, salt with every byte XOR 0x3A, 2 iterations, 32 bytes), with the digest of the
/// *key derivation*, not of the MAC. Source: sqlcipher v4.6.1 src/sqlcipher.c (`sqlcipher_cipher_ctx_key_derive`);
/// shared facts: sqlcipher-format.md section 2.
package final class PageKeys: Sendable {
  package let format: CipherFormat
  package let salt: Salt
  let encryptionKey: EncryptionKey
  let authenticationKey: SecretBytes

  private static let saltMask: UInt8 = 0x3A
  private static let fastIterations = 2

  package init(
    format: CipherFormat, salt: Salt, encryptionKey: consuming EncryptionKey
  ) throws(KeyError) {
    let maskedSalt = salt.bytes.map { $0 ^ Self.saltMask }
    authenticationKey = try unsafe encryptionKey.withUnsafeBytes { (password) throws(KeyError) in
      try unsafe PBKDF2.derive(
        password: password, salt: maskedSalt, iterations: Self.fastIterations, digest: format.derivation.digest,
        byteCount: EncryptionKey.byteCount)
    }
    self.format = format
    self.salt = salt
    self.encryptionKey = encryptionKey
  }

  /// Derives the keys of a file from what its owner gave; a passphrase is derived once per process and salt.
  package convenience init(format: CipherFormat, salt: Salt, material: KeyMaterial) throws(KeyError) {
    try self.init(
      format: format, salt: salt,
      encryptionKey: material.encryptionKey(salt: salt, derivation: format.derivation))
  }
}
