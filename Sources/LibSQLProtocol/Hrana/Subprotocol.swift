extension Hrana {
  /// The subprotocols of WebSocket that this module speaks: versions 1 to 3 in JSON, each a superset of the one before.
  ///
  /// `hrana3-protobuf` is missing: no known client asks for it.
  ///
  /// - Source: HRANA_3_SPEC.md, Version and encoding negotiation.
  public enum Subprotocol: String, Sendable, CaseIterable {
    /// Version 1: streams, statements, batches.
    case hrana1
    /// Version 2: sequences, descriptions, stored texts.
    case hrana2
    /// Version 3: cursors, the state of autocommit.
    case hrana3

    /// The newest of those that a client offers, or nil if there is none to speak.
    ///
    /// - Parameter header: the value of `Sec-WebSocket-Protocol`: names separated by commas. Several such headers are to be
    ///   joined with commas.
    public static func negotiate(offered header: String) -> Subprotocol? {
      let names = header.split(separator: ",").map { name in
        String(name.drop { $0 == " " || $0 == "\t" }.prefix { $0 != " " && $0 != "\t" })
      }
      return allCases.last { names.contains($0.rawValue) }
    }
  }
}
