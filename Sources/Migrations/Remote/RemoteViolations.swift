internal import LibSQLClient
internal import LibSQLProtocol

/// ``ForeignKeyViolations`` where both counts are made by one batch: the former are kept in a table that is gone before the
/// commit. Temporary tables are refused by servers.
enum RemoteViolations {
  private static let table = "_albergue_migration_violations"
  private static let count = """
    SELECT "table" AS "child", "parent" AS "parent", count(*) AS "number" FROM pragma_foreign_key_check GROUP BY 1, 2
    """

  /// Before the script.
  static let creation = "CREATE TABLE \"\(table)\" (\"child\", \"parent\", \"number\")"
  static let remembering = "INSERT INTO \"\(table)\" \(count)"

  /// After it: rows of child, parent, and how many violations there are more than before.
  static let listing = """
    SELECT "now"."child", "now"."parent", "now"."number" - coalesce("former"."number", 0) FROM (\(count)) AS "now" \
    LEFT JOIN "\(table)" AS "former" ON "former"."child" = "now"."child" AND "former"."parent" = "now"."parent" \
    WHERE "now"."number" > coalesce("former"."number", 0) ORDER BY 1, 2
    """

  /// At the end.
  static let forgetting = "DROP TABLE \"\(table)\""

  /// It cannot be told after the script.
  static func unknown(_ error: RemoteError, _ place: String) -> MigrationError {
    MigrationError(
      .brokenReferences, "\(place): foreign keys cannot be checked after it\(error.sentence)",
      hint: "nothing of this migration was kept; give every parent the key that its children refer to")
  }

  /// - Parameter rows: of ``listing``.
  static func error(_ rows: [[Hrana.Value]], _ place: String) -> MigrationError {
    let list = rows.compactMap { row -> String? in
      guard row.count == 3, case .text(let child) = row[0], case .text(let parent) = row[1],
        case .integer(let number) = row[2]
      else { return nil }
      return "\(number) in \(child) without parent in \(parent)"
    }
    return MigrationError(
      .brokenReferences,
      "\(place): it would leave rows whose parents are missing: \(list.joined(separator: ", "))",
      hint: "nothing of this migration was kept; copy every row of a table that is made anew")
  }
}
