/// What a client may do with the database.
public enum AccessRight: Sendable, Hashable, CaseIterable {
  /// Queries and replication.
  case readOnly
  /// Everything that SQL may do, and pushing pages.
  case readWrite
}
