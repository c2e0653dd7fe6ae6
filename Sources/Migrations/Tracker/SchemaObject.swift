/// Something with a name in a database: a row of `sqlite_schema` that is not SQLite's own.
public struct SchemaObject: Sendable, Hashable {
  /// What it is, in the words of `sqlite_schema`.
  public enum Kind: String, Sendable {
    case table, index, view, trigger
  }

  /// What tells objects apart.
  struct Name: Sendable, Hashable {
    let kind: Kind
    /// In small letters, as names are compared.
    let name: String

    init(kind: Kind, name: String) {
      self.kind = kind
      self.name = name.lowercased()
    }
  }

  /// What it is.
  public let kind: Kind
  /// Its name, as it was written.
  public let name: String
  /// Whether it is a virtual table, whose module keeps its content in other tables.
  public let isVirtual: Bool

  /// An object.
  public init(kind: Kind, name: String, isVirtual: Bool = false) {
    self.kind = kind
    self.name = name
    self.isVirtual = isVirtual
  }

  /// Rows of three columns: kind, name, and whether it is a virtual table. In the order in which they were made.
  public static let listing = """
    SELECT type, name, type = 'table' AND rootpage = 0 FROM sqlite_schema \
    WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid
    """
}

extension String {
  /// As an identifier in SQL.
  var quotedName: String { "\"" + replacing("\"", with: "\"\"") + "\"" }
}
