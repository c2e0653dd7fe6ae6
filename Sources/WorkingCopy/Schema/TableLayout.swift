internal import EncryptedStorage

/// How the rows of a table are read, told apart and written.
struct TableLayout: Sendable {
  /// What tells one row from another.
  enum Identity: Sendable {
    /// A column that is the rowid: `INTEGER PRIMARY KEY`.
    case rowidColumn
    /// The primary key, of a table `WITHOUT ROWID` or beside a rowid that nobody knows.
    case primaryKey
    /// The rowid alone: there is no primary key. Rows that are inserted get a rowid from the remote.
    case rowid
    /// Nothing: there is no primary key, and columns hide the rowid. Rows can be compared, and not changed.
    case nothing
  }

  /// A column whose value is stored; generated columns are not among them.
  struct Column: Sendable {
    let name: String
    /// The text of its default; nil for none.
    let defaultText: String?
  }

  let name: String
  let identity: Identity
  let isWithoutRowid: Bool
  let columns: [Column]
  /// Names of the columns that make the key; of `rowid` for a table without one.
  let keyNames: [String]
  /// SQL of the key, quoted.
  let keyExpressions: [String]
  /// Columns in unique indexes beside the key; nil when any column may be in one, through an expression.
  private let uniqueColumns: Set<String>?

  var quotedName: String { name.quoted }
  var columnNames: [String] { columns.map(\.name) }

  /// Reads the layout in the session's transaction.
  init(_ name: String, _ session: Session) throws {
    self.name = name
    // hidden: 0 ordinary, 2 and 3 generated. Source: https://www.sqlite.org/pragma.html#pragma_table_xinfo
    let all = try session.query(
      "SELECT name, type, pk, hidden, dflt_value FROM pragma_table_xinfo(?)", [.text(name)]
    ) {
      (
        name: $0[0].text ?? "", type: $0[1].text ?? "", key: $0[2].integer ?? 0, hidden: $0[3].integer ?? 0,
        defaultText: $0[4].text
      )
    }
    columns = all.filter { $0.hidden == 0 }.map { Column(name: $0.name, defaultText: $0.defaultText) }
    isWithoutRowid =
      try session.value("SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = ?", [.text(name)])
      == .integer(1)
    let keys = all.filter { $0.key > 0 }.sorted { $0.key < $1.key }
    let indexes = try session.query(
      "SELECT name, \"unique\", origin FROM pragma_index_list(?)", [.text(name)]
    ) { (name: $0[0].text ?? "", isUnique: $0[1].integer == 1, origin: $0[2].text ?? "") }
    // `INTEGER PRIMARY KEY DESC` looks like the rowid and is none: then the key has an index.
    let isRowidColumn =
      !isWithoutRowid && keys.count == 1 && keys[0].type.uppercased() == "INTEGER"
      && !indexes.contains { $0.origin == "pk" }
    if keys.isEmpty {
      let rowid = Self.rowid(beside: all.map(\.name))
      identity = rowid == nil ? .nothing : .rowid
      keyNames = rowid == nil ? columns.map(\.name) : ["rowid"]
      keyExpressions = rowid.map { [$0] } ?? keyNames.map(\.quoted)
    } else {
      identity = isRowidColumn ? .rowidColumn : .primaryKey
      keyNames = keys.map(\.name)
      keyExpressions = keys.map(\.name.quoted)
    }
    let hasGenerated = all.contains { $0.hidden > 1 }
    var unique: Set<String>? = []
    for index in indexes where index.isUnique && index.origin != "pk" {
      // cid: -2 is an expression, -1 the rowid. Source: https://www.sqlite.org/pragma.html#pragma_index_xinfo
      let parts = try session.query("SELECT cid, name FROM pragma_index_xinfo(?) WHERE key", [.text(index.name)]) {
        (number: $0[0].integer ?? -2, name: $0[1].text)
      }
      // What a partial index covers depends on columns that are not in it.
      let isPartial =
        try session.value(
          "SELECT partial FROM pragma_index_list(?1) WHERE name = ?2", [.text(name), .text(index.name)])
        != .integer(0)
      if hasGenerated || isPartial || parts.contains(where: { $0.number == -2 }) { unique = nil }
      unique?.formUnion(parts.compactMap(\.name))
    }
    uniqueColumns = unique
  }

  /// Whether a change of these columns can run into a unique index on its way, where two rows swap values.
  func touchesUniqueness(_ changed: some Sequence<Int>) -> Bool {
    guard let uniqueColumns else { return true }
    return changed.contains { uniqueColumns.contains(columns[$0].name) }
  }

  // MARK: - Reading

  /// SQL for each column of this layout, as another database has it.
  struct Mapping: Sendable {
    /// In the order of ``TableLayout/columns``.
    let columns: [String]
    let key: [String]
    /// Columns that the other database really has, by place.
    let isStored: [Bool]
  }

  /// The columns where they have the same names.
  var sameColumns: Mapping {
    Mapping(
      columns: columns.map(\.name.quoted), key: keyExpressions, isStored: Array(repeating: true, count: columns.count))
  }

  /// The columns as a former definition of the table has them.
  ///
  /// - Parameter renamed: the former names of columns that have another one now.
  func columns(in former: TableLayout, renamed: [String: String] = [:]) -> Mapping {
    let names = Set(former.columnNames)
    func expression(_ column: Column) -> (sql: String, isStored: Bool) {
      let name = renamed[column.name] ?? column.name
      // A column that was added holds its default in the rows that are there.
      return names.contains(name) ? (name.quoted, true) : ("(\(column.defaultText ?? "NULL"))", false)
    }
    let found = columns.map(expression)
    let key = identity == .rowid ? keyExpressions : keyNames.map { (renamed[$0] ?? $0).quoted }
    return Mapping(columns: found.map(\.sql), key: key, isStored: found.map(\.isStored))
  }

  /// All rows, ordered by key as ``ExactValue/order(_:)`` orders: the key first, then the columns.
  func selectAll(_ mapping: Mapping) -> String {
    let isColumn = identity == .primaryKey || identity == .nothing
    var order = mapping.key.map { isColumn ? "\($0) COLLATE BINARY" : $0 }
    // Rows may share a key that is NULL.
    if identity == .primaryKey, !isWithoutRowid, let rowid = Self.rowid(beside: columnNames) { order.append(rowid) }
    return "SELECT \((mapping.key + mapping.columns).joined(separator: ", ")) FROM \(quotedName) ORDER BY "
      + order.joined(separator: ", ")
  }

  /// The row of one key. The second comparison is exact, the first can use the index of the key.
  func selectOne(_ mapping: Mapping) -> String {
    let key = mapping.key.map { "\($0) = ?" } + exactKey(mapping.key)
    return "SELECT \((mapping.key + mapping.columns).joined(separator: ", ")) FROM \(quotedName) WHERE "
      + key.joined(separator: " AND ")
  }

  private func exactKey(_ key: [String]) -> [String] {
    identity == .primaryKey ? key.map { "\($0) COLLATE BINARY IS ?" } : []
  }

  /// The values for ``selectOne(_:)``.
  func selectOneValues(_ key: [ExactValue]) -> [ExactValue] { identity == .primaryKey ? key + key : key }

  /// The name of the rowid in a table with these columns; nil when they take all of its names.
  private static func rowid(beside columns: [String]) -> String? {
    let taken = Set(columns.map { $0.lowercased() })
    return ["_rowid_", "rowid", "oid"].first { !taken.contains($0) }
  }
}
