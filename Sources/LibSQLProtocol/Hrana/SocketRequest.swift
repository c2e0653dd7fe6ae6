extension Hrana {
  /// A request over WebSocket: `Request`. Streams, cursors and stored texts have numbers that the client chose.
  ///
  /// - Source: HRANA_3_SPEC.md, Hrana over WebSocket, Requests. Version 1 has streams, execute and batch; version 2 adds
  ///   sequence, describe and stored texts; version 3 adds cursors and get_autocommit.
  public enum SocketRequest: Sendable, Equatable {
    /// Opens a stream. The number is in use even if this fails.
    case openStream(stream: Int32)
    /// Closes a stream and its cursor.
    case closeStream(stream: Int32)
    /// Runs one statement.
    case execute(stream: Int32, Statement)
    /// Runs a batch; failing steps do not fail the request.
    case batch(stream: Int32, Batch)
    /// Runs a batch whose results are fetched. The stream takes no requests until the cursor is closed.
    case openCursor(stream: Int32, cursor: Int32, Batch)
    /// Closes a cursor.
    case closeCursor(cursor: Int32)
    /// Fetches at most so many entries.
    case fetchCursor(cursor: Int32, maxCount: UInt32)
    /// Runs statements separated by semicolons until one fails; rows are dropped.
    case sequence(stream: Int32, SQLText, replicationIndex: UInt64? = nil)
    /// Says what a statement is.
    case describe(stream: Int32, SQLText, replicationIndex: UInt64? = nil)
    /// Keeps a text under a number that is not in use on this connection.
    case storeSQL(id: Int32, sql: String)
    /// Forgets a text; no error if there is none.
    case closeSQL(id: Int32)
    /// Asks whether a transaction is open.
    case getAutocommit(stream: Int32)
  }
}

extension Hrana.SocketRequest: JSONCoded {
  init(from reader: inout JSONReader) throws(JSONFault) {
    let fields = try RequestFields(from: &reader)
    switch fields.type {
    case .openStream: self = .openStream(stream: try fields.streamID())
    case .closeStream: self = .closeStream(stream: try fields.streamID())
    case .execute: self = .execute(stream: try fields.streamID(), try fields.statement())
    case .batch: self = .batch(stream: try fields.streamID(), try fields.batch())
    case .openCursor:
      self = .openCursor(stream: try fields.streamID(), cursor: try fields.cursorID(), try fields.batch())
    case .closeCursor: self = .closeCursor(cursor: try fields.cursorID())
    case .fetchCursor: self = .fetchCursor(cursor: try fields.cursorID(), maxCount: try fields.maxCount())
    case .sequence:
      self = .sequence(
        stream: try fields.streamID(), try fields.sqlText(), replicationIndex: fields.replicationIndex)
    case .describe:
      self = .describe(
        stream: try fields.streamID(), try fields.sqlText(), replicationIndex: fields.replicationIndex)
    case .storeSQL: self = .storeSQL(id: try fields.sqlID(), sql: try fields.storedSQL())
    case .closeSQL: self = .closeSQL(id: try fields.sqlID())
    case .getAutocommit: self = .getAutocommit(stream: try fields.streamID())
    default: throw fields.unknownType
    }
  }

  func write(to writer: inout JSONWriter) {
    switch self {
    case .openStream(let stream): writer.request(.openStream, stream: stream)
    case .closeStream(let stream): writer.request(.closeStream, stream: stream)
    case .getAutocommit(let stream): writer.request(.getAutocommit, stream: stream)
    case .execute(let stream, let statement):
      writer.beginRequest(.execute, stream: stream)
      writer.raw(#","stmt":"#)
      writer.value(statement)
      writer.raw("}")
    case .batch(let stream, let batch):
      writer.beginRequest(.batch, stream: stream)
      writer.raw(#","batch":"#)
      writer.value(batch)
      writer.raw("}")
    case .openCursor(let stream, let cursor, let batch):
      writer.beginRequest(.openCursor, stream: stream)
      writer.raw(#","cursor_id":"#)
      writer.integer(cursor)
      writer.raw(#","batch":"#)
      writer.value(batch)
      writer.raw("}")
    case .closeCursor(let cursor):
      writer.raw(#"{"type":"close_cursor","cursor_id":"#)
      writer.integer(cursor)
      writer.raw("}")
    case .fetchCursor(let cursor, let maxCount):
      writer.raw(#"{"type":"fetch_cursor","cursor_id":"#)
      writer.integer(cursor)
      writer.raw(#","max_count":"#)
      writer.integer(maxCount)
      writer.raw("}")
    case .sequence(let stream, let sql, let replicationIndex):
      writer.beginRequest(.sequence, stream: stream)
      writer.raw(",")
      writer.sqlFields(sql, replicationIndex)
    case .describe(let stream, let sql, let replicationIndex):
      writer.beginRequest(.describe, stream: stream)
      writer.raw(",")
      writer.sqlFields(sql, replicationIndex)
    case .storeSQL(let id, let sql): writer.storeSQL(id: id, sql: sql)
    case .closeSQL(let id): writer.closeSQL(id: id)
    }
  }
}

extension JSONWriter {
  fileprivate mutating func beginRequest(_ type: FieldName, stream: Int32) {
    raw(#"{"type":""#)
    raw(type.rawValue)
    raw(#"","stream_id":"#)
    integer(stream)
  }

  fileprivate mutating func request(_ type: FieldName, stream: Int32) {
    beginRequest(type, stream: stream)
    raw("}")
  }
}
