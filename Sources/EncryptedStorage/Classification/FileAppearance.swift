/// What a file looks like without any key.
package enum FileAppearance: Sendable, Equatable {
  case empty
  /// SQLite's magic and a plausible header.
  case plaintext
  /// Turso's own page encryption, which writes its name in front.
  /// Source: turso core/storage/encryption.rs; facts in encryption-field.md section 1.
  case tursoEncrypted
  /// A plain header behind 16 encrypted bytes: libSQL's `aes256cbc` (SQLite3MultipleCiphers legacy), no MAC.
  case legacyUnauthenticated
  /// Every byte value occurs about equally often, as in ciphertext; SQLCipher, if it is a database.
  case encrypted
  /// None of these.
  case other

  /// Looks at no more than the first 4096 bytes.
  package init(head: [UInt8]) {
    let head = head.prefix(4096)
    if head.isEmpty {
      self = .empty
    } else if head.starts(with: PageCodec.magic) {
      self = .plaintext
    } else if head.starts(with: Array("Turso".utf8)) {
      self = .tursoEncrypted
    } else if Self.hasPlainHeaderFields(head) {
      self = .legacyUnauthenticated
    } else {
      self = Self.looksRandom(head) ? .encrypted : .other
    }
  }

  private static func hasPlainHeaderFields(_ head: ArraySlice<UInt8>) -> Bool {
    let bytes = Array(head)
    return unsafe DatabaseHeader.isPlausible(bytes.span.bytes)
  }

  /// A page of SQLCipher has at least 1024 bytes of ciphertext and random bytes.
  ///
  /// Chi-square over byte values: for n random bytes it is 255 on average with a deviation of 22.6; text and zeroed
  /// data score in the thousands. The bound of 500 is ten deviations away.
  private static func looksRandom(_ head: ArraySlice<UInt8>) -> Bool {
    guard head.count >= 1024 else { return false }
    var counts = [Int](repeating: 0, count: 256)
    for byte in head { counts[Int(byte)] += 1 }
    let expected = Double(head.count) / 256
    let chiSquare = counts.reduce(0.0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
    return chiSquare < 500
  }
}
