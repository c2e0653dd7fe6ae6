/// A table as SeaORM's builder writes it for SQLite, byte for byte.
/// Source: sea-query 1.0, `backend/sqlite` and `backend/table_builder`.
struct TableDefinition {
  struct Column {
    /// The builder's types, as it writes them for SQLite.
    enum Kind: String {
      case string = "varchar"
      case text
      case integer
      case boolean
      case date = "date_text"
      case timestamp = "timestamp_text"
      case json = "json_text"
      /// Ten digits, two of them behind the point.
      case money = "real(10, 2)"
    }

    let name: String
    let kind: Kind
    let constraints: String

    /// `"name" type`, then constraints in the builder's order.
    var sql: String { "\"\(name)\" \(kind.rawValue) \(constraints)" }

    /// The primary key, called `id`.
    static let id = Column(name: "id", kind: .integer, constraints: "NOT NULL PRIMARY KEY AUTOINCREMENT")

    static func required(_ name: String, _ kind: Kind) -> Column {
      Column(name: name, kind: kind, constraints: "NOT NULL")
    }

    static func unique(_ name: String, _ kind: Kind) -> Column {
      Column(name: name, kind: kind, constraints: "NOT NULL UNIQUE")
    }

    /// The migrations say `null()`, and so the builder writes it.
    static func optional(_ name: String, _ kind: Kind) -> Column { Column(name: name, kind: kind, constraints: "NULL") }
  }

  struct Index {
    let name: String
    let columns: [String]
    var isUnique = false
  }

  let name: String
  let columns: [Column]
  /// Column and table whose `id` it holds.
  var references: [(column: String, table: String)] = []
  var indexes: [Index] = []

  /// The script that makes the table and its indexes.
  var creation: String {
    let keys = references.map { "FOREIGN KEY (\"\($0.column)\") REFERENCES \"\($0.table)\" (\"id\")" }
    let items = (columns.map(\.sql) + keys).joined(separator: ", ")
    let statements = ["CREATE TABLE IF NOT EXISTS \"\(name)\" ( \(items) )"] + indexes.map(sql)
    return statements.joined(separator: ";\n") + ";\n"
  }

  /// The script that drops it.
  var removal: String { "DROP TABLE IF EXISTS \"\(name)\";\n" }

  func sql(_ index: Index) -> String {
    let columns = index.columns.map { "\"\($0)\"" }.joined(separator: ", ")
    return "CREATE \(index.isUnique ? "UNIQUE " : "")INDEX \"\(index.name)\" ON \"\(name)\" (\(columns))"
  }
}
