extension Hrana {
  /// The body of `POST /v1/execute`: one statement, on a stream of its own.
  ///
  /// A failure is an HTTP error with a ``ProtocolError`` as its body.
  ///
  /// - Source: HTTP_V1_SPEC.md; still used by libsql-client for Python (wire-libsql.md, section 0).
  public struct ExecuteRequest: Sendable, Equatable {
    /// What is run.
    public var statement: Statement

    /// Makes a request.
    public init(_ statement: Statement) { self.statement = statement }
  }

  /// The answer to an ``ExecuteRequest``.
  public struct ExecuteResponse: Sendable, Equatable {
    /// What the statement produced.
    public var result: StatementResult

    /// Makes an answer.
    public init(_ result: StatementResult) { self.result = result }
  }

  /// The body of `POST /v1/batch`: a batch, on a stream of its own.
  public struct BatchRequest: Sendable, Equatable {
    /// What is run.
    public var batch: Batch

    /// Makes a request.
    public init(_ batch: Batch) { self.batch = batch }
  }

  /// The answer to a ``BatchRequest``.
  public struct BatchResponse: Sendable, Equatable {
    /// What became of each step.
    public var result: BatchResult

    /// Makes an answer.
    public init(_ result: BatchResult) { self.result = result }
  }
}

extension JSONReader {
  /// An object whose one field is `name`.
  fileprivate mutating func readBody<Content: JSONCoded>(_ name: FieldName) throws(JSONFault) -> Content {
    var members = try beginObject()
    var content: Content?
    while let field = try nextField(&members) {
      if field == name { content = try Content(from: &self) } else { try skipValue() }
    }
    guard let content else { throw members.missing(name) }
    return content
  }
}

extension JSONWriter {
  fileprivate mutating func body(_ name: FieldName, _ content: some JSONCoded) {
    raw(#"{""#)
    raw(name.rawValue)
    raw(#"":"#)
    value(content)
    raw("}")
  }
}

extension Hrana.ExecuteRequest: JSONCoded {
  init(from reader: inout JSONReader) throws(JSONFault) { self.init(try reader.readBody(.stmt)) }

  func write(to writer: inout JSONWriter) { writer.body(.stmt, statement) }
}

extension Hrana.ExecuteResponse: JSONCoded {
  init(from reader: inout JSONReader) throws(JSONFault) { self.init(try reader.readBody(.result)) }

  func write(to writer: inout JSONWriter) { writer.body(.result, result) }
}

extension Hrana.BatchRequest: JSONCoded {
  init(from reader: inout JSONReader) throws(JSONFault) { self.init(try reader.readBody(.batch)) }

  func write(to writer: inout JSONWriter) { writer.body(.batch, batch) }
}

extension Hrana.BatchResponse: JSONCoded {
  init(from reader: inout JSONReader) throws(JSONFault) { self.init(try reader.readBody(.result)) }

  func write(to writer: inout JSONWriter) { writer.body(.result, result) }
}
