/// Compares two databases row by row, in bounded memory, stopping at the first difference.
struct ContentComparison {
  let source: Session
  let target: Session
  var progress: Progress?
  var cancellation = Cancellation()

  /// Both sessions must be in a transaction, or owned by nobody else.
  ///
  /// - Throws: `.damaged` naming the table, never a value.
  func run() throws {
    let sourceObjects = try SchemaObject.all(of: source)
      .filter { try $0.kind != .statistics || target.hasTable($0.name) }
      .map { [$0.type, $0.name, $0.tableName, $0.sql] }
    let targetObjects = try SchemaObject.all(of: target).map { [$0.type, $0.name, $0.tableName, $0.sql] }
    guard Set(sourceObjects) == Set(targetObjects), sourceObjects.count == targetObjects.count else {
      throw difference("the schema")
    }
    for pragma in ["user_version", "application_id", "encoding", "auto_vacuum"] {
      guard try source.value("PRAGMA \(pragma)") == target.value("PRAGMA \(pragma)") else { throw difference(pragma) }
    }
    let tables = try TableShape.all(of: source).filter { try !$0.isStatistics || target.hasTable($0.name) }
    progress?.begin(total: Int64(tables.count))
    for table in tables {
      try compareRows(of: table)
      progress?.advance(by: 1)
    }
  }

  private func compareRows(of table: TableShape) throws {
    let sql = "SELECT \(table.storedColumns.joined(separator: ", ")) FROM \(table.quotedName) NOT INDEXED"
    let copied = try target.prepare(sql)
    defer { copied.reset() }
    let original = try source.prepare(sql)
    try source.forEachRow(of: original) { _ in
      try cancellation.check("compare")
      guard try copied.step(), original.currentRowEquals(copied) else { throw difference("table \(table.name)") }
    }
    guard try !copied.step() else { throw difference("table \(table.name)") }
  }

  private func difference(_ what: String) -> EncryptedStorageError {
    EncryptedStorageError(
      .damaged, operation: "compare", file: source.path, detail: "the copy differs from the source in \(what)",
      hint: "nothing was changed; please report this with the schema of the database")
  }
}
