extension Hrana {
  /// Cuts the body of a cursor's answer into lines while it arrives, and reads them.
  ///
  /// Bytes in, values out: feed it what comes, in pieces of any size, and ``finish()`` at the end of the body. The last
  /// newline and the terminating entry are optional; empty lines are ignored. After an error it is of no use any more.
  ///
  /// - Source: HRANA_3_SPEC.md, Execute a batch using a cursor; wire-libsql.md, section 1.3.
  public struct CursorLines: Sendable {
    /// What a line holds.
    public enum Line: Sendable, Equatable {
      /// The first line.
      case response(CursorResponse)
      /// Any other line.
      case entry(CursorEntry)
    }

    private let limits: Limits
    private var pending: [UInt8] = []
    private var hasResponse = false

    /// Begins a body. ``Limits/byteCountMax`` holds for each line.
    public init(limits: Limits = Limits()) {
      self.limits = limits
    }

    /// The lines that `bytes` complete.
    ///
    /// - Throws: ``JSONMessageError``; its offset counts from the start of the line.
    /// - Complexity: O(bytes), however they are cut.
    public mutating func receive(_ bytes: [UInt8]) throws(JSONMessageError) -> [Line] {
      var lines: [Line] = []
      var rest = bytes[...]
      while let end = rest.firstIndex(of: .newline) {
        try keep(rest[..<end])
        try endLine(into: &lines)
        rest = rest[(end + 1)...]
      }
      try keep(rest)
      return lines
    }

    /// The line that no newline ended, if there is one.
    ///
    /// - Throws: ``JSONMessageError``, also if not even the first line came.
    public mutating func finish() throws(JSONMessageError) -> Line? {
      var lines: [Line] = []
      try endLine(into: &lines)
      guard hasResponse else {
        throw JSONMessageError(code: .malformed, path: "$", offset: 0, detail: "the body has no first line")
      }
      return lines.first
    }

    private mutating func keep(_ bytes: ArraySlice<UInt8>) throws(JSONMessageError) {
      guard bytes.count <= limits.byteCountMax - pending.count else {
        throw JSONMessageError(
          code: .tooLarge, path: "$", offset: pending.count, detail: "a line of more than \(limits.byteCountMax) bytes")
      }
      pending.append(contentsOf: bytes)
    }

    private mutating func endLine(into lines: inout [Line]) throws(JSONMessageError) {
      defer { pending.removeAll(keepingCapacity: true) }
      guard pending.contains(where: { $0 != 0x20 && $0 != 0x0d && $0 != 0x09 }) else { return }
      if hasResponse {
        lines.append(.entry(try CursorEntry(decoding: pending, limits: limits)))
      } else {
        lines.append(.response(try CursorResponse(decoding: pending, limits: limits)))
        hasResponse = true
      }
    }
  }
}
