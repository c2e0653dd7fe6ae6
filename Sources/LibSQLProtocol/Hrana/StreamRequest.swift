extension Hrana {
  /// A request on the stream of an HTTP pipeline: `StreamRequest`.
  ///
  /// `replicationIndex` is the position a replica must have reached; clients send null.
  ///
  /// - Source: HRANA_3_SPEC.md, Hrana over HTTP, Requests.
  public enum StreamRequest: Sendable, Equatable {
    /// Closes the stream; the answer's baton is null.
    case close
    /// Runs one statement.
    case execute(Statement)
    /// Runs a batch; failing steps do not fail the request.
    case batch(Batch)
    /// Runs statements separated by semicolons until one fails; rows are dropped.
    case sequence(SQLText, replicationIndex: UInt64? = nil)
    /// Says what a statement is.
    case describe(SQLText, replicationIndex: UInt64? = nil)
    /// Keeps a text under a number that is not in use on this stream.
    case storeSQL(id: Int32, sql: String)
    /// Forgets a text; no error if there is none.
    case closeSQL(id: Int32)
    /// Asks whether a transaction is open. Since version 3.
    case getAutocommit
  }
}

extension Hrana.StreamRequest: JSONCoded {
  init(from reader: inout JSONReader) throws(JSONFault) {
    let fields = try RequestFields(from: &reader)
    switch fields.type {
    case .close: self = .close
    case .execute: self = .execute(try fields.statement())
    case .batch: self = .batch(try fields.batch())
    case .sequence: self = .sequence(try fields.sqlText(), replicationIndex: fields.replicationIndex)
    case .describe: self = .describe(try fields.sqlText(), replicationIndex: fields.replicationIndex)
    case .storeSQL: self = .storeSQL(id: try fields.sqlID(), sql: try fields.storedSQL())
    case .closeSQL: self = .closeSQL(id: try fields.sqlID())
    case .getAutocommit: self = .getAutocommit
    default: throw fields.unknownType
    }
  }

  func write(to writer: inout JSONWriter) {
    switch self {
    case .close: writer.raw(#"{"type":"close"}"#)
    case .getAutocommit: writer.raw(#"{"type":"get_autocommit"}"#)
    case .execute(let statement):
      writer.raw(#"{"type":"execute","stmt":"#)
      writer.value(statement)
      writer.raw("}")
    case .batch(let batch):
      writer.raw(#"{"type":"batch","batch":"#)
      writer.value(batch)
      writer.raw("}")
    case .sequence(let sql, let replicationIndex):
      writer.raw(#"{"type":"sequence","#)
      writer.sqlFields(sql, replicationIndex)
    case .describe(let sql, let replicationIndex):
      writer.raw(#"{"type":"describe","#)
      writer.sqlFields(sql, replicationIndex)
    case .storeSQL(let id, let sql): writer.storeSQL(id: id, sql: sql)
    case .closeSQL(let id): writer.closeSQL(id: id)
    }
  }
}

/// What requests over HTTP and WebSocket have in common.
extension JSONWriter {
  /// `"sql":…,"sql_id":…,"replication_index":…}`
  mutating func sqlFields(_ sql: Hrana.SQLText, _ replicationIndex: UInt64?) {
    sql.writeFields(to: &self)
    raw(#","replication_index":"#)
    integerText(replicationIndex)
    raw("}")
  }

  mutating func storeSQL(id: Int32, sql: String) {
    raw(#"{"type":"store_sql","sql_id":"#)
    integer(id)
    raw(#","sql":"#)
    string(sql)
    raw("}")
  }

  mutating func closeSQL(id: Int32) {
    raw(#"{"type":"close_sql","sql_id":"#)
    integer(id)
    raw("}")
  }
}
