/// Records that say what has been done by other means.
extension Migrator {
  /// Records migrations that the database has already, without running them, and gives recorded ones the checksums that
  /// they lack.
  ///
  /// - Parameter versions: exactly these, whatever the database looks like; recorded ones get the checksum that their script
  ///   has now. When empty: those pending ones that make tables, indexes, views or triggers, if all of these are there.
  /// - Returns: the versions that were recorded.
  /// - Throws: ``MigrationError`` `.usage` for a version that is not known; `.missingMigration`.
  @discardableResult
  public func adopt(_ versions: [String] = []) async throws -> [String] {
    for version in versions where catalog[version: version] == nil {
      throw MigrationError(.usage, "no migration is called '\(version)'", hint: "see albergue-migration status")
    }
    return try await database.withLease {
      let state = try await knownState()
      let status = MigrationStatus(catalog, state)
      let objects = Set(state.objects.map { SchemaObject.Name(kind: $0.kind, name: $0.name) })
      var edits: [Tracker.Edit] = []
      var recorded: [String] = []
      for (entry, migration) in zip(status.entries, catalog.migrations) {
        let isNamed = versions.contains(entry.version)
        if entry.isApplied {
          guard isNamed || versions.isEmpty && entry.checksum == .unknown else { continue }
          edits.append(.setChecksum(version: entry.version, checksum: migration.up.checksum))
        } else if isNamed || versions.isEmpty && migration.up.isInPlace(objects) {
          recorded.append(entry.version)
          edits.append(
            .record(version: entry.version, appliedAt: settings.now(), checksum: migration.up.checksum))
        }
      }
      try await apply(edits, expecting: state)
      for version in recorded { try report(.adopted(version)) }
      return recorded
    }
  }

  /// Removes the record of a migration, and nothing else: the way out when its file is gone for good.
  ///
  /// - Throws: ``MigrationError`` `.usage` when it is not recorded.
  public func forget(_ version: String) async throws {
    try await database.withLease {
      let state = try await database.state()
      guard state.versions.contains(version) else {
        throw MigrationError(.usage, "no migration '\(version)' is recorded", hint: "see albergue-migration status")
      }
      try await apply([.forget(version: version)], expecting: state)
      try report(.forgotten(version))
    }
  }

  private func apply(_ edits: [Tracker.Edit], expecting state: DatabaseState) async throws {
    guard !edits.isEmpty else { return }
    let change = DatabaseChange(expected: state.versions, script: nil, turnsForeignKeysOff: false, edits: edits)
    guard try await database.apply(change) == .applied else { throw Self.restless }
  }
}

extension MigrationScript {
  /// Whether it makes something, and all that it makes is there.
  fileprivate func isInPlace(_ objects: Set<SchemaObject.Name>) -> Bool {
    let made = statements.compactMap(\.effect.created)
    return !made.isEmpty && made.allSatisfy(objects.contains)
  }
}
