/// What a database says about its migrations, read in one snapshot.
public struct DatabaseState: Sendable, Hashable {
  /// A row of SeaORM's table.
  public struct Applied: Sendable, Hashable {
    /// The name of the migration.
    public let version: String
    /// Seconds since 1970-01-01 UTC.
    public let appliedAt: Int64
    /// Of the script that was applied; nil when another program has applied it.
    public let checksum: String?

    /// A row.
    public init(version: String, appliedAt: Int64, checksum: String?) {
      self.version = version
      self.appliedAt = appliedAt
      self.checksum = checksum
    }
  }

  /// Ordered by version, byte by byte.
  public let applied: [Applied]
  /// Tables, indexes, views and triggers, in the order in which they were made.
  public let objects: [SchemaObject]

  /// A state.
  public init(applied: [Applied], objects: [SchemaObject]) {
    self.applied = applied
    self.objects = objects
  }

  /// The versions of ``applied``.
  public var versions: [String] { applied.map(\.version) }

  /// What is applied, joined from the rows of both tables: ``Tracker/appliedListing`` and ``Tracker/checksumListing``.
  public static func join(
    _ rows: [(version: String, appliedAt: Int64)], _ checksums: [(version: String, appliedAt: Int64, checksum: String)]
  ) -> [Applied] {
    let known = Dictionary(checksums.map { ($0.version, $0) }) { first, _ in first }
    return rows.map { row in
      let match = known[row.version].flatMap { $0.appliedAt == row.appliedAt ? $0.checksum : nil }
      return Applied(version: row.version, appliedAt: row.appliedAt, checksum: match)
    }
  }
}
