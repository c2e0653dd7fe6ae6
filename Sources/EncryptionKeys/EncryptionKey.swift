/// A raw key: 32 secret bytes for AES-256.
public struct EncryptionKey: ~Copyable, Sendable {
  /// Size of every key, in bytes.
  public static let byteCount = 32

  private let bytes: SecretBytes

  /// Takes over `bytes` as a key.
  ///
  /// - Shape: exactly 32 bytes, not all of them zero.
  /// - Throws: ``KeyError`` `.unusable` if the count differs or every byte is zero (memory that nobody filled).
  public init(_ bytes: consuming SecretBytes) throws(KeyError) {
    guard bytes.count == Self.byteCount else {
      throw KeyError(.unusable, "a key has \(Self.byteCount) bytes, this one has \(bytes.count)")
    }
    let combined = bytes.withSpan { span in span.indices.reduce(UInt8(0)) { $0 | span[$1] } }
    guard combined != 0 else {
      throw KeyError(.unusable, "every byte of the key is zero", hint: "make a key with `albergue-crypt keygen`")
    }
    self.bytes = bytes
  }

  /// A new key from libcrypto's generator for secret values.
  ///
  /// - Throws: ``KeyError`` `.io` if the generator fails.
  /// - Source: `RAND_priv_bytes`(3).
  public static func random() throws(KeyError) -> EncryptionKey {
    let bytes = try unsafe SecretBytes(count: byteCount) { (buffer: UnsafeMutableRawBufferPointer) throws(KeyError) in
      try unsafe LibCrypto.fillPrivateRandom(buffer)
    }
    return try EncryptionKey(bytes)
  }

  /// Calls `body` with the 32 bytes; the pointer is valid during the call only.
  ///
  /// - Throws: what `body` throws.
  public borrowing func withUnsafeBytes<R: ~Copyable, E: Error>(
    _ body: (UnsafeRawBufferPointer) throws(E) -> R
  ) throws(E) -> R {
    try unsafe bytes.withUnsafeBytes(body)
  }

  /// True if both are the same key; constant time.
  public borrowing func isEqual(to other: borrowing EncryptionKey) -> Bool {
    bytes.isEqual(to: other.bytes)
  }

  /// A second, independent copy.
  public borrowing func copy() -> EncryptionKey {
    EncryptionKey(copyOf: bytes)
  }

  /// Calls `body` with the key as 64 lower-case hex digits, in memory that is wiped afterwards.
  ///
  /// - Shape: 64 ASCII bytes, no terminator.
  /// - Throws: what `body` throws.
  public borrowing func withHexDigits<R: ~Copyable, E: Error>(
    _ body: (UnsafeRawBufferPointer) throws(E) -> R
  ) throws(E) -> R {
    let digits = hexDigits()
    return try unsafe digits.withUnsafeBytes(body)
  }

  /// The key as 64 lower-case hex digits.
  borrowing func hexDigits() -> SecretBytes {
    bytes.withSpan { source in
      SecretBytes(count: 2 * Self.byteCount) { (digits: inout MutableSpan<UInt8>) in
        Hexadecimal.encode(source, into: &digits)
      }
    }
  }

  /// Copies bytes that are known to be a key.
  private init(copyOf bytes: borrowing SecretBytes) {
    self.bytes = bytes.copy()
  }
}
