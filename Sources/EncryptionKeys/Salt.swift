/// The 16 random bytes at the start of a SQLCipher file. Public, different in every file.
///
/// - Source: SQLCipher design, "Security Features": <https://www.zetetic.net/sqlcipher/design/>
public struct Salt: Hashable, Sendable {
  /// Size of every salt, in bytes.
  public static let byteCount = 16

  /// The 16 bytes.
  public let bytes: [UInt8]

  /// Makes a salt of `bytes`; nil unless there are exactly 16.
  public init?(_ bytes: some Collection<UInt8>) {
    guard bytes.count == Self.byteCount else { return nil }
    self.bytes = Array(bytes)
  }

  /// Makes a salt of 32 hex digits of either case; nil for anything else.
  public init?(hexDigits: String) {
    let digits = Array(hexDigits.utf8)
    let values = digits.compactMap(Hexadecimal.value(of:))
    guard digits.count == 2 * Self.byteCount, values.count == digits.count else { return nil }
    bytes = (0..<Self.byteCount).map { values[2 * $0] << 4 | values[2 * $0 + 1] }
  }

  /// A new salt from libcrypto's generator.
  ///
  /// - Throws: ``KeyError`` `.io` if the generator fails.
  public static func random() throws(KeyError) -> Salt {
    var bytes = [UInt8](repeating: 0, count: byteCount)
    do {
      try unsafe bytes.withUnsafeMutableBytes { try unsafe LibCrypto.fillPublicRandom($0) }
    } catch let error as KeyError {
      throw error
    } catch {
      throw KeyError(.io, "libcrypto: random generator failed")
    }
    return Salt(checked: bytes)
  }

  /// The salt as 32 lower-case hex digits.
  public var hexDigits: String {
    String(
      decoding: bytes.flatMap { [Hexadecimal.digit(of: $0 >> 4), Hexadecimal.digit(of: $0 & 0x0f)] }, as: UTF8.self)
  }

  private init(checked bytes: [UInt8]) {
    self.bytes = bytes
  }
}
