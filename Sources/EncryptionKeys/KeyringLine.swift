/// One line of a keyring that names a key, read and checked.
///
/// Errors give line and field and never repeat the field: where a field was forgotten, the secret moves into its place.
struct KeyringLine: Sendable {
  /// Counted from 1.
  let number: Int
  let id: KeyID
  let created: String
  let state: KeyState
  /// Where in the file's bytes the state stands, so that it can be rewritten alone.
  let stateRange: Range<Int>
  let profile: CipherProfile
  let source: KeySource
  /// The key, if it stands in the line itself.
  let rawKey: KeyMaterial?

  /// Reads every line that is neither empty nor a comment.
  static func parseAll(_ text: Span<UInt8>, at place: String) throws(KeyError) -> [KeyringLine] {
    var lines: [KeyringLine] = []
    var number = 0
    var start = 0
    while start < text.count {
      number += 1
      let end = (start..<text.count).first { text[$0] == UInt8(ascii: "\n") } ?? text.count
      let hasCarriageReturn = end > start && text[end - 1] == UInt8(ascii: "\r")
      do {
        let line = try KeyringLine(number: number, text, start..<(hasCarriageReturn ? end - 1 : end))
        if let line { lines.append(line) }
      } catch {
        throw error.located(at: "\(place), line \(number)")
      }
      start = end + 1
    }
    return lines
  }

  /// Checks what holds between lines, and returns the index of the active one.
  static func validateTogether(_ lines: [KeyringLine], at place: String) throws(KeyError) -> Int {
    var lineByID: [KeyID: Int] = [:]
    var lineByVariable: [String: Int] = [:]
    for line in lines {
      if let first = lineByID.updateValue(line.number, forKey: line.id) {
        throw KeyError(.unusable, "\(place), line \(line.number): id \(line.id) is used in line \(first) already")
      }
      guard case .environment(let name) = line.source else { continue }
      if let first = lineByVariable.updateValue(line.number, forKey: name) {
        throw KeyError(
          .unusable, "\(place), line \(line.number): variable \(name) is used in line \(first) already",
          hint: "a variable is removed when it is read, so it can hold one key")
      }
    }
    let active = lines.indices.filter { lines[$0].state == .active }
    guard let first = active.first else { throw KeyError(.unusable, "\(place): no active key") }
    guard active.count == 1 else {
      let numbers = active.map { String(lines[$0].number) }.joined(separator: ", ")
      throw KeyError(.unusable, "\(place): \(active.count) active keys, in lines \(numbers); one is needed")
    }
    return first
  }

  /// Reads one line; nil if it is empty or a comment.
  private init?(number: Int, _ text: Span<UInt8>, _ range: Range<Int>) throws(KeyError) {
    var fields = FieldReader(position: range.lowerBound, end: range.upperBound)
    guard let first = fields.next(in: text), text[first.lowerBound] != UInt8(ascii: "#") else { return nil }
    guard let created = fields.next(in: text), let state = fields.next(in: text), let profile = fields.next(in: text),
      let source = fields.rest(of: text)
    else {
      throw KeyError(.unusable, "too few fields", hint: "id created state profile source")
    }
    self.number = number
    id = try Self.field("id", text, first) { (name) throws(KeyError) in try KeyID(name) }
    self.created = try Self.field("created", text, created) { (date) throws(KeyError) in
      guard CalendarDate(parsing: date) != nil else { throw KeyError(.unusable, "not a date YYYY-MM-DD") }
      return date
    }
    stateRange = state
    self.state = try Self.field("state", text, state) { (name) throws(KeyError) in
      guard let state = KeyState(rawValue: name) else {
        throw KeyError(.unusable, "unknown state", hint: KeyState.allCases.map(\.rawValue).joined(separator: ", "))
      }
      return state
    }
    self.profile = try Self.field("profile", text, profile) { (name) throws(KeyError) in
      try CipherProfile(parsing: name)
    }
    (self.source, rawKey) = try Self.source(text, source, id: id)
  }

  /// Reads one field that is no secret; a failure is the keyring's, whatever the field's own type calls it.
  private static func field<Value>(
    _ name: String, _ text: Span<UInt8>, _ range: Range<Int>, _ parse: (String) throws(KeyError) -> Value
  ) throws(KeyError) -> Value {
    do {
      return try parse(try string(text, range))
    } catch {
      throw KeyError(.unusable, "field \(name): \(error.message)", hint: error.hint)
    }
  }

  private static func source(
    _ text: Span<UInt8>, _ range: Range<Int>, id: KeyID
  ) throws(KeyError) -> (KeySource, KeyMaterial?) {
    let raw = "raw:"
    if KeySyntax.starts(text.extracting(range), with: raw) {
      // Stays bytes: a raw key never becomes a String.
      let key = text.extracting((range.lowerBound + raw.utf8.count)..<range.upperBound)
      guard KeySyntax.prefixes.contains(where: { KeySyntax.starts(key, with: $0) }) else {
        throw KeyError(
          .unusable, "field source: a raw key needs its prefix",
          hint: KeySyntax.prefixes.map { raw + $0 }.joined(separator: ", "))
      }
      return (.raw, try KeyMaterial(id: id, parsing: key, at: "field source"))
    }
    let source = try field("source", text, range) { (source) throws(KeyError) in try KeySource(parsing: source) }
    return (source, nil)
  }

  /// The text of a field without a key in it.
  private static func string(_ text: Span<UInt8>, _ range: Range<Int>) throws(KeyError) -> String {
    var bytes: [UInt8] = []
    for index in range { bytes.append(text[index]) }
    guard !bytes.contains(where: { $0 < 0x20 && $0 != UInt8(ascii: "\t") || $0 == 0x7f }) else {
      throw KeyError(.unusable, "control character")
    }
    guard let string = String(validating: bytes, as: UTF8.self) else { throw KeyError(.unusable, "not UTF-8") }
    return string
  }
}

extension KeySource {
  /// Reads a source other than a raw key.
  fileprivate init(parsing text: String) throws(KeyError) {
    guard let last = text.utf8.last, last != UInt8(ascii: " "), last != UInt8(ascii: "\t") else {
      throw KeyError(.unusable, "whitespace at the end of the line")
    }
    guard let colon = text.firstIndex(of: ":") else { throw Self.unknown }
    let value = String(text[text.index(after: colon)...])
    // Paths, names and programs are shown. A key that went astray must not become one.
    guard !(Self.kinds + KeySyntax.prefixes).contains(where: value.drop(while: { " \t'\"".contains($0) }).hasPrefix)
    else {
      throw KeyError(
        .unusable, "two kinds of source in one field", hint: "a key in the keyring itself is written raw:hex:DIGITS")
    }
    switch text[..<colon] {
    case "env":
      guard Self.isVariableName(value) else { throw KeyError(.unusable, "env: needs the name of a variable") }
      self = .environment(value)
    case "file":
      guard !value.isEmpty else { throw KeyError(.unusable, "file: needs a path") }
      self = .file(value)
    case "cred":
      guard !value.isEmpty, value != ".", value != "..", !value.contains("/") else {
        throw KeyError(.unusable, "cred: needs a file name without a slash")
      }
      self = .credential(value)
    case "command":
      self = .command(try KeyCommand(parsing: value).arguments)
    default:
      throw Self.unknown
    }
  }

  private static let kinds = ["raw:", "env:", "file:", "cred:", "command:"]

  private static let unknown = KeyError(
    .unusable, "unknown kind of source", hint: "raw:, env:, file:, cred:, command:")

  private static func isVariableName(_ name: String) -> Bool {
    let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
    guard let first = name.utf8.first, !digits.contains(first) else { return false }
    return name.utf8.allSatisfy { byte in
      switch byte {
      case digits, UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "_"): true
      default: false
      }
    }
  }
}

/// Splits a line at runs of spaces and tabs.
private struct FieldReader {
  var position: Int
  let end: Int

  /// The next field, or nil at the end.
  mutating func next(in text: Span<UInt8>) -> Range<Int>? {
    guard let start = skipBlanks(in: text) else { return nil }
    while position < end, !isBlank(text[position]) { position += 1 }
    return start..<position
  }

  /// Everything from the next field to the end.
  mutating func rest(of text: Span<UInt8>) -> Range<Int>? {
    guard let start = skipBlanks(in: text) else { return nil }
    return start..<end
  }

  private mutating func skipBlanks(in text: Span<UInt8>) -> Int? {
    while position < end, isBlank(text[position]) { position += 1 }
    return position < end ? position : nil
  }

  private func isBlank(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t")
  }
}
