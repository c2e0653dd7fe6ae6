internal import COpenSSL
internal import EncryptionKeys

/// Random bytes that exist only in this process, and MACs under them: they tell apart what this process has seen, without
/// keeping it.
///
/// Unsafe code: OpenSSL gets buffers that live during the call. Source: https://docs.openssl.org/3.0/man3/EVP_MAC/
final class ProcessSecret: Sendable {
  /// Size of a MAC: HMAC-SHA256.
  static let macByteCount = 32
  private let key: SecretBytes

  /// - Throws: `.internal` when the system gives no random bytes.
  init() throws(PrimaryError) {
    key = try unsafe SecretBytes(count: Self.macByteCount) {
      (buffer: UnsafeMutableRawBufferPointer) throws(PrimaryError) in
      guard unsafe RAND_priv_bytes(buffer.assumingMemoryBound(to: UInt8.self).baseAddress, Int32(buffer.count)) == 1
      else { throw PrimaryError(.internal, "OpenSSL gave no random bytes") }
    }
  }

  /// The MAC of `bytes`; nil when OpenSSL fails.
  func mac(of bytes: [UInt8]) -> [UInt8]? {
    var output = [UInt8](repeating: 0, count: Self.macByteCount)
    var count = 0
    let isDone = unsafe key.withUnsafeBytes { key in
      unsafe EVP_Q_mac(
        nil, "HMAC", nil, "SHA256", nil, key.baseAddress, key.count, bytes, bytes.count, &output, output.count, &count)
        != nil
    }
    return isDone && count == Self.macByteCount ? output : nil
  }

  /// Whether `mac` is that of `bytes`, in a time that does not depend on where they differ.
  func isMAC(_ mac: [UInt8], of bytes: [UInt8]) -> Bool {
    guard let expected = self.mac(of: bytes), expected.count == mac.count else { return false }
    return unsafe CRYPTO_memcmp(expected, mac, mac.count) == 0
  }
}
