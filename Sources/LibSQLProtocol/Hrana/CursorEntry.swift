extension Hrana {
  /// A piece of what a batch produces, sent while it runs.
  ///
  /// For each step that is run: `stepBegin`, its `row`s, then `stepEnd` or `stepError`; `stepError` can also stand alone.
  /// A skipped step has no entry. `error` ends everything. In WebSocket messages and HTTP bodies alike.
  ///
  /// - Source: HRANA_3_SPEC.md, Cursor entries; `replicationIndex`, the last entry of the reference server, and rowids as
  ///   numbers: wire-libsql.md, section 1.3.
  public enum CursorEntry: Sendable, Equatable {
    /// A step is run; its index, from 0, and its columns.
    case stepBegin(step: UInt32, columns: [Column])
    /// A row of the current step.
    case row([Value])
    /// The current step succeeded. The rowid is written as a number, and read as a number or a string.
    case stepEnd(affectedRowCount: UInt64, lastInsertRowID: Int64?)
    /// A step failed.
    case stepError(step: UInt32, error: ProtocolError)
    /// The batch failed as a whole. The Rust client cannot read it: prefer `stepError`.
    case error(ProtocolError)
    /// The position after the batch, as a number.
    case replicationIndex(UInt64?)
  }
}

extension Hrana.CursorEntry: JSONCoded {
  init(from reader: inout JSONReader) throws(JSONFault) {
    var members = try reader.beginObject()
    let start = reader.position - 1
    var type: FieldName?
    var step: UInt32?
    var columns: [Hrana.Column]?
    var row: [Hrana.Value]?
    var affectedRowCount: UInt64?
    var lastInsertRowID: Int64?
    var error: Hrana.ProtocolError?
    var replicationIndex: UInt64?
    while let field = try reader.nextField(&members) {
      switch field {
      case .type: type = try reader.readType()
      case .step: step = try reader.readInteger()
      case .cols: columns = try reader.readColumns()
      case .row: row = try reader.readRow()
      case .affectedRowCount: affectedRowCount = try reader.readInteger()
      case .lastInsertRowID: lastInsertRowID = try reader.readOptionalInteger()
      case .error: error = try Hrana.ProtocolError(from: &reader)
      case .replicationIndex: replicationIndex = try reader.readOptionalInteger()
      default: try reader.skipValue()
      }
    }
    switch type {
    case .stepBegin:
      guard let step else { throw members.missing(.step) }
      guard let columns else { throw members.missing(.cols) }
      self = .stepBegin(step: step, columns: columns)
    case .row:
      guard let row else { throw members.missing(.row) }
      self = .row(row)
    case .stepEnd:
      guard let affectedRowCount else { throw members.missing(.affectedRowCount) }
      self = .stepEnd(affectedRowCount: affectedRowCount, lastInsertRowID: lastInsertRowID)
    case .stepError:
      guard let step else { throw members.missing(.step) }
      guard let error else { throw members.missing(.error) }
      self = .stepError(step: step, error: error)
    case .error:
      guard let error else { throw members.missing(.error) }
      self = .error(error)
    case .replicationIndex: self = .replicationIndex(replicationIndex)
    case nil: throw members.missing(.type)
    default: throw JSONFault(.unknownType, at: start, "no type of a cursor entry")
    }
  }

  func write(to writer: inout JSONWriter) {
    switch self {
    case .stepBegin(let step, let columns):
      writer.raw(#"{"type":"step_begin","step":"#)
      writer.integer(step)
      writer.raw(#","cols":"#)
      writer.array(columns)
    case .row(let row):
      writer.raw(#"{"type":"row","row":"#)
      writer.row(row)
    case .stepEnd(let affectedRowCount, let lastInsertRowID):
      writer.raw(#"{"type":"step_end","affected_row_count":"#)
      writer.integer(affectedRowCount)
      writer.raw(#","last_insert_rowid":"#)
      writer.integer(lastInsertRowID)
    case .stepError(let step, let error):
      writer.raw(#"{"type":"step_error","step":"#)
      writer.integer(step)
      writer.raw(#","error":"#)
      writer.value(error)
    case .error(let error):
      writer.raw(#"{"type":"error","error":"#)
      writer.value(error)
    case .replicationIndex(let index):
      writer.raw(#"{"type":"replication_index","replication_index":"#)
      writer.integer(index)
    }
    writer.raw("}")
  }
}
