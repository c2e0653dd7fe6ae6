internal import EncryptedStorage

/// What a table is like at a remote, as its own pragmas tell it.
/// Source: https://www.sqlite.org/pragma.html, `table_xinfo`, `foreign_key_list`, `index_list`, `index_info`
struct TableShape {
  struct Column {
    let name: String
    /// In small letters, without spaces.
    let type: String
    let isRequired: Bool
    /// Its place in the primary key, from 1; else 0.
    let keyPlace: Int64
    /// Whether it is generated or hidden.
    let isSpecial: Bool
  }

  struct Index {
    let name: String
    let isUnique: Bool
    let isPartial: Bool
    /// An expression has an empty name.
    var columns: [String]
  }

  var columns: [Column] = []
  /// `column -> table(column)`, with actions where there are any.
  var references: Set<String> = []
  var indexes: [Index] = []

  // MARK: - Reading

  private static let names = HostelMigrations.tables.map { "'\($0.name)'" }.joined(separator: ", ")
  private static let source = "sqlite_schema AS m WHERE m.type = 'table' AND lower(m.name) IN (\(names))"

  /// Rows of table, column, type, required, place in the key, hidden.
  static let columns = """
    SELECT lower(m.name), x.name, x.type, x."notnull", x.pk, x.hidden FROM \
    (SELECT m.name FROM \(source)) AS m JOIN pragma_table_xinfo(m.name) AS x ORDER BY m.name, x.cid
    """
  /// Rows of table, column, parent, its column, and what happens on update and on deletion.
  static let references = """
    SELECT lower(m.name), f."from", f."table", coalesce(f."to", ''), f.on_update, f.on_delete FROM \
    (SELECT m.name FROM \(source)) AS m JOIN pragma_foreign_key_list(m.name) AS f ORDER BY m.name, f.id, f.seq
    """
  /// Rows of table, index, unique, partial, column; in the order of the columns.
  static let indexes = """
    SELECT lower(m.name), l.name, l."unique", l.partial, coalesce(i.name, '') FROM \
    (SELECT m.name FROM \(source)) AS m JOIN pragma_index_list(m.name) AS l JOIN pragma_index_info(l.name) AS i \
    ORDER BY m.name, l.name, i.seqno
    """

  /// - Returns: shapes by name of the table.
  static func read(columns: [[Value]], references: [[Value]], indexes: [[Value]]) -> [String: TableShape] {
    var shapes: [String: TableShape] = [:]
    for row in columns {
      let column = Column(
        name: row[1].text ?? "", type: (row[2].text ?? "").lowercased().filter { !$0.isWhitespace },
        isRequired: row[3] == .integer(1), keyPlace: row[4].integer ?? 0, isSpecial: row[5] != .integer(0))
      shapes[row[0].text ?? "", default: TableShape()].columns.append(column)
    }
    for row in references {
      let texts = row.map { $0.text ?? "" }
      let actions = texts[4...5].filter { $0 != "NO ACTION" }.map { " \($0)" }.joined()
      shapes[texts[0]]?.references.insert("\(texts[1]) -> \(texts[2].lowercased())(\(texts[3]))\(actions)")
    }
    for row in indexes {
      let (table, name) = (row[0].text ?? "", row[1].text ?? "")
      if let last = shapes[table]?.indexes.indices.last, shapes[table]?.indexes[last].name == name {
        shapes[table]?.indexes[last].columns.append(row[4].text ?? "")
      } else {
        let index = Index(
          name: name, isUnique: row[2] == .integer(1), isPartial: row[3] == .integer(1), columns: [row[4].text ?? ""])
        shapes[table]?.indexes.append(index)
      }
    }
    return shapes
  }
}

// MARK: - Comparison

extension TableDefinition {
  /// What is at a remote and not as this makes it, one line each. An index that is missing is none of it.
  func differences(from shape: TableShape) -> [String] {
    let there = shape.columns.map(\.name)
    let wanted = columns.map(\.name)
    let missing = wanted.filter { !there.contains($0) }
    let more = there.filter { !wanted.contains($0) }
    var lines: [String] = []
    if !missing.isEmpty { lines.append("lacks \(missing.joined(separator: ", "))") }
    if !more.isEmpty { lines.append("has \(more.joined(separator: ", ")) more") }
    if lines.isEmpty, there != wanted { lines.append("has its columns in another order") }
    for column in columns {
      guard let other = shape.columns.first(where: { $0.name == column.name }) else { continue }
      lines += column.differences(from: other).map { "\(column.name) \($0)" }
      let isUnique = shape.indexes.contains { $0.isUnique && !$0.isPartial && $0.columns == [column.name] }
      if column.constraints.hasSuffix("UNIQUE"), !isUnique { lines.append("\(column.name) is not UNIQUE") }
    }
    let keys = Set(references.map { "\($0.column) -> \($0.table)(id)" })
    lines += keys.subtracting(shape.references).sorted().map { "lacks the foreign key \($0)" }
    lines += shape.references.subtracting(keys).sorted().map { "has the foreign key \($0) more" }
    for index in indexes {
      guard let other = shape.indexes.first(where: { $0.name == index.name }) else { continue }
      if other.columns != index.columns || other.isUnique != index.isUnique || other.isPartial {
        lines.append("the index \(index.name) is another one")
      }
    }
    return lines
  }

  /// Statements for the indexes that are missing.
  func missingIndexes(in shape: TableShape) -> [String] {
    indexes.filter { index in !shape.indexes.contains { $0.name == index.name } }.map(sql)
  }
}

extension TableDefinition.Column {
  fileprivate func differences(from other: TableShape.Column) -> [String] {
    var lines: [String] = []
    if !kind.spellings.contains(other.type) { lines.append("is \(other.type.isEmpty ? "of no type" : other.type)") }
    let isKey = constraints.contains("PRIMARY KEY")
    if isKey != (other.keyPlace == 1) || !isKey && other.keyPlace != 0 {
      lines.append(isKey ? "is not the primary key" : "is in the primary key")
    }
    let isRequired = constraints.hasPrefix("NOT NULL")
    if !isKey, isRequired != other.isRequired { lines.append(isRequired ? "may be NULL" : "must not be NULL") }
    if other.isSpecial { lines.append("is generated") }
    return lines
  }
}

extension TableDefinition.Column.Kind {
  /// Types that count as this one: SeaORM's of version 2 and 1, and those of the former baseline script.
  fileprivate var spellings: Set<String> {
    switch self {
    case .string: ["varchar", "text"]
    case .text: ["text"]
    case .integer: ["integer", "bigint"]
    case .boolean: ["boolean", "integer"]
    case .date: ["date_text", "date"]
    case .timestamp: ["timestamp_text", "timestamp"]
    case .json: ["json_text", "text"]
    case .money: ["real(10,2)", "numeric(10,2)"]
    }
  }
}
