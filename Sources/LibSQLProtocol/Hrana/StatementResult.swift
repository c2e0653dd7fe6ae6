extension Hrana {
  /// A column of a result.
  public struct Column: Sendable, Equatable {
    /// Its name; nil where the server gives none.
    public var name: String?
    /// The type it was declared with, where it comes straight from a table.
    public var declaredType: String?

    /// Makes a column.
    public init(name: String?, declaredType: String? = nil) {
      self.name = name
      self.declaredType = declaredType
    }
  }

  /// What a statement produced: `StmtResult`.
  ///
  /// - Source: HRANA_3_SPEC.md, Statement results; from ``replicationIndex`` on, additions of the reference server, which
  ///   clients read if they are there (wire-libsql.md, section 1.1).
  public struct StatementResult: Sendable, Equatable {
    /// The columns, also of a statement without rows.
    public var columns: [Column]
    /// The rows, each with one value for each column.
    public var rows: [[Value]]
    /// Rows inserted, updated or deleted; 0 for other statements.
    public var affectedRowCount: UInt64
    /// The rowid of the last row inserted. On the wire a decimal string; a number is read, too.
    public var lastInsertRowID: Int64?
    /// The position of the replication log after the statement, on the wire a decimal string.
    public var replicationIndex: UInt64?
    /// Rows the statement looked at.
    public var rowsRead: UInt64
    /// Rows the statement wrote.
    public var rowsWritten: UInt64
    /// How long it took, in milliseconds.
    public var queryDurationMilliseconds: Double

    /// Makes a result.
    public init(
      columns: [Column] = [], rows: [[Value]] = [], affectedRowCount: UInt64 = 0, lastInsertRowID: Int64? = nil,
      replicationIndex: UInt64? = nil, rowsRead: UInt64 = 0, rowsWritten: UInt64 = 0,
      queryDurationMilliseconds: Double = 0
    ) {
      self.columns = columns
      self.rows = rows
      self.affectedRowCount = affectedRowCount
      self.lastInsertRowID = lastInsertRowID
      self.replicationIndex = replicationIndex
      self.rowsRead = rowsRead
      self.rowsWritten = rowsWritten
      self.queryDurationMilliseconds = queryDurationMilliseconds
    }
  }
}

extension Hrana.Column: JSONCoded {
  init(from reader: inout JSONReader) throws(JSONFault) {
    var members = try reader.beginObject()
    var name: String?
    var declaredType: String?
    while let field = try reader.nextField(&members) {
      switch field {
      case .name: name = try reader.readOptionalString()
      case .decltype: declaredType = try reader.readOptionalString()
      default: try reader.skipValue()
      }
    }
    self.init(name: name, declaredType: declaredType)
  }

  func write(to writer: inout JSONWriter) {
    writer.raw(#"{"name":"#)
    writer.string(name)
    writer.raw(#","decltype":"#)
    writer.string(declaredType)
    writer.raw("}")
  }
}

extension JSONReader {
  mutating func readColumns() throws(JSONFault) -> [Hrana.Column] {
    try readArray(countMax: limits.columnCountMax, Hrana.Column.init(from:))
  }
}

extension Hrana.StatementResult: JSONCoded {
  init(from reader: inout JSONReader) throws(JSONFault) {
    var members = try reader.beginObject()
    var columns: [Hrana.Column]?
    var rows: [[Hrana.Value]]?
    var affectedRowCount: UInt64?
    self.init()
    while let field = try reader.nextField(&members) {
      switch field {
      case .cols: columns = try reader.readColumns()
      case .rows:
        rows = try reader.readArray(countMax: reader.limits.rowCountMax) { (reader) throws(JSONFault) in
          try reader.readRow()
        }
      case .affectedRowCount: affectedRowCount = try reader.readInteger()
      case .lastInsertRowID: lastInsertRowID = try reader.readOptionalInteger()
      case .replicationIndex: replicationIndex = try reader.readOptionalInteger()
      case .rowsRead: rowsRead = try reader.readInteger()
      case .rowsWritten: rowsWritten = try reader.readInteger()
      case .queryDurationMS: queryDurationMilliseconds = try reader.readDouble()
      default: try reader.skipValue()
      }
    }
    guard let columns else { throw members.missing(.cols) }
    guard let rows else { throw members.missing(.rows) }
    guard let affectedRowCount else { throw members.missing(.affectedRowCount) }
    guard rows.allSatisfy({ $0.count == columns.count }) else {
      throw members.inconsistent("a row has not one value for each column")
    }
    self.columns = columns
    self.rows = rows
    self.affectedRowCount = affectedRowCount
  }

  func write(to writer: inout JSONWriter) {
    writer.raw(#"{"cols":"#)
    writer.array(columns)
    writer.raw(#","rows":"#)
    writer.array(rows) { row, writer in writer.row(row) }
    writer.raw(#","affected_row_count":"#)
    writer.integer(affectedRowCount)
    writer.raw(#","last_insert_rowid":"#)
    writer.integerText(lastInsertRowID)
    writer.raw(#","replication_index":"#)
    writer.integerText(replicationIndex)
    writer.raw(#","rows_read":"#)
    writer.integer(rowsRead)
    writer.raw(#","rows_written":"#)
    writer.integer(rowsWritten)
    writer.raw(#","query_duration_ms":"#)
    writer.double(queryDurationMilliseconds)
    writer.raw("}")
  }
}
