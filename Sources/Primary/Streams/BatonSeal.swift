internal import COpenSSL
internal import EncryptionKeys

/// Makes batons that only this process can make: which stream, which of its requests, and a MAC over both.
///
/// Unsafe code: `EVP_Q_mac` gets buffers that live during the call. Source: https://docs.openssl.org/3.0/man3/EVP_MAC/
final class BatonSeal: Sendable {
  struct Content: Sendable, Equatable {
    let stream: UInt64
    let sequence: UInt64
  }

  enum Verdict: Sendable, Equatable {
    case genuine(Content)
    /// Of another process, perhaps of the one before a restart, or made up.
    case foreign
    case malformed
  }

  private static let macByteCount = 32
  private static let contentByteCount = 16
  private let key: SecretBytes

  /// - Throws: `.internal` when the system gives no random bytes.
  init() throws(PrimaryError) {
    key = try unsafe SecretBytes(count: Self.macByteCount) { (buffer: UnsafeMutableRawBufferPointer) throws(PrimaryError) in
      guard unsafe RAND_priv_bytes(buffer.assumingMemoryBound(to: UInt8.self).baseAddress, Int32(buffer.count)) == 1
      else { throw PrimaryError(.internal, "OpenSSL gave no random bytes") }
    }
  }

  /// A baton, in hexadecimal digits.
  func baton(_ content: Content) -> String {
    let bytes = Self.bytes(content)
    return (bytes + (mac(of: bytes) ?? [])).reduce(into: "") { text, byte in
      text += String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
    }
  }

  func open(_ baton: String) -> Verdict {
    guard let bytes = Self.bytes(digits: baton) else { return .malformed }
    let content = Array(bytes.prefix(Self.contentByteCount))
    guard let expected = mac(of: content), Self.areEqual(expected, Array(bytes.suffix(Self.macByteCount))) else {
      return .foreign
    }
    return .genuine(Content(stream: Self.number(content[..<8]), sequence: Self.number(content[8...])))
  }

  private static func bytes(_ content: Content) -> [UInt8] {
    [content.stream, content.sequence].flatMap { number in
      (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * UInt64($0))) }
    }
  }

  private static func bytes(digits: String) -> [UInt8]? {
    let values = digits.utf8.prefix(256).map { digit in Character(Unicode.Scalar(digit)).hexDigitValue }
    guard values.count == 2 * (contentByteCount + macByteCount), values.allSatisfy({ $0 != nil }) else { return nil }
    return stride(from: 0, to: values.count, by: 2).map { UInt8((values[$0] ?? 0) << 4 | (values[$0 + 1] ?? 0)) }
  }

  private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }

  private func mac(of bytes: [UInt8]) -> [UInt8]? {
    var output = [UInt8](repeating: 0, count: Self.macByteCount)
    var count = 0
    let isDone = unsafe key.withUnsafeBytes { key in
      unsafe EVP_Q_mac(
        nil, "HMAC", nil, "SHA256", nil, key.baseAddress, key.count, bytes, bytes.count, &output, output.count, &count)
        != nil
    }
    return isDone && count == Self.macByteCount ? output : nil
  }

  private static func areEqual(_ one: [UInt8], _ other: [UInt8]) -> Bool {
    unsafe one.count == other.count && CRYPTO_memcmp(one, other, one.count) == 0
  }
}
