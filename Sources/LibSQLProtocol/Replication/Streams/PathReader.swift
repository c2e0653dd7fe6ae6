/// Reads a path segment by segment. Nothing is decoded, and a query is a character like any other: the routes here have
/// neither.
struct PathReader {
  private let structure: String
  private let length: Int
  private var rest: Substring.UTF8View

  init(_ path: String, _ structure: String) {
    self.structure = structure
    self.length = path.utf8.count
    self.rest = Substring(path).utf8
  }

  /// The first segment, if it is one of `names`; up to a slash, a query or the end.
  mutating func root(of names: [String]) -> String? {
    guard rest.first == 0x2F else { return nil }
    let segment = String(Substring(rest.dropFirst().prefix { $0 != 0x2F && $0 != 0x3F }))
    guard names.contains(segment) else { return nil }
    rest = rest.dropFirst(1 + segment.utf8.count)
    return segment
  }

  /// A segment that is a number: decimal, without sign and leading zeros, of at most 32 bits.
  mutating func number() throws(WireFormatError) -> UInt32 {
    guard let segment = next(), let first = segment.utf8.first else { throw malformed("a number is missing") }
    guard segment.utf8.allSatisfy({ (0x30...0x39).contains($0) }), first != 0x30 || segment.utf8.count == 1 else {
      throw malformed("a segment that is no number")
    }
    guard let number = UInt32(segment) else { throw malformed("a number above 32 bits") }
    return number
  }

  /// A segment that may be absent, but not be empty or other than asked for.
  mutating func optional(_ isValid: (String) -> Bool) throws(WireFormatError) -> String? {
    guard let segment = next() else { return nil }
    guard isValid(segment) else { throw malformed("a segment with characters that do not belong there") }
    return segment
  }

  func end() throws(WireFormatError) {
    guard rest.isEmpty else { throw malformed("something after the end of the path") }
  }

  func malformed(_ detail: String) -> WireFormatError {
    WireFormatError(.malformed, structure, at: length - rest.count, detail)
  }

  private mutating func next() -> String? {
    guard rest.first == 0x2F else { return nil }
    let segment = rest.dropFirst().prefix { $0 != 0x2F }
    rest = rest.dropFirst(1 + segment.count)
    return String(Substring(segment))
  }
}
