public import Migrations

/// The schema of the hostel, in ten migrations. Their names and their results are those of its programs in Rust, which
/// take turns with ours on the same databases.
public enum HostelMigrations {
  /// In their order.
  ///
  /// - Throws: ``MigrationError`` `.invalidScript` never, unless a definition here is wrong.
  public static func all() throws(MigrationError) -> [Migration] {
    var migrations: [Migration] = []
    for (offset, table) in tables.enumerated() {
      migrations.append(try Migration(version: version(ofTable: offset), up: table.creation, down: table.removal))
    }
    migrations.append(try Migration(version: "m20260111_000010_seed_synthetic_data", up: seed, down: seedRemoval))
    return migrations
  }

  /// - Parameter offset: of the table in ``tables``.
  static func version(ofTable offset: Int) -> String { "m20260111_00000\(offset + 1)_\(tables[offset].name)" }

  /// One migration each, in this order.
  static let tables = [
    users, pilgrims, beds, bookings, payments, pricing, governmentSubmissions, notifications, auditLog,
  ]

  /// A user that no person is behind. Its password is in clear, as the hostel's programs expect it.
  private static let seed = """
    INSERT INTO "users" ("username", "password") SELECT 'synthetic_admin', 'synthetic_password' \
    WHERE NOT EXISTS (SELECT 1 FROM "users" WHERE "username" = 'synthetic_admin');

    """
  private static let seedRemoval = "DELETE FROM \"users\" WHERE \"username\" = 'synthetic_admin';\n"
}
