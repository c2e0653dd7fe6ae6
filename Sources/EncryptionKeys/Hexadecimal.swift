/// Base 16, without tables: a lookup indexed by a secret shows in the cache.
enum Hexadecimal {
  /// The value of a digit, or nil if `byte` is none.
  static func value(of byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
  }

  /// The lower-case digit of a value below 16.
  static func digit(of value: UInt8) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
  }

  /// Index of the first byte that is not a digit, or nil if all are.
  static func firstNonDigit(in text: Span<UInt8>) -> Int? {
    text.indices.first { value(of: text[$0]) == nil }
  }

  /// Writes two lower-case digits per byte; `digits` has twice the count of `bytes`.
  static func encode(_ bytes: Span<UInt8>, into digits: inout MutableSpan<UInt8>) {
    for index in bytes.indices {
      digits[2 * index] = digit(of: bytes[index] >> 4)
      digits[2 * index + 1] = digit(of: bytes[index] & 0x0f)
    }
  }

  /// Reads two digits per byte; all of `digits` have been checked, there are twice as many as `bytes`.
  static func decode(_ digits: Span<UInt8>, into bytes: inout MutableSpan<UInt8>) {
    for index in bytes.indices {
      guard let high = value(of: digits[2 * index]), let low = value(of: digits[2 * index + 1]) else {
        preconditionFailure("decoding text that was not checked to be hex digits")
      }
      bytes[index] = high << 4 | low
    }
  }
}
