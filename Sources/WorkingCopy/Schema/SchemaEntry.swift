internal import EncryptedStorage
internal import LibSQLClient

/// A row of `sqlite_schema` that has text and belongs to the user. Source: https://www.sqlite.org/schematab.html
struct SchemaEntry: Sendable, Hashable {
  enum Kind: String, Sendable {
    case table, index, view, trigger
  }

  /// What tells entries of one schema apart.
  struct Identity: Sendable, Hashable {
    let kind: Kind
    let name: String
  }

  let identity: Identity
  /// The table or view that it belongs to; its own name for these.
  let tableName: String
  let sql: String
  /// Whether it has no pages of its own: a virtual table.
  let isVirtual: Bool

  var name: String { identity.name }
  var kind: Kind { identity.kind }

  static func == (left: SchemaEntry, right: SchemaEntry) -> Bool {
    // By bytes: Swift takes two spellings of `é` for equal.
    left.identity == right.identity && left.sql.utf8.elementsEqual(right.sql.utf8)
  }

  func hash(into hasher: inout Hasher) { hasher.combine(identity) }
}

extension String {
  /// As an identifier in SQL.
  var quoted: String { "\"" + replacing("\"", with: "\"\"") + "\"" }
}

/// Tables that this project keeps in databases for itself: they are neither compared nor sent.
enum OwnTable {
  /// In the working copy: what it was made from.
  static let record = "_albergue_copy"
  /// In the remote: the pushes that were committed.
  static let pushes = WriteClaims.Ledger.pushes.table

  static let all: Set<String> = [record, pushes, WriteClaims.Ledger.writes.table]
}

/// The schema of a database, and how the rows of its tables are read.
struct DatabaseSchema: Sendable {
  /// In the order in which they were made, so that what depends on an entry comes after it.
  let entries: [SchemaEntry]
  let byIdentity: [SchemaEntry.Identity: SchemaEntry]
  /// Tables with pages, by name, without SQLite's and our own.
  let layouts: [String: TableLayout]
  /// The highest rowid of each table with AUTOINCREMENT so far.
  let sequences: [String: Int64]
  let userVersion: Int64
  let applicationID: Int64

  /// Reads the schema in the session's transaction.
  ///
  /// - Throws: ``WorkingCopyError`` `.unsupported` for a database that is not in UTF-8; what reading throws.
  init(of session: Session) throws {
    guard try session.value("PRAGMA encoding") == .text("UTF-8") else {
      throw WorkingCopyError(
        .unsupported, "the database is not in UTF-8", hint: "copy its tables into a database in UTF-8")
    }
    entries = try session.query(
      """
      SELECT type, name, tbl_name, sql, rootpage FROM sqlite_schema
      WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid
      """
    ) { row -> SchemaEntry? in
      guard let kind = row[0].text.flatMap(SchemaEntry.Kind.init), let name = row[1].text else { return nil }
      let entry = SchemaEntry(
        identity: SchemaEntry.Identity(kind: kind, name: name), tableName: row[2].text ?? name, sql: row[3].text ?? "",
        isVirtual: kind == .table && row[4].integer ?? 0 == 0)
      return OwnTable.all.contains(entry.tableName) ? nil : entry
    }.compactMap(\.self)
    byIdentity = Dictionary(entries.map { ($0.identity, $0) }) { first, _ in first }
    var layouts: [String: TableLayout] = [:]
    for entry in entries where entry.kind == .table && !entry.isVirtual {
      layouts[entry.name] = try TableLayout(entry.name, session)
    }
    self.layouts = layouts
    sequences = try Self.sequences(session)
    userVersion = try session.value("PRAGMA user_version").integer ?? 0
    applicationID = try session.value("PRAGMA application_id").integer ?? 0
  }

  private static func sequences(_ session: Session) throws -> [String: Int64] {
    guard try session.value("SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_sequence'") == .integer(1) else {
      return [:]
    }
    let rows = try session.query("SELECT name, seq FROM sqlite_sequence") { ($0[0].text, $0[1].integer) }
    return rows.reduce(into: [:]) { sequences, row in
      if let name = row.0, let number = row.1 { sequences[name] = max(number, sequences[name] ?? number) }
    }
  }

  /// The virtual table whose module keeps its content in the table `name`; nil for a table of the user's.
  ///
  /// The names are all that there is to go by, since the module may not be in this process.
  /// Source: https://www.sqlite.org/vtab.html#the_xshadowname_method
  func virtualTable(behind name: String) -> String? {
    entries.first { $0.isVirtual && name.hasPrefix($0.name + "_") }?.name
  }

  func table(_ name: String) -> SchemaEntry? { byIdentity[SchemaEntry.Identity(kind: .table, name: name)] }
}
