/// Reads one JSON message from front to back, without a tree in between, and refuses everything RFC 8259 does not allow.
///
/// Types of the protocol pull the fields they know; what they do not know is skipped, as the specification demands, but
/// still has to be JSON. Time is linear in the bytes; memory is that of the values made. Nothing recurses with the
/// nesting of the input, except conditions, which have a limit of their own.
struct JSONReader {
  let bytes: [UInt8]
  let limits: Hrana.Limits
  let names = FieldNames.shared
  /// The next byte to read.
  var position = 0
  /// Objects and arrays around it.
  private var depth = 0

  /// Reads all of `bytes` as one `Message`.
  static func decode<Message: JSONReadable>(
    _ type: Message.Type, from bytes: [UInt8], limits: Hrana.Limits
  ) throws(JSONMessageError) -> Message {
    do throws(JSONFault) {
      guard bytes.count <= limits.byteCountMax else {
        throw JSONFault(.tooLarge, at: 0, "a message of more than \(limits.byteCountMax) bytes")
      }
      try requireUTF8(bytes)
      var reader = JSONReader(bytes: bytes, limits: limits)
      let message = try Message(from: &reader)
      try reader.finish()
      return message
    } catch {
      let path = JSONPath.text(to: error.offset, in: bytes)
      throw JSONMessageError(code: error.code, path: path, offset: error.offset, detail: error.detail)
    }
  }

  private init(bytes: [UInt8], limits: Hrana.Limits) {
    self.bytes = bytes
    self.limits = limits
  }

  /// Checked once for the whole message: text that is skipped has to be text, too.
  private static func requireUTF8(_ bytes: [UInt8]) throws(JSONFault) {
    do throws(UTF8.ValidationError) {
      _ = try UTF8Span(validating: bytes.span)
    } catch {
      throw JSONFault(.invalidText, at: error.byteOffsets.lowerBound, "bytes that are not UTF-8")
    }
  }

  private mutating func finish() throws(JSONFault) {
    _ = peek()
    guard position == bytes.count else { throw JSONFault(.malformed, at: position, "something after the message") }
  }

  // MARK: Tokens

  /// Goes to the next byte that is not white space. The end reads as NUL, which is no token either.
  mutating func peek() -> UInt8 {
    while position < bytes.count {
      let byte = bytes[position]
      guard byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 else { return byte }
      position += 1
    }
    return 0
  }

  /// The fault for the byte at the position, where `expected` should be.
  func unexpected(_ expected: String) -> JSONFault {
    guard position < bytes.count else { return JSONFault(.malformed, at: position, "the message ends too early") }
    switch bytes[position] {
    case .openBrace, .openBracket, .quote, .minus, .zero ... .nine, .lowerT, .lowerF, .lowerN:
      return JSONFault(.wrongType, at: position, "\(expected) is expected")
    default: return JSONFault(.malformed, at: position, "\(expected) is expected")
    }
  }

  private mutating func take(_ literal: StaticWord) throws(JSONFault) {
    for byte in literal.bytes {
      guard position < bytes.count, bytes[position] == byte else {
        throw JSONFault(.malformed, at: min(position, bytes.count), "no JSON value begins so")
      }
      position += 1
    }
  }

  /// Steps over `null`, if it is next.
  mutating func takeNull() throws(JSONFault) -> Bool {
    guard peek() == .lowerN else { return false }
    try take(.null)
    return true
  }

  mutating func readBool() throws(JSONFault) -> Bool {
    switch peek() {
    case .lowerT:
      try take(.true)
      return true
    case .lowerF:
      try take(.false)
      return false
    default: throw unexpected("true or false")
    }
  }

  // MARK: Objects and arrays

  /// What is known of the object being read.
  struct Members {
    /// Of its opening brace.
    fileprivate let start: Int
    fileprivate var isFirst = true
    fileprivate var seen: UInt128 = 0

    /// The fault for a field that is not there.
    func missing(_ name: FieldName) -> JSONFault {
      JSONFault(.missingField, at: start, "\(name.rawValue) is missing")
    }

    /// The fault for fields that contradict each other.
    func inconsistent(_ detail: String) -> JSONFault { JSONFault(.inconsistent, at: start, detail) }
  }

  mutating func beginObject() throws(JSONFault) -> Members {
    guard peek() == .openBrace else { throw unexpected("an object") }
    let members = Members(start: position)
    try enter()
    return members
  }

  /// The next field that the protocol knows somewhere, with the position at its value; nil after the last one.
  mutating func nextField(_ members: inout Members) throws(JSONFault) -> FieldName? {
    while try isThereMore(&members.isFirst, before: .closeBrace) {
      let keyPosition = position
      let index = try readNameIndex()
      guard peek() == .colon else { throw JSONFault(.malformed, at: position, "a colon is expected") }
      position += 1
      guard let index else {
        try skipValue()
        continue
      }
      let name = names.all[index]
      guard members.seen & (1 << UInt128(index)) == 0 else {
        throw JSONFault(.duplicateField, at: keyPosition, "\(name.rawValue) is given twice")
      }
      members.seen |= 1 << UInt128(index)
      return name
    }
    return nil
  }

  /// Reads an array of at most `countMax` elements.
  mutating func readArray<Element>(
    countMax: Int, _ element: (inout JSONReader) throws(JSONFault) -> Element
  ) throws(JSONFault) -> [Element] {
    guard peek() == .openBracket else { throw unexpected("an array") }
    try enter()
    var elements: [Element] = []
    var isFirst = true
    while try isThereMore(&isFirst, before: .closeBracket) {
      guard elements.count < countMax else {
        throw JSONFault(.tooLarge, at: position, "an array of more than \(countMax) elements")
      }
      elements.append(try element(&self))
    }
    return elements
  }

  mutating func enter() throws(JSONFault) {
    guard depth < limits.nestingDepthMax else { throw tooDeep }
    depth += 1
    position += 1
  }

  private var tooDeep: JSONFault {
    JSONFault(.tooDeep, at: position, "more than \(limits.nestingDepthMax) objects and arrays in each other")
  }

  /// Steps over a comma to the next element, or over `closing`.
  mutating func isThereMore(_ isFirst: inout Bool, before closing: UInt8) throws(JSONFault) -> Bool {
    let byte = peek()
    if byte == closing {
      position += 1
      depth -= 1
      return false
    }
    if isFirst {
      isFirst = false
      return true
    }
    guard byte == .comma else { throw JSONFault(.malformed, at: position, "a comma or the end is expected") }
    position += 1
    guard peek() != closing else { throw JSONFault(.malformed, at: position, "nothing follows the comma") }
    return true
  }

  /// Steps over any value, without recursion.
  mutating func skipValue() throws(JSONFault) {
    var closings: [UInt8] = []
    repeat {
      switch peek() {
      case .quote: _ = try scanString()
      case .openBrace, .openBracket:
        guard depth + closings.count < limits.nestingDepthMax else { throw tooDeep }
        // `{` and `}`, `[` and `]` are two apart in ASCII.
        let closing = bytes[position] + 2
        position += 1
        guard peek() == closing else {
          closings.append(closing)
          if closing == .closeBrace { try skipKey() }
          continue
        }
        position += 1
      case .minus, .zero ... .nine: _ = try scanNumber()
      case .lowerN: try take(.null)
      case .lowerT: try take(.true)
      case .lowerF: try take(.false)
      default: throw unexpected("a value")
      }
      while let closing = closings.last {
        let byte = peek()
        if byte == .comma {
          position += 1
          if closing == .closeBrace { try skipKey() }
          break
        }
        guard byte == closing else { throw JSONFault(.malformed, at: position, "a comma or the end is expected") }
        position += 1
        closings.removeLast()
      }
    } while !closings.isEmpty
  }

  /// Steps over a value that can be read only once a later field is known, and returns where it is.
  mutating func deferValue() throws(JSONFault) -> Int {
    _ = peek()
    let start = position
    try skipValue()
    return start
  }

  /// Reads a value that was deferred.
  mutating func readDeferred<Value>(
    at start: Int, _ read: (inout JSONReader) throws(JSONFault) -> Value
  ) throws(JSONFault) -> Value {
    let end = position
    position = start
    let value = try read(&self)
    position = end
    return value
  }

  private mutating func skipKey() throws(JSONFault) {
    guard peek() == .quote else { throw JSONFault(.malformed, at: position, "a key is expected") }
    _ = try scanString()
    guard peek() == .colon else { throw JSONFault(.malformed, at: position, "a colon is expected") }
    position += 1
  }
}

/// A value that is read from JSON.
protocol JSONReadable {
  init(from reader: inout JSONReader) throws(JSONFault)
}

/// A value with one JSON form.
protocol JSONCoded: JSONReadable {
  func write(to writer: inout JSONWriter)
}

/// The three words of JSON.
private struct StaticWord {
  static let null = StaticWord("null")
  static let `true` = StaticWord("true")
  static let `false` = StaticWord("false")

  let bytes: [UInt8]

  private init(_ text: String) { bytes = Array(text.utf8) }
}
