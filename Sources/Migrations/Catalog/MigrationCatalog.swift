/// All migrations that are known, in their order: that of their versions, byte by byte.
public struct MigrationCatalog: Sendable, Hashable {
  /// In the order in which they are applied.
  public let migrations: [Migration]
  private let indices: [String: Int]

  /// A catalogue of migrations from any number of places.
  ///
  /// - Throws: ``MigrationError`` `.invalidScript` when two have the same version.
  public init(_ migrations: [Migration]) throws(MigrationError) {
    let sorted = migrations.sorted { $0.version.utf8.lexicographicallyPrecedes($1.version.utf8) }
    for (former, next) in zip(sorted, sorted.dropFirst()) where former.version == next.version {
      throw MigrationError(
        .invalidScript, "two migrations have the version \(next.version): \(former.up.source) and \(next.up.source)",
        hint: "rename the one that is applied nowhere yet")
    }
    self.migrations = sorted
    indices = Dictionary(uniqueKeysWithValues: sorted.enumerated().map { ($0.element.version, $0.offset) })
  }

  /// The migration of a version; nil when it is not known.
  public subscript(version version: String) -> Migration? { indices[version].map { migrations[$0] } }
}
