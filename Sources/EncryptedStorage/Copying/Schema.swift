/// One row of `sqlite_schema` that has text. Source: https://www.sqlite.org/schematab.html
struct SchemaObject: Equatable {
  enum Kind {
    case table, virtualTable, index, view, trigger
    /// `sqlite_stat1`, `sqlite_stat4`: made by ANALYZE.
    case statistics
    /// `sqlite_sequence`: made with the first AUTOINCREMENT table.
    case sequence
  }

  let type: String
  let name: String
  let tableName: String
  let sql: String
  let kind: Kind

  /// In the order of their rowids, so that what depends on an object comes after it.
  static func all(of session: Session) throws -> [SchemaObject] {
    try session.query(
      "SELECT type, name, tbl_name, sql, rootpage FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid"
    ) { row in
      let type = row[0].text ?? ""
      let name = row[1].text ?? ""
      return SchemaObject(
        type: type, name: name, tableName: row[2].text ?? "", sql: row[3].text ?? "",
        kind: kind(type: type, name: name, rootPage: row[4].integer ?? 0))
    }
  }

  private static func kind(type: String, name: String, rootPage: Int64) -> Kind {
    if name == "sqlite_sequence" { return .sequence }
    if name.hasPrefix("sqlite_stat") { return .statistics }
    switch type {
    case "index": return .index
    case "view": return .view
    case "trigger": return .trigger
    default: return rootPage == 0 ? .virtualTable : .table
    }
  }
}

/// How the rows of a table that has pages are read and written back unchanged.
struct TableShape {
  let name: String
  /// Every column whose value is stored, quoted; with the rowid in front where no column stands for it.
  let storedColumns: [String]

  var quotedName: String { Self.quoted(name) }
  /// Whether ANALYZE fills the table.
  var isStatistics: Bool { name.hasPrefix("sqlite_stat") }
  /// Whether SQLite itself fills the table.
  var isInternal: Bool { name.hasPrefix("sqlite_") }

  /// All tables with pages: ordinary, shadow, WITHOUT ROWID and SQLite's own, but not the schema itself.
  static func all(of session: Session) throws -> [TableShape] {
    let tables = try session.query(
      """
      SELECT s.name, coalesce((SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = s.name), 0)
      FROM sqlite_schema AS s WHERE s.type = 'table' AND s.rootpage > 0 ORDER BY s.rowid
      """
    ) { (name: $0[0].text ?? "", isWithoutRowid: $0[1].integer == 1) }
    return try tables.map { try TableShape($0.name, isWithoutRowid: $0.isWithoutRowid, session) }
  }

  private init(_ name: String, isWithoutRowid: Bool, _ session: Session) throws {
    self.name = name
    // hidden: 0 ordinary, 2 and 3 generated. Source: https://www.sqlite.org/pragma.html#pragma_table_xinfo
    let columns = try session.query("SELECT name, type, pk, hidden FROM pragma_table_xinfo(?)", [.text(name)]) {
      (name: $0[0].text ?? "", type: $0[1].text ?? "", key: $0[2].integer ?? 0, hidden: $0[3].integer ?? 0)
    }
    let stored = columns.filter { $0.hidden == 0 }.map { Self.quoted($0.name) }
    let keys = columns.filter { $0.key > 0 }
    let hasRowidColumn = keys.count == 1 && keys[0].type.uppercased() == "INTEGER"
    let taken = Set(columns.map { $0.name.lowercased() })
    let rowid = ["_rowid_", "rowid", "oid"].first { !taken.contains($0) }
    // Naming the rowid twice, as the alias and as the column, would be wrong only by being superfluous; `INTEGER PRIMARY
    // KEY DESC` looks like an alias and is none, so the rowid is written whenever a name for it is free.
    if !isWithoutRowid, let rowid, !hasRowidColumn || Self.isFalseAlias(keys[0].name, name, session) {
      storedColumns = [rowid] + stored
    } else {
      storedColumns = stored
    }
  }

  /// Whether an `INTEGER` primary key column is not the rowid: then it has an automatic index.
  private static func isFalseAlias(_ column: String, _ table: String, _ session: Session) -> Bool {
    let indexes = try? session.value(
      "SELECT count(*) FROM pragma_index_list(?) WHERE origin = 'pk'", [.text(table)])
    return indexes?.integer ?? 0 > 0
  }

  private static func quoted(_ name: String) -> String {
    "\"" + name.replacing("\"", with: "\"\"") + "\""
  }
}

extension Session {
  /// Whether a table of this name is there.
  func hasTable(_ name: String) throws(EncryptedStorageError) -> Bool {
    try value("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?", [.text(name)]) != .integer(0)
  }
}
