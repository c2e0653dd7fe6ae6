/// UUIDs as text, the form in which V1 names logs, sessions and connections.
enum UUIDText {
  /// Whether `text` is 32 hex digits in groups of 8, 4, 4, 4 and 12, with hyphens. Source: RFC 9562, section 4.
  static func isValid(_ text: some Collection<UInt8>) -> Bool {
    guard text.count == 36 else { return false }
    return zip(0..., text).allSatisfy { index, byte in
      [8, 13, 18, 23].contains(index) ? byte == 0x2D : Unicode.Scalar(byte).properties.isASCIIHexDigit
    }
  }
}
