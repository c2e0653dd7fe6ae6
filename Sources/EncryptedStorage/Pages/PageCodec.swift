internal import COpenSSL
package import EncryptionKeys

/// Authenticates, decrypts and encrypts pages of one SQLCipher file, with contexts made once and used for every page.
///
/// Page layout: `[ciphertext][IV 16][MAC][padding]`, the last three being the reserve. On page 1 the first 16 bytes are
/// the salt in clear, where the decrypted page has SQLite's magic. The MAC covers ciphertext, IV and the page number as
/// four bytes little-endian. Source: sqlcipher v4.6.1 src/sqlcipher.c (`sqlcipher_page_cipher`, `sqlcipher_page_hmac`).
///
/// Not Sendable: OpenSSL contexts belong to one thread at a time. Make one codec per thread.
///
/// Unsafe code: owns three OpenSSL contexts, freed in `deinit` and nowhere else; every pointer handed to OpenSSL comes
/// from a span whose length was checked against the page size first.
@safe package final class PageCodec {
  package let format: CipherFormat
  private let salt: Salt
  private let mac: OpaquePointer
  private let keys: PageKeys
  private var decryption: OpaquePointer?
  private var encryption: OpaquePointer?

  package static let initializationVectorByteCount = 16
  /// First 16 bytes of every SQLite database. Source: https://www.sqlite.org/fileformat2.html#the_database_header
  package static let magic: [UInt8] = Array("SQLite format 3\0".utf8)

  package init(_ keys: PageKeys) throws(EncryptedStorageError) {
    format = keys.format
    salt = keys.salt
    self.keys = keys
    guard let context = unsafe OpenSSLContexts.mac(keys) else {
      throw OpenSSLContexts.unavailable("HMAC-\(keys.format.mac.rawValue)")
    }
    unsafe mac = context
  }

  deinit {
    unsafe EVP_MAC_CTX_free(mac)
    unsafe EVP_CIPHER_CTX_free(decryption)
    unsafe EVP_CIPHER_CTX_free(encryption)
  }

  /// Whether the MAC of `page` fits this file, this key and this page number. Constant time in the MAC.
  package func isAuthentic(_ page: RawSpan, number: UInt32) -> Bool {
    guard page.byteCount == format.pageSize else { return false }
    let computed = authenticationCode(of: page, number: number)
    guard computed.count >= format.macByteCount else { return false }
    let stored = authenticatedEnd
    return unsafe page.withUnsafeBytes { bytes in
      unsafe computed.withUnsafeBytes { code in
        guard let base = bytes.baseAddress, let expected = code.baseAddress else { return false }
        return unsafe CRYPTO_memcmp(base + stored, expected, format.macByteCount) == 0
      }
    }
  }

  /// Decrypts `page` in place, without looking at the MAC. The salt of page 1 becomes SQLite's magic.
  ///
  /// The reserve keeps its bytes, so the result is a valid page of a SQLite file with that reserve.
  package func decrypt(_ page: inout MutableRawSpan, number: UInt32) throws(EncryptedStorageError) {
    try check(page.byteCount)
    let start = encryptedStart(number)
    let end = format.pageSize - format.reserve
    let context = try unsafe context(encrypting: false)
    let done = unsafe page.withUnsafeMutableBytes { bytes -> Bool in
      guard let base = unsafe bytes.bindMemory(to: UInt8.self).baseAddress else { return false }
      return unsafe Self.crypt(context, base + start, end - start, initializationVector: base + end)
    }
    guard done else { throw Self.failure("decrypt page") }
    if number == 1 {
      for (offset, byte) in Self.magic.enumerated() {
        page.storeBytes(of: byte, toByteOffset: offset, as: UInt8.self)
      }
    }
  }

  /// Encrypts `page` in place under the 16 fresh random bytes `initializationVector`, and writes its MAC.
  ///
  /// The bytes of the reserve after the MAC become zero. The magic of page 1 becomes the salt.
  package func encrypt(
    _ page: inout MutableRawSpan, number: UInt32, initializationVector: RawSpan
  ) throws(EncryptedStorageError) {
    try check(page.byteCount)
    guard initializationVector.byteCount == Self.initializationVectorByteCount else {
      throw Self.failure("encrypt page: the initialization vector has the wrong length,")
    }
    let start = encryptedStart(number)
    let end = format.pageSize - format.reserve
    let context = try unsafe context(encrypting: true)
    let done = unsafe page.withUnsafeMutableBytes { bytes -> Bool in
      guard let base = unsafe bytes.bindMemory(to: UInt8.self).baseAddress else { return false }
      unsafe (base + end).update(repeating: 0, count: format.reserve)
      unsafe initializationVector.withUnsafeBytes { vector in
        unsafe UnsafeMutableRawBufferPointer(start: base + end, count: vector.count).copyMemory(from: vector)
      }
      return unsafe Self.crypt(context, base + start, end - start, initializationVector: base + end)
    }
    guard done else { throw Self.failure("encrypt page") }
    if number == 1 {
      for (offset, byte) in salt.bytes.enumerated() {
        page.storeBytes(of: byte, toByteOffset: offset, as: UInt8.self)
      }
    }
    let code = authenticationCode(of: page.bytes, number: number)
    guard code.count >= format.macByteCount else { throw Self.failure("authenticate page") }
    for offset in 0..<format.macByteCount {
      page.storeBytes(of: code[offset], toByteOffset: authenticatedEnd + offset, as: UInt8.self)
    }
  }

  /// `count` bytes from OpenSSL's generator, for initialization vectors.
  package static func randomBytes(into buffer: inout MutableRawSpan) throws(EncryptedStorageError) {
    let done = unsafe buffer.withUnsafeMutableBytes { bytes -> Bool in
      guard let base = unsafe bytes.bindMemory(to: UInt8.self).baseAddress else { return bytes.count == 0 }
      return unsafe RAND_bytes(base, Int32(truncatingIfNeeded: bytes.count)) == 1
    }
    guard done else { throw failure("random bytes") }
  }

  // MARK: - Layout

  /// Where encryption and MAC begin: page 1 carries the salt first.
  private func encryptedStart(_ number: UInt32) -> Int { number == 1 ? Salt.byteCount : 0 }

  /// Where the MAC is stored: after ciphertext and initialization vector.
  private var authenticatedEnd: Int {
    format.pageSize - format.reserve + Self.initializationVectorByteCount
  }

  private func check(_ byteCount: Int) throws(EncryptedStorageError) {
    guard byteCount == format.pageSize else {
      throw EncryptedStorageError(
        .damaged, operation: "page codec", detail: "a page of \(byteCount) bytes, expected \(format.pageSize)")
    }
  }

  // MARK: - OpenSSL

  /// A key trial and a verification need only the MAC, so the cipher contexts are made when they are first used.
  private func context(encrypting: Bool) throws(EncryptedStorageError) -> OpaquePointer {
    if let made = unsafe encrypting ? encryption : decryption { return unsafe made }
    guard let context = unsafe OpenSSLContexts.cipher(keys, encrypting: encrypting ? 1 : 0) else {
      throw OpenSSLContexts.unavailable("AES-256-CBC")
    }
    if encrypting { unsafe encryption = context } else { unsafe decryption = context }
    return unsafe context
  }

  /// The MAC of a page; an empty array when OpenSSL failed, which no stored MAC equals.
  private func authenticationCode(of page: RawSpan, number: UInt32) -> AuthenticationCode {
    var code = AuthenticationCode()
    let start = encryptedStart(number)
    let length = authenticatedEnd - start
    let littleEndian = number.littleEndian
    unsafe page.withUnsafeBytes { bytes in
      guard let base = unsafe bytes.bindMemory(to: UInt8.self).baseAddress else { return }
      // A null key restarts the context with the key it has. Source: OpenSSL 3 EVP_MAC_init(3).
      guard unsafe EVP_MAC_init(mac, nil, 0, nil) == 1, unsafe EVP_MAC_update(mac, base + start, length) == 1 else {
        return
      }
      let numbered = unsafe withUnsafeBytes(of: littleEndian) { number in
        unsafe EVP_MAC_update(mac, number.bindMemory(to: UInt8.self).baseAddress, number.count) == 1
      }
      guard numbered else { return }
      unsafe code.fill { buffer in
        var written = 0
        let final = unsafe EVP_MAC_final(mac, buffer.bindMemory(to: UInt8.self).baseAddress, &written, buffer.count)
        return final == 1 ? written : 0
      }
    }
    return code
  }

  private static func crypt(
    _ context: OpaquePointer, _ bytes: UnsafeMutablePointer<UInt8>, _ count: Int,
    initializationVector: UnsafeMutablePointer<UInt8>
  ) -> Bool {
    var written: Int32 = 0
    guard unsafe EVP_CipherInit_ex2(context, nil, nil, initializationVector, -1, nil) == 1 else { return false }
    return unsafe EVP_CipherUpdate(context, bytes, &written, bytes, Int32(count)) == 1 && Int(written) == count
  }

  private static func failure(_ step: String) -> EncryptedStorageError {
    EncryptedStorageError(.cipherUnavailable, operation: step, detail: "OpenSSL refused the operation")
  }
}

/// Room for the longest MAC (HMAC-SHA512, 64 bytes) without an allocation per page.
struct AuthenticationCode {
  private var storage: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0, 0)
  private(set) var count = 0

  subscript(index: Int) -> UInt8 {
    unsafe withUnsafeBytes { unsafe $0[index] }
  }

  func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
    unsafe Swift.withUnsafeBytes(of: storage) { unsafe body($0) }
  }

  /// `body` writes and answers how many bytes it wrote.
  mutating func fill(_ body: (UnsafeMutableRawBufferPointer) -> Int) {
    count = unsafe Swift.withUnsafeMutableBytes(of: &storage) { unsafe body($0) }
  }
}

/// Makes the contexts of a codec; nil when OpenSSL does not offer the algorithm.
private enum OpenSSLContexts {
  static func mac(_ keys: PageKeys) -> OpaquePointer? {
    guard let algorithm = unsafe EVP_MAC_fetch(nil, "HMAC", nil) else { return nil }
    defer { unsafe EVP_MAC_free(algorithm) }
    guard let context = unsafe EVP_MAC_CTX_new(algorithm) else { return nil }
    // OSSL_PARAM keeps both pointers, so the name of the parameter, too, has to outlive the call that reads it.
    let parameterName = Array("digest".utf8CString)
    var digest = Array(keys.format.mac.rawValue.uppercased().utf8CString)
    let ready = unsafe parameterName.withUnsafeBufferPointer { parameterName in
      unsafe digest.withUnsafeMutableBufferPointer { name in
        let parameters = unsafe [
          OSSL_PARAM_construct_utf8_string(parameterName.baseAddress, name.baseAddress, 0), OSSL_PARAM_construct_end(),
        ]
        return unsafe keys.authenticationKey.withUnsafeBytes { key in
          unsafe EVP_MAC_init(context, key.bindMemory(to: UInt8.self).baseAddress, key.count, parameters) == 1
        }
      }
    }
    guard ready else {
      unsafe EVP_MAC_CTX_free(context)
      return nil
    }
    return unsafe context
  }

  static func cipher(_ keys: PageKeys, encrypting: Int32) -> OpaquePointer? {
    guard let cipher = unsafe EVP_CIPHER_fetch(nil, "AES-256-CBC", nil) else { return nil }
    defer { unsafe EVP_CIPHER_free(cipher) }
    guard let context = unsafe EVP_CIPHER_CTX_new() else { return nil }
    let zeroVector = [UInt8](repeating: 0, count: PageCodec.initializationVectorByteCount)
    let ready = unsafe keys.encryptionKey.withUnsafeBytes { key in
      unsafe EVP_CipherInit_ex2(
        context, cipher, key.bindMemory(to: UInt8.self).baseAddress, zeroVector, encrypting, nil) == 1
    }
    guard ready, unsafe EVP_CIPHER_CTX_set_padding(context, 0) == 1 else {
      unsafe EVP_CIPHER_CTX_free(context)
      return nil
    }
    return unsafe context
  }

  static func unavailable(_ algorithm: String) -> EncryptedStorageError {
    EncryptedStorageError(
      .cipherUnavailable, operation: "page codec", detail: "OpenSSL does not offer \(algorithm)",
      hint: "check the OpenSSL configuration of this machine (openssl list -providers)")
  }
}
