/// Writes JSON in the form of the reference server: no white space, `/` and non-ASCII characters as they are.
///
/// Clients depend on it: an escaped `/` inside base64 makes the Rust client fail (wire-libsql.md, section 1.1).
struct JSONWriter {
  private(set) var bytes: [UInt8] = []

  static func encode(_ value: some JSONCoded) -> [UInt8] {
    var writer = JSONWriter()
    value.write(to: &writer)
    return writer.bytes
  }

  /// Appends `value` to `buffer`, without a copy of what is in it.
  static func append(_ value: some JSONCoded, to buffer: inout [UInt8]) {
    var writer = JSONWriter()
    swap(&writer.bytes, &buffer)
    value.write(to: &writer)
    swap(&writer.bytes, &buffer)
  }

  /// Appends text that is JSON already.
  mutating func raw(_ text: String) {
    bytes.append(contentsOf: text.utf8)
  }

  mutating func value(_ value: some JSONCoded) {
    value.write(to: &self)
  }

  mutating func value(_ value: (some JSONCoded)?) {
    if let value { value.write(to: &self) } else { raw("null") }
  }

  mutating func bool(_ value: Bool) {
    raw(value ? "true" : "false")
  }

  mutating func array<Element>(_ elements: [Element], _ write: (Element, inout JSONWriter) -> Void) {
    bytes.append(.openBracket)
    for index in elements.indices {
      if index > 0 { bytes.append(.comma) }
      write(elements[index], &self)
    }
    bytes.append(.closeBracket)
  }

  mutating func array(_ elements: [some JSONCoded]) {
    array(elements) { element, writer in element.write(to: &writer) }
  }

  // MARK: Numbers

  mutating func integer(_ value: some FixedWidthInteger) {
    if value < 0 { bytes.append(.minus) }
    var rest = UInt64(value.magnitude)
    let start = bytes.count
    repeat {
      bytes.append(.zero + UInt8(truncatingIfNeeded: rest % 10))
      rest /= 10
    } while rest > 0
    var (low, high) = (start, bytes.count - 1)
    while low < high {
      bytes.swapAt(low, high)
      low += 1
      high -= 1
    }
  }

  mutating func integer(_ value: (some FixedWidthInteger)?) {
    if let value { integer(value) } else { raw("null") }
  }

  /// An integer as a decimal string.
  mutating func integerText(_ value: some FixedWidthInteger) {
    bytes.append(.quote)
    integer(value)
    bytes.append(.quote)
  }

  mutating func integerText(_ value: (some FixedWidthInteger)?) {
    if let value { integerText(value) } else { raw("null") }
  }

  /// The shortest decimal that reads back as the same float; `null` for what JSON cannot say.
  mutating func double(_ value: Double) {
    raw(value.isFinite ? value.description : "null")
  }

  // MARK: Strings

  mutating func string(_ text: String?) {
    if let text { string(text) } else { raw("null") }
  }

  mutating func string(_ text: String) {
    bytes.append(.quote)
    if needsEscapes(text) {
      for byte in text.utf8 { escaped(byte) }
    } else {
      bytes.append(contentsOf: text.utf8)
    }
    bytes.append(.quote)
  }

  mutating func base64(_ blob: [UInt8]) {
    bytes.append(.quote)
    Base64Text.encode(blob, into: &bytes)
    bytes.append(.quote)
  }

  private func needsEscapes(_ text: String) -> Bool {
    let span = text.utf8.span
    for index in span.indices {
      let byte = span[index]
      if byte < 0x20 || byte == .quote || byte == .backslash { return true }
    }
    return false
  }

  private mutating func escaped(_ byte: UInt8) {
    switch byte {
    case .quote: raw(#"\""#)
    case .backslash: raw(#"\\"#)
    case 0x08: raw(#"\b"#)
    case 0x09: raw(#"\t"#)
    case 0x0a: raw(#"\n"#)
    case 0x0c: raw(#"\f"#)
    case 0x0d: raw(#"\r"#)
    case 0..<0x20:
      raw(byte < 0x10 ? #"\u000"# : #"\u001"#)
      bytes.append(Array("0123456789abcdef".utf8)[Int(byte & 0xf)])
    default: bytes.append(byte)
    }
  }
}
