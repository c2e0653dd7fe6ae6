/// SQLite's variable-length integers: seven bits a byte, the ninth byte has eight.
/// Source: https://www.sqlite.org/fileformat2.html#varint
enum Varint {
  static let byteCountMax = 9

  /// Reads from the start of `bytes`; nil when they end too early.
  static func read(_ bytes: ArraySlice<UInt8>) -> (value: UInt64, byteCount: Int)? {
    var value: UInt64 = 0
    for (index, byte) in bytes.prefix(byteCountMax).enumerated() {
      if index == byteCountMax - 1 { return (value << 8 | UInt64(byte), byteCountMax) }
      value = value << 7 | UInt64(byte & 0x7f)
      if byte < 0x80 { return (value, index + 1) }
    }
    return nil
  }
}
