/// Base 64 with the standard alphabet and padding, without tables: a lookup indexed by a secret shows in the cache.
///
/// - Source: RFC 4648, section 4.
enum Base64 {
  /// Characters of 32 encoded bytes, the padding `=` included.
  static let keyCharacterCount = 44

  /// The value of a character of the standard alphabet, or nil if `byte` is none.
  static func value(of byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte - UInt8(ascii: "A")
    case UInt8(ascii: "a")...UInt8(ascii: "z"): byte - UInt8(ascii: "a") + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0") + 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: nil
    }
  }

  /// The 32 bytes that the 44 characters of `text` stand for.
  ///
  /// - Throws: ``KeyError`` `.unusable` for another length, a character outside the alphabet (by position), and for an
  ///   encoding that is not the canonical one: unused bits must be zero, so that a key has one spelling.
  static func decodeKey(_ text: Span<UInt8>) throws(KeyError) -> SecretBytes {
    let urlSafe = text.indices.first { text[$0] == UInt8(ascii: "-") || text[$0] == UInt8(ascii: "_") }
    if let urlSafe {
      throw KeyError(
        .unusable, "character \(urlSafe + 1) is from the URL-safe base64 alphabet",
        hint: "use the standard alphabet: + for -, / for _")
    }
    let last = keyCharacterCount - 1
    let body = text.indices.prefix(last)
    if let position = body.first(where: { value(of: text[$0]) == nil }) {
      throw KeyError(.unusable, "character \(position + 1) is not a base64 character")
    }
    if text.count == last {
      throw KeyError(.unusable, "base64 without its padding", hint: "add one = at the end")
    }
    guard text.count == keyCharacterCount, text[last] == UInt8(ascii: "=") else {
      throw KeyError(
        .unusable, "\(text.count) base64 characters; \(EncryptionKey.byteCount) bytes are 44 characters that end in =")
    }
    return try SecretBytes(count: EncryptionKey.byteCount) { (bytes: inout MutableSpan<UInt8>) throws(KeyError) in
      var bits: UInt32 = 0
      var bitCount = 0
      var filled = 0
      for index in 0..<last {
        bits = bits << 6 | UInt32(value(of: text[index]) ?? 0)
        bitCount += 6
        if bitCount >= 8 {
          bitCount -= 8
          bytes[filled] = UInt8(truncatingIfNeeded: bits >> UInt32(bitCount))
          filled += 1
        }
      }
      // 43 characters carry 258 bits, two more than a key has.
      guard bits & 0b11 == 0 else {
        throw KeyError(.unusable, "base64 that is not canonical: the last character has unused bits set")
      }
    }
  }
}
