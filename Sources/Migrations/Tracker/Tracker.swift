public import EncryptedStorage

/// The tables that say what is applied: SeaORM's, and beside it our own with checksums. All of their SQL is here.
///
/// `seaql_migrations` is kept exactly as SeaORM 2 keeps it, so that its programs can take turns with this one on the same
/// database: they stop at every version that they do not know, and so nothing else is ever written there.
/// Source: SeaORM 2.0, `sea-orm-migration`, `seaql_migrations` and `migrator`.
public enum Tracker {
  /// SeaORM's table.
  public static let table = "seaql_migrations"
  /// Ours. SeaORM's `generate entity` passes over names that begin with `_`.
  public static let checksumTable = "_albergue_migration_checksums"

  /// The table of the hostel's former program, which knows one migration: the baseline.
  public static let baselineTable = "_albergue_migrations"

  /// One statement with its parameters, for a local database or a remote one.
  public struct Statement: Sendable, Hashable {
    /// Its text, with `?` for each value.
    public let sql: String
    /// The values.
    public let values: [Value]

    /// A statement.
    public init(_ sql: String, _ values: [Value] = []) {
      self.sql = sql
      self.values = values
    }
  }

  /// A change of the tracker.
  public enum Edit: Sendable, Hashable {
    /// A migration is applied, at a time in seconds since 1970-01-01 UTC.
    case record(version: String, appliedAt: Int64, checksum: String)
    /// The checksum of a migration that was applied before, at the time that its row says.
    case setChecksum(version: String, checksum: String)
    /// A migration is not applied.
    case forget(version: String)
    /// Both tables are dropped.
    case dropTables
    /// The baseline of that name is applied.
    case stampBaseline(name: String)
  }

  /// Makes both tables, where they are missing.
  public static let creation = [
    Statement(
      "CREATE TABLE IF NOT EXISTS \"\(table)\" "
        + "( \"version\" varchar NOT NULL PRIMARY KEY, \"applied_at\" integer NOT NULL )"),
    Statement(
      "CREATE TABLE IF NOT EXISTS \"\(checksumTable)\" "
        + "(\"version\" TEXT NOT NULL PRIMARY KEY, \"applied_at\" INTEGER NOT NULL, \"checksum\" TEXT NOT NULL)"),
  ]

  /// Rows of two columns: version and time. The order is that of ``DatabaseState/applied``.
  public static let appliedListing = "SELECT \"version\", \"applied_at\" FROM \"\(table)\" ORDER BY \"version\" ASC"

  /// Rows of three columns: version, time and checksum. A row counts only if its time is that of SeaORM's row: otherwise
  /// another program has rolled the migration back and applied it again since.
  public static let checksumListing = "SELECT \"version\", \"applied_at\", \"checksum\" FROM \"\(checksumTable)\""

  /// An expression that is 1 when exactly these versions are recorded, and else 0; for a database that has the table.
  ///
  /// A change is planned from what the tracker says. It may run only in a transaction in which the tracker says the same.
  /// - Parameter versions: in the order of ``appliedListing``.
  public static func isUnchanged(_ versions: [String]) -> Statement {
    Statement(
      """
      (SELECT coalesce(group_concat("version", char(10)), '') \
      FROM (SELECT "version" FROM "\(table)" ORDER BY "version" ASC)) = ?
      """,
      [.text(versions.joined(separator: "\n"))])
  }

  /// The statements of an edit.
  public static func statements(for edit: Edit) -> [Statement] {
    switch edit {
    case .record(let version, let appliedAt, let checksum):
      [
        Statement(
          "INSERT INTO \"\(table)\" (\"version\", \"applied_at\") VALUES (?, ?)", [.text(version), .integer(appliedAt)]),
        setChecksum(version, checksum),
      ]
    case .setChecksum(let version, let checksum): [setChecksum(version, checksum)]
    case .forget(let version):
      [table, checksumTable].map { Statement("DELETE FROM \"\($0)\" WHERE \"version\" = ?", [.text(version)]) }
    case .stampBaseline(let name):
      [
        Statement(
          "CREATE TABLE IF NOT EXISTS \"\(baselineTable)\" "
            + "(name TEXT PRIMARY KEY, applied_at TEXT NOT NULL DEFAULT (CURRENT_TIMESTAMP))"),
        Statement("INSERT OR IGNORE INTO \"\(baselineTable)\" (name) VALUES (?)", [.text(name)]),
      ]
    case .dropTables: [checksumTable, table].map { Statement("DROP TABLE IF EXISTS \"\($0)\"") }
    }
  }

  private static func setChecksum(_ version: String, _ checksum: String) -> Statement {
    Statement(
      """
      INSERT OR REPLACE INTO "\(checksumTable)" ("version", "applied_at", "checksum") \
      SELECT "version", "applied_at", ? FROM "\(table)" WHERE "version" = ?
      """,
      [.text(checksum), .text(version)])
  }
}
