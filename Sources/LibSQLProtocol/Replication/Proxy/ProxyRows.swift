/// `proxy.ResultRows`: what one delegated statement gave.
///
/// - Source: tursodatabase/libsql, libsql-replication/proto/proxy.proto.
public struct ProxyRows: Sendable, Hashable {
  /// Field 1.
  public let columns: [ProxyColumn]
  /// Field 2: one value for each column.
  public let rows: [[ProxyValue]]
  /// Field 3.
  public let affectedRowCount: UInt64
  /// Field 4; nil where the statement inserted nothing.
  public let lastInsertRowID: Int64?

  /// Rows.
  public init(
    columns: [ProxyColumn] = [], rows: [[ProxyValue]] = [], affectedRowCount: UInt64 = 0, lastInsertRowID: Int64? = nil
  ) {
    self.columns = columns
    self.rows = rows
    self.affectedRowCount = affectedRowCount
    self.lastInsertRowID = lastInsertRowID
  }

  init(_ field: ProtobufField, _ limits: ProxyLimits) throws(WireFormatError) {
    var reader = try field.submessage("ResultRows")
    var columns: [ProxyColumn] = []
    var rows: [[ProxyValue]] = []
    var affected: UInt64 = 0
    var rowID: Int64?
    while let part = try reader.next() {
      switch part.number {
      case 1:
        try limits.check(columns.count + 1, limits.columnCount, "columns", part)
        columns.append(try ProxyColumn(part))
      case 2: rows.append(try Self.row(part))
      case 3: affected = try part.uint64()
      case 4: rowID = try part.int64()
      default: continue
      }
    }
    guard rows.allSatisfy({ $0.count == columns.count }) else {
      throw field.refused("has a row of another width than its columns")
    }
    self.init(columns: columns, rows: rows, affectedRowCount: affected, lastInsertRowID: rowID)
  }

  private static func row(_ field: ProtobufField) throws(WireFormatError) -> [ProxyValue] {
    var reader = try field.submessage("Row")
    var values: [ProxyValue] = []
    while let part = try reader.next() {
      if part.number == 1 { values.append(try ProxyValue(part)) }
    }
    return values
  }

  func write(to writer: inout ProtobufWriter) {
    for column in columns { writer.message(1) { column.write(to: &$0) } }
    for row in rows {
      writer.message(2) { writer in
        for value in row { value.write(1, to: &writer) }
      }
    }
    writer.uint64(3, affectedRowCount)
    writer.optionalInt64(4, lastInsertRowID)
  }
}

/// `proxy.Column`.
public struct ProxyColumn: Sendable, Hashable {
  /// Field 1.
  public let name: String
  /// Field 3: the declared type; nil for expressions.
  public let declaredType: String?

  /// A column.
  public init(name: String, declaredType: String? = nil) {
    self.name = name
    self.declaredType = declaredType
  }

  init(_ field: ProtobufField) throws(WireFormatError) {
    var reader = try field.submessage("Column")
    var name = ""
    var declaredType: String?
    while let part = try reader.next() {
      switch part.number {
      case 1: name = try part.string()
      case 3: declaredType = try part.string()
      default: continue
      }
    }
    self.init(name: name, declaredType: declaredType)
  }

  func write(to writer: inout ProtobufWriter) {
    writer.string(1, name)
    writer.optionalString(3, declaredType)
  }
}
