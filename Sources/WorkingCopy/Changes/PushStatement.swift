internal import EncryptedStorage

/// A statement of a push: run in the rehearsal first, then at the remote.
struct PushStatement: Sendable, Hashable {
  /// When it is run. All of a phase are run before any of the next: so that a value that moves from one row to another is
  /// free when it arrives, whatever the order of the rows.
  enum Phase: Int, Sendable, CaseIterable {
    case dropDependents
    case tables
    case deletes
    case updates
    case inserts
    case sequences
    case indexes
    case dependents
  }

  var phase: Phase
  /// The table, or for definitions the name of what is defined.
  var subject: String
  var sql: String
  var arguments: [ExactValue] = []
  /// The key of the row.
  var key: [ExactValue] = []
  /// Rows that must be affected; nil for any number.
  var rowCount: Int?

  /// About the bytes that it takes in a request, as JSON.
  var byteCount: Int {
    arguments.reduce(sql.utf8.count + 100) { count, value in
      switch value {
      case .text(let bytes): count + bytes.reduce(40) { $0 + ($1 < 0x20 ? 6 : $1 == 0x22 || $1 == 0x5C ? 2 : 1) }
      case .blob(let bytes): count + 40 + bytes.count * 4 / 3
      default: count + 50
      }
    }
  }
}

extension PushStatement {
  /// Rows of one insertion, and bytes.
  private static let mergedRowCountMax = 100
  private static let mergedByteCountMax = 256 << 10

  /// Takes the row of another insertion into the same columns, so that a transaction of many rows is done sooner.
  ///
  /// - Returns: false, with nothing changed, when that one has to be a statement of its own.
  mutating func absorb(_ other: PushStatement, _ first: PushStatement) -> Bool {
    guard phase == .inserts, other.phase == .inserts, other.sql == first.sql, subject == other.subject,
      let rowCount, rowCount < Self.mergedRowCountMax, byteCount + other.byteCount <= Self.mergedByteCountMax,
      // The last one: what stands there holds nothing but parameters and what stands for values.
      let values = other.sql.ranges(of: RowStatements.values).last
    else { return false }
    sql += ", " + other.sql[values.upperBound...]
    arguments += other.arguments
    self.rowCount = rowCount + 1
    return true
  }
}

/// Makes the statements for the rows of one table.
///
/// Each names the row by its key, and the columns that it must still have: a row that the remote has changed meanwhile is not
/// touched, and that shows in the number of rows.
struct RowStatements {
  let layout: TableLayout
  /// Columns that the remote's rows have, and whose old values can be compared, by place.
  let isStored: [Bool]

  /// A longer value is compared by its length alone, so that it does not have to be sent twice.
  private static let comparedByteCountMax = 64 << 10

  /// Between the columns and the values of an insertion.
  static let values = " VALUES "

  func insert(_ row: TableRow) -> PushStatement {
    var names = layout.columns.map(\.name.quoted)
    var builder = Builder()
    var values = row.values.map { builder.expression($0) }
    if names.isEmpty, layout.identity == .rowid {
      // A table of generated columns alone.
      (names, values) = (layout.keyExpressions, ["NULL"])
    }
    return PushStatement(
      phase: .inserts, subject: layout.name,
      sql: "INSERT OR ABORT INTO \(layout.quotedName) (\(names.joined(separator: ", ")))\(Self.values)"
        + "(\(values.joined(separator: ", ")))",
      arguments: builder.arguments, key: layout.identity == .rowid ? [] : row.key, rowCount: 1)
  }

  func delete(_ row: TableRow) -> PushStatement {
    var builder = Builder()
    let condition = condition(row, &builder)
    return PushStatement(
      phase: .deletes, subject: layout.name, sql: "DELETE FROM \(layout.quotedName) WHERE \(condition)",
      arguments: builder.arguments, key: row.key, rowCount: 1)
  }

  /// One statement, or a deletion and an insertion where a unique index could be in the way of a row on its way.
  func update(from old: TableRow, to new: TableRow) -> [PushStatement] {
    let changed = old.values.indices.filter { old.values[$0] != new.values[$0] }
    guard !changed.isEmpty else { return [] }
    if layout.touchesUniqueness(changed) { return [delete(old), insert(new)] }
    var builder = Builder()
    let assignments = changed.map { "\(layout.columns[$0].name.quoted) = \(builder.expression(new.values[$0]))" }
    let condition = condition(old, &builder)
    return [
      PushStatement(
        phase: .updates, subject: layout.name,
        sql: "UPDATE OR ABORT \(layout.quotedName) SET \(assignments.joined(separator: ", ")) WHERE \(condition)",
        arguments: builder.arguments, key: old.key, rowCount: 1)
    ]
  }

  private func condition(_ row: TableRow, _ builder: inout Builder) -> String {
    var parts: [String] = []
    for (expression, value) in zip(layout.keyExpressions, row.key) {
      parts.append("\(expression) = \(builder.expression(value))")
    }
    for (index, value) in row.values.enumerated() where isStored[index] {
      let column = layout.columns[index].name.quoted
      switch value {
      case .text(let bytes) where bytes.count > Self.comparedByteCountMax,
        .blob(let bytes) where bytes.count > Self.comparedByteCountMax:
        parts.append("length(CAST(\(column) AS BLOB)) = \(bytes.count)")
      default: parts.append("\(column) COLLATE BINARY IS \(builder.expression(value))")
      }
    }
    return parts.joined(separator: " AND ")
  }

  /// Collects arguments.
  private struct Builder {
    var arguments: [ExactValue] = []

    /// SQL for a value: a parameter, or what stands for a value that a request cannot carry.
    mutating func expression(_ value: ExactValue) -> String {
      switch value {
      case .real(let bits) where !Double(bitPattern: bits).isFinite:
        // JSON has no infinities. SQLite reads a literal that is too large as one, and stores no NaN.
        return Double(bitPattern: bits) < 0 ? "-9e999" : "9e999"
      case .text(let bytes) where String(validating: bytes, as: UTF8.self) == nil:
        arguments.append(.blob(bytes))
        return "CAST(? AS TEXT)"
      default:
        arguments.append(value)
        return "?"
      }
    }
  }
}
