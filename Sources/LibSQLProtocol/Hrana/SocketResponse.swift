extension Hrana {
  /// The answer to a ``SocketRequest`` that could be run, of the same type: `Response`.
  ///
  /// - Source: HRANA_3_SPEC.md, Hrana over WebSocket, Requests.
  public enum SocketResponse: Sendable, Equatable {
    /// The stream is open.
    case openStream
    /// The stream is closed.
    case closeStream
    /// What the statement produced.
    case execute(StatementResult)
    /// What became of each step.
    case batch(BatchResult)
    /// The cursor is open.
    case openCursor
    /// The cursor is closed.
    case closeCursor
    /// The next entries, perhaps fewer than asked for; with `isDone` there are no more.
    case fetchCursor(entries: [CursorEntry], isDone: Bool)
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
}

extension Hrana.SocketResponse: JSONCoded {
  init(from reader: inout JSONReader) throws(JSONFault) {
    let fields = try ResponseFields(from: &reader)
    switch fields.type {
    case .openStream: self = .openStream
    case .closeStream: self = .closeStream
    case .execute: self = .execute(try fields.statementResult())
    case .batch: self = .batch(try fields.batchResult())
    case .openCursor: self = .openCursor
    case .closeCursor: self = .closeCursor
    case .fetchCursor: self = .fetchCursor(entries: try fields.entries(), isDone: try fields.isDone())
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
    case .openStream: writer.response(.openStream)
    case .closeStream: writer.response(.closeStream)
    case .execute(let result): writer.response(.execute, result: result)
    case .batch(let result): writer.response(.batch, result: result)
    case .openCursor: writer.response(.openCursor)
    case .closeCursor: writer.response(.closeCursor)
    case .fetchCursor(let entries, let isDone):
      writer.raw(#"{"type":"fetch_cursor","entries":"#)
      writer.array(entries)
      writer.raw(#","done":"#)
      writer.bool(isDone)
      writer.raw("}")
    case .sequence: writer.response(.sequence)
    case .describe(let result): writer.response(.describe, result: result)
    case .storeSQL: writer.response(.storeSQL)
    case .closeSQL: writer.response(.closeSQL)
    case .getAutocommit(let isAutocommit): writer.response(isAutocommit: isAutocommit)
    }
  }
}
