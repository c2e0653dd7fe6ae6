extension JSONReader {
  /// A string token: the bytes between its quotes, as written.
  struct StringToken {
    let range: Range<Int>
    let hasEscapes: Bool
  }

  mutating func readString() throws(JSONFault) -> String {
    let token = try scanString()
    return String(decoding: bytes(of: token), as: UTF8.self)
  }

  /// A string, or nil for `null`.
  mutating func readOptionalString() throws(JSONFault) -> String? {
    try takeNull() ? nil : try readString()
  }

  /// The index in ``FieldNames/all`` of the string, or nil if it is none of them.
  mutating func readNameIndex() throws(JSONFault) -> Int? {
    guard peek() == .quote else { throw unexpected("a string") }
    var hash = FieldNames.Hash()
    var index = position + 1
    while index < bytes.count {
      let byte = bytes[index]
      if byte == .quote {
        let start = position + 1
        position = index + 1
        return names.index(hash, bytes, start..<index)
      }
      guard byte != .backslash, byte >= 0x20 else { break }
      hash.add(byte)
      index += 1
    }
    let token = try scanString()
    let unescaped = Array(bytes(of: token))
    return names.index(unescaped, unescaped.indices)
  }

  /// A `type`, one of the names of the protocol.
  mutating func readType() throws(JSONFault) -> FieldName {
    _ = peek()
    let start = position
    guard let index = try readNameIndex() else { throw JSONFault(.unknownType, at: start, "an unknown type") }
    return names.all[index]
  }

  /// Base64 of the standard alphabet, with or without padding.
  mutating func readBase64() throws(JSONFault) -> [UInt8] {
    let token = try scanString()
    let decoded =
      token.hasEscapes
      ? Base64Text.decode(unescape(token.range)[...])
      : Base64Text.decode(bytes[token.range])
    guard let decoded else {
      throw JSONFault(.invalidBase64, at: token.range.lowerBound - 1, "not base64 of the standard alphabet")
    }
    return decoded
  }

  /// The bytes that a token stands for.
  func bytes(of token: StringToken) -> ArraySlice<UInt8> {
    token.hasEscapes ? unescape(token.range)[...] : bytes[token.range]
  }

  /// Steps over a string and checks its escapes.
  mutating func scanString() throws(JSONFault) -> StringToken {
    guard peek() == .quote else { throw unexpected("a string") }
    let start = position + 1
    var index = start
    var hasEscapes = false
    while index < bytes.count {
      let byte = bytes[index]
      if byte == .quote {
        position = index + 1
        return StringToken(range: start..<index, hasEscapes: hasEscapes)
      }
      if byte == .backslash {
        hasEscapes = true
        guard escape(at: &index) != nil else { throw JSONFault(.invalidText, at: index, "an invalid escape") }
      } else {
        guard byte >= 0x20 else { throw JSONFault(.malformed, at: index, "a control character in a string") }
        index += 1
      }
    }
    throw JSONFault(.malformed, at: bytes.count, "the message ends inside a string")
  }

  /// The scalar of the escape whose backslash is at `index`, which then is after it; nil, with `index` unchanged, if it
  /// is none, or half a surrogate pair.
  private func escape(at index: inout Int) -> Unicode.Scalar? {
    guard index + 1 < bytes.count else { return nil }
    let simple: Unicode.Scalar
    switch bytes[index + 1] {
    case .quote: simple = "\""
    case .backslash: simple = "\\"
    case UInt8(ascii: "/"): simple = "/"
    case UInt8(ascii: "b"): simple = "\u{8}"
    case .lowerF: simple = "\u{c}"
    case .lowerN: simple = "\n"
    case UInt8(ascii: "r"): simple = "\r"
    case .lowerT: simple = "\t"
    case .lowerU:
      guard let (scalar, byteCount) = unicodeEscape(at: index) else { return nil }
      index += byteCount
      return scalar
    default: return nil
    }
    index += 2
    return simple
  }

  private func unicodeEscape(at index: Int) -> (scalar: Unicode.Scalar, byteCount: Int)? {
    guard let first = codeUnit(at: index) else { return nil }
    guard UTF16.isLeadSurrogate(first) else { return Unicode.Scalar(first).map { ($0, 6) } }
    guard let second = codeUnit(at: index + 6), UTF16.isTrailSurrogate(second) else { return nil }
    let value = 0x10000 + (UInt32(first) - 0xd800) << 10 + UInt32(second) - 0xdc00
    return Unicode.Scalar(value).map { ($0, 12) }
  }

  /// The code unit of `\uXXXX` at `index`.
  private func codeUnit(at index: Int) -> UInt16? {
    guard index + 6 <= bytes.count, bytes[index] == .backslash, bytes[index + 1] == .lowerU else { return nil }
    var unit: UInt16 = 0
    for position in index + 2..<index + 6 {
      guard let digit = bytes[position].hexadecimalDigit else { return nil }
      unit = unit << 4 | UInt16(digit)
    }
    return unit
  }

  /// The text of a string whose escapes were checked.
  private func unescape(_ range: Range<Int>) -> [UInt8] {
    var text: [UInt8] = []
    text.reserveCapacity(range.count)
    var index = range.lowerBound
    while index < range.upperBound {
      if bytes[index] == .backslash, let scalar = escape(at: &index) {
        text.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
      } else {
        text.append(bytes[index])
        index += 1
      }
    }
    return text
  }
}
