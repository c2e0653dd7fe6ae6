internal import EncryptedStorage

/// The row that says which runner works on a database that several reach over a network, where no transaction can be held
/// open for as long as migrations take.
///
/// A runner takes the lease before its first change and renews it with each one, in the same transaction. Times are the
/// server's. A lease whose time is over belongs to nobody: its runner is gone, or its next renewal fails. A local file
/// needs none: a write transaction excludes other writers there.
///
/// The lease only keeps runners from waiting for each other in vain. That each migration is applied once follows from
/// ``Tracker/isUnchanged(_:)``, in the migration's own transaction.
public enum MigrationLease {
  /// The table, of at most one row. `fresh` keeps it, since its own runner holds it.
  public static let table = "_albergue_migration_lease"
  /// How long a lease is good without being renewed, in seconds: longer than any transaction that a server allows.
  public static let seconds = 60

  /// Makes the table where it is missing.
  public static let creation = Tracker.Statement(
    """
    CREATE TABLE IF NOT EXISTS "\(table)" \
    ("id" INTEGER PRIMARY KEY CHECK ("id" = 1), "owner" TEXT NOT NULL, "expires_at" INTEGER NOT NULL)
    """)

  /// Takes or renews the lease. It changes one row when `owner` has it from now on, and none when another has it.
  public static func acquisition(owner: String) -> Tracker.Statement {
    Tracker.Statement(
      """
      INSERT INTO "\(table)" ("id", "owner", "expires_at") VALUES (1, ?, unixepoch() + \(seconds)) \
      ON CONFLICT ("id") DO UPDATE SET "owner" = excluded."owner", "expires_at" = excluded."expires_at" \
      WHERE "owner" = excluded."owner" OR "expires_at" <= unixepoch()
      """,
      [.text(owner)])
  }

  /// Renews the lease, if `owner` has it still. Unlike ``acquisition(owner:)`` it takes none: a copy that arrives late,
  /// when its runner has ended, must find the lease gone.
  public static func renewal(owner: String) -> Tracker.Statement {
    Tracker.Statement(
      "UPDATE \"\(table)\" SET \"expires_at\" = unixepoch() + \(seconds) WHERE \"owner\" = ?", [.text(owner)])
  }

  /// An expression that is 1 while `owner` has the lease, and else 0.
  public static func isHeld(by owner: String) -> Tracker.Statement {
    Tracker.Statement(
      "EXISTS (SELECT 1 FROM \"\(table)\" WHERE \"owner\" = ? AND \"expires_at\" > unixepoch())", [.text(owner)])
  }

  /// Gives the lease up, if `owner` has it.
  public static func release(owner: String) -> Tracker.Statement {
    Tracker.Statement("DELETE FROM \"\(table)\" WHERE \"owner\" = ?", [.text(owner)])
  }
}
