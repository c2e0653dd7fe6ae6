extension Hrana {
  /// What a peer says went wrong: `Error`. Also the body of HTTP errors, where it is JSON.
  ///
  /// - Source: HRANA_3_SPEC.md, Errors; codes of the reference server: wire-libsql.md, section 1.2.
  public struct ProtocolError: Error, Sendable, Equatable {
    /// For people. Comes from the peer and may quote SQL or values: show it, do not log it unasked.
    public var message: String
    /// For programs: `SQLITE_CONSTRAINT`, `SQL_PARSE_ERROR`, `STREAM_EXPIRED`. Always written: without it the Rust client
    /// cannot read the answer. Read as ``unknownCode`` where the peer sent none.
    public var code: String

    /// Stands for a code that was not sent.
    public static let unknownCode = "UNKNOWN"

    /// Makes an error.
    public init(message: String, code: String) {
      self.message = message
      self.code = code
    }
  }
}

extension Hrana.ProtocolError: JSONCoded {
  init(from reader: inout JSONReader) throws(JSONFault) {
    var members = try reader.beginObject()
    var message: String?
    var code: String?
    while let field = try reader.nextField(&members) {
      switch field {
      case .message: message = try reader.readString()
      case .code: code = try reader.readOptionalString()
      default: try reader.skipValue()
      }
    }
    guard let message else { throw members.missing(.message) }
    self.init(message: message, code: code ?? Self.unknownCode)
  }

  func write(to writer: inout JSONWriter) {
    writer.raw(#"{"message":"#)
    writer.string(message)
    writer.raw(#","code":"#)
    writer.string(code)
    writer.raw("}")
  }
}

extension Hrana {
  /// `{"error": …}`: why a server did not serve a request at all, as sqld says it.
  package struct RefusalBody: Sendable, Equatable {
    package let error: String

    package init(_ error: String) { self.error = error }

    /// The body, without a newline.
    package func encoded() -> [UInt8] {
      var writer = JSONWriter()
      writer.raw(#"{"error":"#)
      writer.string(error)
      writer.raw("}")
      return writer.bytes
    }
  }
}

extension Hrana.ProtocolError {
  /// `{"message": …, "code": …}` as a body of its own, without a newline.
  package func encoded() -> [UInt8] { JSONWriter.encode(self) }
}
