/// A piece of SQL text, as far as the ends of statements and their kinds depend on it.
struct SQLToken: Sendable, Hashable {
  enum Kind: Sendable {
    /// Letters, digits, `_`, `$` and bytes above 127: a keyword, a name, a number.
    case word
    /// `"name"`, `` `name` `` or `[name]`.
    case quotedName
    /// `'text'`.
    case string
    case semicolon
    /// White space or one comment.
    case space
    /// Any other byte.
    case other
  }

  let kind: Kind
  /// Offsets in the text, in bytes.
  let range: Range<Int>
  /// False for a string, a name or a comment that the end of the text cuts off.
  let isTerminated: Bool
}

/// Cuts SQL text into tokens, as `sqlite3_complete` sees them.
///
/// A doubled quote within a string ends one token and begins the next, which comes to the same.
/// Source: https://www.sqlite.org/c3ref/complete.html, https://www.sqlite.org/lang_comment.html
struct SQLLexer: Sequence, IteratorProtocol {
  private let text: [UInt8]
  private(set) var position: Int

  init(_ text: [UInt8], from position: Int = 0) {
    self.text = text
    self.position = position
  }

  mutating func next() -> SQLToken? {
    guard position < text.count else { return nil }
    let start = position
    let byte = text[position]
    position += 1
    switch byte {
    case UInt8(ascii: ";"): return token(.semicolon, start)
    case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\n"), UInt8(ascii: "\r"), 0x0C:
      skip { Self.isSpace($0) }
      return token(.space, start)
    case UInt8(ascii: "/"):
      guard peek == UInt8(ascii: "*") else { return token(.other, start) }
      position += 1
      return blockComment(from: start)
    case UInt8(ascii: "-"):
      guard peek == UInt8(ascii: "-") else { return token(.other, start) }
      skip { $0 != UInt8(ascii: "\n") }
      // Without a newline the comment reaches to the end, as it may.
      if position < text.count { position += 1 }
      return token(.space, start)
    case UInt8(ascii: "'"): return quoted(.string, start, until: byte)
    case UInt8(ascii: "\""), UInt8(ascii: "`"): return quoted(.quotedName, start, until: byte)
    case UInt8(ascii: "["): return quoted(.quotedName, start, until: UInt8(ascii: "]"))
    default:
      guard Self.isWord(byte) else { return token(.other, start) }
      skip { Self.isWord($0) }
      return token(.word, start)
    }
  }

  private var peek: UInt8? { position < text.count ? text[position] : nil }

  private func token(_ kind: SQLToken.Kind, _ start: Int, isTerminated: Bool = true) -> SQLToken {
    SQLToken(kind: kind, range: start..<position, isTerminated: isTerminated)
  }

  private mutating func skip(_ condition: (UInt8) -> Bool) {
    while position < text.count, condition(text[position]) { position += 1 }
  }

  private mutating func quoted(_ kind: SQLToken.Kind, _ start: Int, until end: UInt8) -> SQLToken {
    skip { $0 != end }
    guard position < text.count else { return token(kind, start, isTerminated: false) }
    position += 1
    return token(kind, start)
  }

  private mutating func blockComment(from start: Int) -> SQLToken {
    while position + 1 < text.count {
      if text[position] == UInt8(ascii: "*"), text[position + 1] == UInt8(ascii: "/") {
        position += 2
        return token(.space, start)
      }
      position += 1
    }
    position = text.count
    return token(.space, start, isTerminated: false)
  }

  private static func isSpace(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: " ") || (0x09...0x0D).contains(byte) && byte != 0x0B
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "$"), 0x80...0xFF:
      true
    default: false
    }
  }
}
