/// Every known migration, and how the database stands to it.
public struct MigrationStatus: Sendable, Hashable {
  /// What the checksum of an applied migration says.
  public enum Checksum: String, Sendable, Hashable {
    /// The script is the one that was applied.
    case matching
    /// The script was edited since.
    case changed
    /// Another program has applied it, which keeps no checksums.
    case unknown
  }

  /// One migration.
  public struct Entry: Sendable, Hashable {
    /// Its name.
    public let version: String
    /// Seconds since 1970-01-01 UTC; nil while it is pending.
    public let appliedAt: Int64?
    /// Nil while it is pending.
    public let checksum: Checksum?
    /// Whether it is pending although a later one is applied.
    public let isOutOfOrder: Bool

    /// Whether it is recorded.
    public var isApplied: Bool { appliedAt != nil }
  }

  /// In their order.
  public let entries: [Entry]

  init(_ catalog: MigrationCatalog, _ state: DatabaseState) {
    let applied = Dictionary(state.applied.map { ($0.version, $0) }) { first, _ in first }
    let lastApplied = catalog.migrations.lastIndex { applied[$0.version] != nil } ?? -1
    entries = catalog.migrations.enumerated().map { index, migration in
      guard let row = applied[migration.version] else {
        return Entry(
          version: migration.version, appliedAt: nil, checksum: nil, isOutOfOrder: index < lastApplied)
      }
      let checksum = row.checksum.map { $0 == migration.up.checksum ? Checksum.matching : .changed } ?? .unknown
      return Entry(version: migration.version, appliedAt: row.appliedAt, checksum: checksum, isOutOfOrder: false)
    }
  }

  /// Not applied yet.
  public var pending: [Entry] { entries.filter { !$0.isApplied } }
  /// Applied, and edited since.
  public var changed: [Entry] { entries.filter { $0.checksum == .changed } }
  /// Pending although a later one is applied.
  public var outOfOrder: [Entry] { entries.filter(\.isOutOfOrder) }
}
