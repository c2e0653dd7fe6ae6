internal import COpenSSL
package import EncryptionKeys

/// AES-256-GCM and HMAC-SHA256 under one key.
///
/// Unsafe code: one OpenSSL context per call, freed before it returns; every pointer comes from an array or a key whose count
/// goes with it. The only file of this module that calls libcrypto.
///
/// - Source: NIST SP 800-38D; EVP_EncryptInit(3), EVP_Q_mac(3).
@safe struct AuthenticatedCipher: Sendable {
  /// A text that was encrypted: 12 bytes, 16 bytes, as many as the text has.
  struct Sealed: Sendable, Hashable {
    var nonce: [UInt8]
    var tag: [UInt8]
    var text: [UInt8]
  }

  static let nonceByteCount = 12
  static let tagByteCount = 16

  private let key: FieldKey

  init(_ key: FieldKey) { self.key = key }

  /// Encrypts with a nonce that is made for it. Random nonces of 96 bits are good for 2^32 texts under one key.
  ///
  /// - Parameter context: is not stored; who decrypts has to give the same.
  /// - Throws: ``StoreError`` `.cipher` when libcrypto fails.
  func seal(_ text: [UInt8], context associated: [UInt8] = []) throws(StoreError) -> Sealed {
    var sealed = Sealed(
      nonce: [UInt8](repeating: 0, count: Self.nonceByteCount), tag: [UInt8](repeating: 0, count: Self.tagByteCount),
      text: [UInt8](repeating: 0, count: text.count))
    guard let count = Int32(exactly: text.count), unsafe RAND_bytes(&sealed.nonce, Int32(Self.nonceByteCount)) == 1,
      let context = unsafe EVP_CIPHER_CTX_new()
    else { throw Self.failure() }
    defer { unsafe EVP_CIPHER_CTX_free(context) }
    var written: Int32 = 0
    let isReady = unsafe key.withBytes { unsafe EVP_EncryptInit_ex2(context, EVP_aes_256_gcm(), $0, sealed.nonce, nil) }
    guard isReady == 1,
      associated.isEmpty
        || (unsafe EVP_EncryptUpdate(context, nil, &written, associated, Int32(clamping: associated.count))) == 1,
      unsafe EVP_EncryptUpdate(context, &sealed.text, &written, text, count) == 1, written == count
    else { throw Self.failure() }
    var end = [UInt8](repeating: 0, count: Self.tagByteCount)
    guard unsafe EVP_EncryptFinal_ex(context, &end, &written) == 1,
      unsafe EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, Int32(Self.tagByteCount), &sealed.tag) == 1
    else { throw Self.failure() }
    return sealed
  }

  /// - Returns: the text; nil when it was not encrypted with this key and for this context, or was changed since.
  func open(_ sealed: Sealed, context associated: [UInt8] = []) -> [UInt8]? {
    guard sealed.nonce.count == Self.nonceByteCount, sealed.tag.count == Self.tagByteCount,
      let count = Int32(exactly: sealed.text.count), let context = unsafe EVP_CIPHER_CTX_new()
    else { return nil }
    defer {
      unsafe EVP_CIPHER_CTX_free(context)
      ERR_clear_error()
    }
    var text = [UInt8](repeating: 0, count: sealed.text.count)
    var tag = sealed.tag
    var written: Int32 = 0
    let isReady = unsafe key.withBytes { unsafe EVP_DecryptInit_ex2(context, EVP_aes_256_gcm(), $0, sealed.nonce, nil) }
    var end = [UInt8](repeating: 0, count: Self.tagByteCount)
    guard isReady == 1,
      associated.isEmpty
        || (unsafe EVP_DecryptUpdate(context, nil, &written, associated, Int32(clamping: associated.count))) == 1,
      unsafe EVP_DecryptUpdate(context, &text, &written, sealed.text, count) == 1, written == count,
      unsafe EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, Int32(Self.tagByteCount), &tag) == 1,
      unsafe EVP_DecryptFinal_ex(context, &end, &written) == 1
    else { return nil }
    return text
  }

  /// HMAC-SHA256: 32 bytes.
  ///
  /// - Throws: ``StoreError`` `.cipher` when libcrypto fails.
  func code(for message: [UInt8]) throws(StoreError) -> [UInt8] {
    var code = [UInt8](repeating: 0, count: 32)
    var count = 0
    let result = unsafe key.withBytes { bytes in
      unsafe EVP_Q_mac(
        nil, "HMAC", nil, "SHA256", nil, bytes, EncryptionKey.byteCount, message, message.count, &code, code.count,
        &count)
    }
    guard unsafe result != nil, count == code.count else { throw Self.failure() }
    return code
  }

  private static func failure() -> StoreError {
    ERR_clear_error()
    return StoreError(.cipher, "libcrypto could not encrypt a column")
  }
}

/// A key for columns, shared by reference so that it exists once. It is not printed.
@safe package final class FieldKey: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  private let key: EncryptionKey

  package init(_ key: consuming EncryptionKey) { self.key = key }

  /// Calls `body` with the 32 bytes; the pointer is valid during the call only.
  func withBytes<R>(_ body: (UnsafePointer<UInt8>?) -> R) -> R {
    unsafe key.withUnsafeBytes { unsafe body($0.assumingMemoryBound(to: UInt8.self).baseAddress) }
  }

  package var description: String { "<redacted>" }
  package var debugDescription: String { description }
  package var customMirror: Mirror { Mirror(self, children: []) }
}
