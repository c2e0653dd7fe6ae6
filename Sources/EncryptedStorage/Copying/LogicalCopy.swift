/// Copies the content of one database into another of any format: schema, rows with their rowids, and settings.
///
/// Row by row between two connections, because the ready-made ways lose something: `sqlcipher_export` renumbers rowids and
/// drops `user_version`, `VACUUM INTO` carries the source's page reserve over (measured on 4.6.1), so that a file made from
/// a `sqlcipher4` one would never get the 48-byte reserve of `sqlcipher4-sha256`; both want the key in SQL text.
struct LogicalCopy {
  let source: Session
  let target: Session
  var progress: Progress?
  var cancellation = Cancellation()

  /// Copies everything in one snapshot of the source and one transaction of the target.
  ///
  /// The source session must be in a transaction. Triggers do not fire and checks are not enforced: what is stored is
  /// copied as it is.
  /// - Throws: `.statement` when the schema needs a function or collation that only its program has; `.diskFull`, …
  func run() throws {
    let schema = try SchemaObject.all(of: source)
    try copySettingsBeforeTables()
    try target.transaction(.exclusive) { target in
      for object in schema where object.kind == .table { try target.execute(object.sql) }
      try createStatistics(schema)
      let tables = try TableShape.all(of: source).filter { try !$0.isStatistics || target.hasTable($0.name) }
      progress?.begin(total: Int64(tables.count))
      for table in tables {
        try copyRows(of: table)
        progress?.advance(by: 1)
      }
      for object in schema where object.kind == .index { try target.execute(object.sql) }
      try insertIntoSchema(schema.filter { [.view, .trigger, .virtualTable].contains($0.kind) })
      for pragma in ["user_version", "application_id"] {
        guard case .integer(let value) = try source.value("PRAGMA \(pragma)") else { continue }
        try target.execute("PRAGMA \(pragma)=\(value)")
      }
    }
  }

  /// Only an empty database takes these.
  private func copySettingsBeforeTables() throws {
    if case .text(let encoding) = try source.value("PRAGMA encoding") {
      try target.execute("PRAGMA encoding='\(encoding)'")
    }
    if case .integer(let mode) = try source.value("PRAGMA auto_vacuum") {
      try target.execute("PRAGMA auto_vacuum=\(mode)")
    }
  }

  /// Tables whose names begin with `sqlite_` cannot be created by name; ANALYZE of the empty schema makes those that this
  /// library knows. Statistics that it does not know (`sqlite_stat4`) are left out: they are only hints.
  private func createStatistics(_ schema: [SchemaObject]) throws {
    // The sequence table outlives the last AUTOINCREMENT table.
    if schema.contains(where: { $0.kind == .sequence }), try !target.hasTable("sqlite_sequence") {
      try target.execute("CREATE TABLE albergue_sequence (id INTEGER PRIMARY KEY AUTOINCREMENT)")
      try target.execute("DROP TABLE albergue_sequence")
    }
    if schema.contains(where: { $0.kind == .statistics }) { try target.execute("ANALYZE sqlite_schema") }
  }

  private func copyRows(of table: TableShape) throws {
    if table.isInternal { try target.execute("DELETE FROM \(table.quotedName)") }
    let columns = table.storedColumns.joined(separator: ", ")
    let parameters = table.storedColumns.map { _ in "?" }.joined(separator: ", ")
    let insert = try target.prepare("INSERT INTO \(table.quotedName) (\(columns)) VALUES (\(parameters))")
    let select = try source.prepare("SELECT \(columns) FROM \(table.quotedName) NOT INDEXED")
    try source.forEachRow(of: select) { _ in
      try cancellation.check("copy")
      try insert.bindCurrentRow(of: select)
      while try insert.step() {}
      insert.reset()
    }
  }

  /// Views, triggers and virtual tables have no pages of their own: their text is all there is, and running it could
  /// need functions or modules that are not here.
  private func insertIntoSchema(_ objects: [SchemaObject]) throws {
    guard !objects.isEmpty else { return }
    try target.execute("PRAGMA writable_schema=ON")
    for object in objects {
      try target.execute(
        "INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql) VALUES (?, ?, ?, 0, ?)",
        [.text(object.type), .text(object.name), .text(object.tableName), .text(object.sql)])
    }
    try target.execute("PRAGMA writable_schema=OFF")
  }
}
