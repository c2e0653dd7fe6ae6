/// Base 64 with the alphabet that is safe in URLs, without padding, as JSON Web Tokens write it.
///
/// - Source: RFC 4648, section 5; RFC 7515, section 2.
package enum Base64URL {
  /// The bytes that `text` stands for; nil for padding, a character outside the alphabet, a length that cannot be, or
  /// unused bits that are set, so that each value has one spelling.
  package static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
    var standard: [UInt8] = []
    standard.reserveCapacity(text.count)
    for byte in text {
      switch byte {
      case UInt8(ascii: "-"): standard.append(.plus)
      case UInt8(ascii: "_"): standard.append(UInt8(ascii: "/"))
      case .plus, UInt8(ascii: "/"), UInt8(ascii: "="): return nil
      default: standard.append(byte)
      }
    }
    return Base64Text.decode(standard[...])
  }
}
