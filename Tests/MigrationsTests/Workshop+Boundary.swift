import TestSupport
import Testing

extension Workshop {
  /// The hostel's migrations are there up to one of them: tables, rows, records and checksums, all or not at all.
  ///
  /// - Returns: how many are recorded.
  @discardableResult
  func expectWholeMigrations(_ cause: Comment, sourceLocation: SourceLocation = #_sourceLocation) throws -> Int {
    let schema = try schema()
    let hasTracker = schema.first == SeaORMDatabase.tracker
    let versions = hasTracker ? try versions() : []
    #expect(versions == Array(SeaORMDatabase.versions.prefix(versions.count)), cause, sourceLocation: sourceLocation)
    let expected = (hasTracker ? [SeaORMDatabase.tracker] : []) + SeaORMDatabase.definitions(min(9, versions.count))
    #expect(schema == expected, cause, sourceLocation: sourceLocation)
    if hasTracker {
      let checksums = try lines("SELECT version FROM _albergue_migration_checksums ORDER BY 1;")
      #expect(checksums == versions, cause, sourceLocation: sourceLocation)
    }
    if !versions.isEmpty {
      let users = try lines("SELECT count(*) FROM users;")
      #expect(users == [versions.count == 10 ? "1" : "0"], cause, sourceLocation: sourceLocation)
    }
    #expect(try lines("PRAGMA integrity_check;") == ["ok"], cause, sourceLocation: sourceLocation)
    return versions.count
  }
}
