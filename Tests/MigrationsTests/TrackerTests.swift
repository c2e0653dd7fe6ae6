import EncryptedStorage
import Migrations
import TestSupport
import Testing

/// SQL that databases without long transactions depend on, run on a local one.
@Suite("SQL of the tracker and of the lease")
struct TrackerTests {
  private func withSession<Result: Sendable>(_ body: @escaping @Sendable (Session) throws -> Result) async throws
    -> Result
  {
    let work = try Workshop()
    let connection = try await Workshop.factory().create(work.path)
    let outcome: Swift.Result<Result, any Error>
    do { outcome = .success(try await connection.run(body)) } catch { outcome = .failure(error) }
    await connection.close()
    return try outcome.get()
  }

  @Test func comparesWhatIsRecordedWithWhatWasPlannedFrom() async throws {
    try await withSession { session in
      func isUnchanged(_ versions: [String]) throws -> Bool {
        let condition = Tracker.isUnchanged(versions)
        return try session.value("SELECT \(condition.sql)", condition.values) == .integer(1)
      }
      for statement in Tracker.creation { try session.execute(statement.sql) }
      #expect(try isUnchanged([]))
      #expect(try !isUnchanged(["m1"]))
      for version in ["m2", "m10", "m1"] {
        for statement in Tracker.statements(for: .record(version: version, appliedAt: 7, checksum: "c")) {
          try session.execute(statement.sql, statement.values)
        }
      }
      let versions = try session.query(Tracker.appliedListing) { $0[0].text ?? "" }
      #expect(versions == ["m1", "m10", "m2"])
      #expect(try isUnchanged(versions))
      #expect(try !isUnchanged(["m1", "m10"]))
      #expect(try !isUnchanged(["m1", "m10", "m2", "m3"]))
      #expect(try session.query(Tracker.checksumListing) { $0[1].integer ?? 0 } == [7, 7, 7])
      for statement in Tracker.statements(for: .forget(version: "m10")) {
        try session.execute(statement.sql, statement.values)
      }
      #expect(try isUnchanged(["m1", "m2"]))
    }
  }

  @Test func givesTheLeaseToOneOwnerAtATime() async throws {
    try await withSession { session in
      func run(_ statement: Tracker.Statement) throws -> Int { try session.execute(statement.sql, statement.values) }
      func isHeld(by owner: String) throws -> Bool {
        let condition = MigrationLease.isHeld(by: owner)
        return try session.value("SELECT \(condition.sql)", condition.values) == .integer(1)
      }
      #expect(try run(MigrationLease.creation) == 0)
      #expect(try run(MigrationLease.acquisition(owner: "a")) == 1)
      #expect(try run(MigrationLease.acquisition(owner: "b")) == 0)
      #expect(try run(MigrationLease.acquisition(owner: "a")) == 1)
      #expect(try isHeld(by: "a") && !isHeld(by: "b"))
      #expect(try run(MigrationLease.release(owner: "b")) == 0)
      try session.execute("UPDATE \(MigrationLease.table) SET expires_at = unixepoch() - 1")
      #expect(try !isHeld(by: "a"))
      #expect(try run(MigrationLease.acquisition(owner: "b")) == 1)
      #expect(try isHeld(by: "b"))
      #expect(try run(MigrationLease.acquisition(owner: "a")) == 0)
      #expect(try run(MigrationLease.release(owner: "b")) == 1)
      #expect(try run(MigrationLease.acquisition(owner: "a")) == 1)
      #expect(try session.value("SELECT count(*) FROM \(MigrationLease.table)") == .integer(1))
    }
  }
}
