extension Hrana {
  /// The answer to a ``StreamRequest`` that could be run, of the same type: `StreamResponse`.
  ///
  /// - Source: HRANA_3_SPEC.md, Hrana over HTTP, Requests.
  public enum StreamResponse: Sendable, Equatable {
    /// The stream is closed.
    case close
    /// What the statement produced.
    case execute(StatementResult)
    /// What became of each step.
    case batch(BatchResult)
    /// Every statement succeeded.
    case sequence
    /// What the statement is.
    case describe(DescribeResult)
    /// The text is kept.
    case storeSQL
    /// The text is forgotten.
    case closeSQL
    /// Whether no transaction is open.
    case getAutocommit(isAutocommit: Bool)
  }

  /// What became of one request of a pipeline: `StreamResult`.
  public enum StreamResult: Sendable, Equatable {
    /// It was run.
    case ok(StreamResponse)
    /// It failed; the requests after it are run all the same.
    case error(ProtocolError)
  }
}

extension Hrana.StreamResponse: JSONCoded {
  init(from reader: inout JSONReader) throws(JSONFault) {
    let fields = try ResponseFields(from: &reader)
    switch fields.type {
    case .close: self = .close
    case .execute: self = .execute(try fields.statementResult())
    case .batch: self = .batch(try fields.batchResult())
    case .sequence: self = .sequence
    case .describe: self = .describe(try fields.describeResult())
    case .storeSQL: self = .storeSQL
    case .closeSQL: self = .closeSQL
    case .getAutocommit: self = .getAutocommit(isAutocommit: try fields.isAutocommit())
    default: throw fields.unknownType
    }
  }

  func write(to writer: inout JSONWriter) {
    switch self {
    case .close: writer.response(.close)
    case .execute(let result): writer.response(.execute, result: result)
    case .batch(let result): writer.response(.batch, result: result)
    case .sequence: writer.response(.sequence)
    case .describe(let result): writer.response(.describe, result: result)
    case .storeSQL: writer.response(.storeSQL)
    case .closeSQL: writer.response(.closeSQL)
    case .getAutocommit(let isAutocommit): writer.response(isAutocommit: isAutocommit)
    }
  }
}

extension Hrana.StreamResult: JSONCoded {
  init(from reader: inout JSONReader) throws(JSONFault) {
    var members = try reader.beginObject()
    let start = reader.position - 1
    var type: FieldName?
    var response: Hrana.StreamResponse?
    var error: Hrana.ProtocolError?
    while let field = try reader.nextField(&members) {
      switch field {
      case .type: type = try reader.readType()
      case .response: response = try Hrana.StreamResponse(from: &reader)
      case .error: error = try Hrana.ProtocolError(from: &reader)
      default: try reader.skipValue()
      }
    }
    switch type {
    case .ok:
      guard let response else { throw members.missing(.response) }
      self = .ok(response)
    case .error:
      guard let error else { throw members.missing(.error) }
      self = .error(error)
    case nil: throw members.missing(.type)
    default: throw JSONFault(.unknownType, at: start, "no type of a result")
    }
  }

  func write(to writer: inout JSONWriter) {
    switch self {
    case .ok(let response):
      writer.raw(#"{"type":"ok","response":"#)
      writer.value(response)
    case .error(let error):
      writer.raw(#"{"type":"error","error":"#)
      writer.value(error)
    }
    writer.raw("}")
  }
}

/// What responses over HTTP and WebSocket have in common.
extension JSONWriter {
  mutating func response(_ type: FieldName) {
    raw(#"{"type":""#)
    raw(type.rawValue)
    raw(#""}"#)
  }

  mutating func response(_ type: FieldName, result: some JSONCoded) {
    raw(#"{"type":""#)
    raw(type.rawValue)
    raw(#"","result":"#)
    value(result)
    raw("}")
  }

  mutating func response(isAutocommit: Bool) {
    raw(#"{"type":"get_autocommit","is_autocommit":"#)
    bool(isAutocommit)
    raw("}")
  }
}
