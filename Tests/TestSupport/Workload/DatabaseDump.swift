package import EncryptedStorage

/// A database as canonical text: its schema, every row of every table, virtual tables and their shadows included, and what
/// SQLite says about its structure.
package enum DatabaseDump {
  /// The queries that make the dump of the database behind `session`. Each answers one column of text.
  package static func queries(_ session: Session) throws -> [String] {
    let schema =
      "SELECT quote(type) || quote(name) || quote(tbl_name) || quote(sql) FROM sqlite_schema ORDER BY type, name"
    var queries = [
      schema, "PRAGMA user_version", "PRAGMA application_id", "PRAGMA integrity_check",
    ]
    let tables = try session.query(
      "SELECT name, sql FROM sqlite_schema WHERE type = 'table' ORDER BY name"
    ) { (name: $0[0].text ?? "", sql: $0[1].text ?? "") }
    for (name, sql) in tables {
      let columns = try session.query("SELECT name FROM pragma_table_xinfo(?) WHERE hidden <> 1", [.text(name)]) {
        "quote(\"\($0[0].text ?? "")\")"
      }
      let row = columns.joined(separator: " || ',' || ")
      // ANALYZE goes through the tables in the order in which the connection has come to know them.
      let isSorted = sql.uppercased().contains("WITHOUT ROWID") || name.hasPrefix("sqlite_stat")
      queries.append(
        isSorted
          ? "SELECT '\(name): ' || line FROM (SELECT \(row) AS line FROM \"\(name)\") ORDER BY line"
          : "SELECT '\(name) ' || rowid || ': ' || \(row) FROM \"\(name)\" ORDER BY rowid")
    }
    return queries
  }

  package static func lines(_ session: Session, _ queries: [String]) throws -> [String] {
    try queries.flatMap { try session.query($0) { $0[0].text ?? "\($0[0].integer ?? 0)" } }
  }
}
