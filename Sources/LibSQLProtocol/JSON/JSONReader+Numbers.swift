extension JSONReader {
  /// A number token. Without fraction and exponent it is an integer.
  struct NumberToken {
    let range: Range<Int>
    let isInteger: Bool
  }

  /// The longest number that is converted, in bytes. Writers need 25; conversion of huge ones is not linear.
  private static let numberByteCountMax = 512

  /// An integer: a JSON number without fraction and exponent, in the range of `Integer`.
  mutating func readInteger<Integer: FixedWidthInteger>(
    _ type: Integer.Type = Integer.self
  ) throws(JSONFault) -> Integer {
    let token = try scanNumber()
    guard token.isInteger, let value = integer(Integer.self, in: token.range, isCanonical: false) else {
      throw JSONFault(.outOfRange, at: token.range.lowerBound, Self.rangeText(type))
    }
    return value
  }

  /// An integer as a decimal string, in its one form: no sign but `-`, no leading zeros, no spaces.
  mutating func readIntegerText<Integer: FixedWidthInteger>(
    _ type: Integer.Type = Integer.self
  ) throws(JSONFault) -> Integer {
    guard peek() == .quote else { throw unexpected("an integer as a string") }
    let token = try scanString()
    var value: Integer?
    if token.hasEscapes {
      let text = String(decoding: bytes(of: token), as: UTF8.self)
      value = Integer(text).flatMap { String($0) == text ? $0 : nil }
    } else {
      value = integer(Integer.self, in: token.range, isCanonical: true)
    }
    guard let value else { throw JSONFault(.outOfRange, at: token.range.lowerBound - 1, Self.rangeText(type)) }
    return value
  }

  /// An integer as a string or as a number, or nil for `null`: servers differ.
  mutating func readOptionalInteger<Integer: FixedWidthInteger>(
    _ type: Integer.Type = Integer.self
  ) throws(JSONFault) -> Integer? {
    switch peek() {
    case .lowerN:
      _ = try takeNull()
      return nil
    case .quote: return try readIntegerText()
    default: return try readInteger()
    }
  }

  /// A finite number.
  mutating func readDouble() throws(JSONFault) -> Double {
    let token = try scanNumber()
    guard token.range.count <= Self.numberByteCountMax else {
      throw JSONFault(.tooLarge, at: token.range.lowerBound, "a number of more than \(Self.numberByteCountMax) bytes")
    }
    if let value = shortDouble(token.range) { return value }
    guard let value = Double(String(decoding: bytes[token.range], as: UTF8.self)), value.isFinite else {
      throw JSONFault(.outOfRange, at: token.range.lowerBound, "a number that a 64-bit float cannot hold")
    }
    return value
  }

  /// Steps over a number, and checks its grammar. Source: RFC 8259, section 6.
  mutating func scanNumber() throws(JSONFault) -> NumberToken {
    let first = peek()
    guard first == .minus || first.digit != nil else { throw unexpected("a number") }
    let start = position
    var isInteger = true
    if first == .minus { position += 1 }
    let digitStart = position
    try scanDigits()
    if bytes[digitStart] == .zero, position > digitStart + 1 {
      throw JSONFault(.malformed, at: digitStart, "a number with leading zeros")
    }
    if position < bytes.count, bytes[position] == .point {
      isInteger = false
      position += 1
      try scanDigits()
    }
    if position < bytes.count, bytes[position] == .lowerE || bytes[position] == .upperE {
      isInteger = false
      position += 1
      if position < bytes.count, bytes[position] == .plus || bytes[position] == .minus { position += 1 }
      try scanDigits()
    }
    return NumberToken(range: start..<position, isInteger: isInteger)
  }

  private mutating func scanDigits() throws(JSONFault) {
    let start = position
    while position < bytes.count, bytes[position].digit != nil { position += 1 }
    guard position > start else { throw JSONFault(.malformed, at: position, "a digit is expected") }
  }

  /// The integer written in `range`, or nil if it is none or does not fit.
  private func integer<Integer: FixedWidthInteger>(
    _ type: Integer.Type, in range: Range<Int>, isCanonical: Bool
  ) -> Integer? {
    var index = range.lowerBound
    guard index < range.upperBound else { return nil }
    let isNegative = bytes[index] == .minus
    if isNegative { index += 1 }
    guard index < range.upperBound else { return nil }
    if isCanonical, bytes[index] == .zero, range.count > 1 { return nil }
    var value: Integer = 0
    while index < range.upperBound {
      guard let digit = bytes[index].digit else { return nil }
      // Downwards for negative numbers, so that the smallest one fits.
      let (shifted, overflow) = value.multipliedReportingOverflow(by: 10)
      let step = Integer(truncatingIfNeeded: digit)
      let (sum, carry) =
        isNegative ? shifted.subtractingReportingOverflow(step) : shifted.addingReportingOverflow(step)
      guard !overflow, !carry else { return nil }
      value = sum
      index += 1
    }
    return value
  }

  /// The number in `range` if its digits and its power of ten are exact as floats, so that one operation rounds it right.
  ///
  /// - Source: W. D. Clinger, How to read floating point numbers accurately, 1990.
  private func shortDouble(_ range: Range<Int>) -> Double? {
    var index = range.lowerBound
    let isNegative = bytes[index] == .minus
    if isNegative { index += 1 }
    var digits: UInt64 = 0
    var exponent = 0
    var isFraction = false
    guard range.upperBound - index <= 17 else { return nil }
    while index < range.upperBound {
      if let digit = bytes[index].digit {
        digits = digits * 10 + UInt64(digit)
        if isFraction { exponent += 1 }
      } else if bytes[index] == .point {
        isFraction = true
      } else {
        return nil
      }
      index += 1
    }
    guard digits < 1 << 53 else { return nil }
    let value = Double(digits) / Self.powersOfTen[exponent]
    return isNegative ? -value : value
  }

  private static let powersOfTen: [Double] = [
    1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17,
  ]

  private static func rangeText<Integer: FixedWidthInteger>(_ type: Integer.Type) -> String {
    "an integer from \(Integer.min) to \(Integer.max) is expected"
  }
}
