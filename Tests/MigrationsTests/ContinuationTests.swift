import Foundation
import HostelMigrations
import Migrations
import TestSupport
import Testing

/// Databases that other programs have migrated, and records that do not fit the migrations.
@Suite("Taking turns")
struct ContinuationTests {
  @Test(arguments: [0, 1, 4, 9, 10]) func withSeaORMContinuesWhereItEnded(count: Int) throws {
    let work = try Workshop()
    try work.change(SeaORMDatabase.script(count))
    let output = try work.succeed("up")
    #expect(output.count { $0.hasPrefix("Applying migration ") } == 10 - count)
    #expect(try work.schema() == [SeaORMDatabase.tracker] + SeaORMDatabase.definitions(9))
    #expect(try work.versions() == SeaORMDatabase.versions)
    #expect(try work.lines("SELECT count(*) FROM seaql_migrations WHERE applied_at = 1700000000;") == ["\(count)"])
    let down = try work.succeed("down", "-n", "10")
    #expect(down.count { $0.hasSuffix("has been rolled back") } == 10)
    try work.expectSound()
  }

  @Test func withSeaORM1KeepsItsTableAsItIs() throws {
    let work = try Workshop()
    let bigint = "\"applied_at\" bigint NOT NULL"
    try work.change(SeaORMDatabase.script(3).replacing("\"applied_at\" integer NOT NULL", with: bigint))
    try work.succeed("up")
    #expect(try work.lines("SELECT sql FROM sqlite_schema WHERE name = 'seaql_migrations';")[0].contains(bigint))
  }

  /// What a program of SeaORM reads and writes: both columns, no other row, no other column.
  @Test func withSeaORMNeverShowsItAForeignRow() throws {
    let work = try Workshop()
    try work.succeed("up")
    #expect(
      try work.lines("SELECT group_concat(name) FROM pragma_table_info('seaql_migrations');") == ["version,applied_at"])
    #expect(Set(try work.versions()).isSubset(of: SeaORMDatabase.versions))
    // SeaORM's statements for a step of its own.
    try work.change("DELETE FROM \"seaql_migrations\" WHERE \"version\" = 'm20260111_000010_seed_synthetic_data';")
    try work.succeed("up")
    #expect(try work.lines("SELECT count(*) FROM users;") == ["1"])
  }

  @Test func stopsAtAppliedMigrationsThatNobodyKnows() throws {
    let work = try Workshop()
    try work.succeed("up", "-n", "2")
    try work.change("INSERT INTO seaql_migrations VALUES ('m20270101_000001_gone', 1), ('m20270101_000002_too', 2);")
    for command in ["up", "down", "status", "refresh", "reset", "plan", "adopt"] {
      let result = try work.run(command)
      #expect(result.status == 66, "\(command): \(result.errors)")
      for version in ["m20270101_000001_gone", "m20270101_000002_too"] {
        let text =
          "Migration file of version '\(version)' is missing, this migration has been applied but its file is missing"
        #expect(result.errors.contains(text))
      }
    }
    #expect(try work.versions().count == 4)
    try work.succeed("adopt", "--forget", "m20270101_000001_gone")
    try work.succeed("adopt", "--forget", "m20270101_000002_too")
    try work.succeed("up")
    #expect(try work.run("adopt", "--forget", "m20270101_000002_too").status == 64)
  }

  @Test func freshGoesAheadWhateverIsRecorded() throws {
    let work = try Workshop()
    try work.succeed("up")
    try work.change("INSERT INTO seaql_migrations VALUES ('m20270101_000001_gone', 1);")
    try work.succeed("fresh")
    #expect(try work.versions() == SeaORMDatabase.versions)
  }

  // MARK: - Checksums

  @Test func statusShowsFilesThatWereEdited() throws {
    let work = try Workshop()
    try work.write("m20270101_000001_a", up: "CREATE TABLE a (x);", down: "DROP TABLE a;")
    try work.succeed("up")
    #expect(try work.run("status", "--check").status == 0)
    try work.write("m20270101_000001_a", up: "CREATE TABLE a (x, y);")
    let status = try work.run("status")
    #expect(status.status == 0)
    #expect(status.output.contains("Migration 'm20270101_000001_a'... Applied\n"))
    #expect(status.errors == "albergue-migration: warning: m20270101_000001_a: was edited since it was applied\n")
    #expect(try work.run("status", "--check").status == 1)
    #expect(try work.run("status", "--json").output.contains("\"checksum\":\"changed\""))
    #expect(try work.run("adopt", "m20270101_000001_a").status == 0)
    #expect(try work.run("status", "--check").errors == "")
  }

  @Test func checksumsOfOthersAreUnknownUntilAdopted() throws {
    let work = try Workshop()
    try work.change(SeaORMDatabase.script(10))
    let before = try work.run("status", "--json", "--check")
    #expect(before.status == 0)
    #expect(before.output.matches(of: /"checksum":"unknown"/).count == 10)
    #expect(try work.run("adopt").status == 0)
    #expect(try work.run("status", "--json").output.matches(of: /"checksum":"matching"/).count == 10)
  }

  /// Rolled back and applied again, as SeaORM does it: what was applied then is not known.
  @Test func aChecksumCountsOnlyForTheRecordThatItWasMadeWith() throws {
    let work = try Workshop()
    try work.succeed("up")
    try work.change("UPDATE seaql_migrations SET applied_at = applied_at + 1000 WHERE version LIKE '%000003%';")
    let entries = try work.run("status", "--json").output
    #expect(entries.matches(of: /"checksum":"unknown"/).count == 1)
    #expect(entries.matches(of: /"checksum":"matching"/).count == 9)
  }

  @Test func aLateOlderMigrationIsAppliedAndSaidBefore() throws {
    let work = try Workshop()
    try work.write("m20270101_000002_b", up: "CREATE TABLE b (x);", down: "DROP TABLE b;")
    try work.succeed("up")
    try work.write("m20270101_000001_a", up: "CREATE TABLE a (x);", down: "DROP TABLE a;")
    let status = try work.run("status")
    #expect(status.errors.contains("m20270101_000001_a: is pending although a later migration is applied"))
    #expect(try work.run("status", "--json").output.contains("\"outOfOrder\":true"))
    try work.succeed("up")
    #expect(try work.lines("SELECT count(*) FROM sqlite_schema WHERE name IN ('a', 'b');") == ["2"])
  }

  // MARK: - Adopting

  /// The dead end of SeaORM: tables of a baseline are there, their records are not.
  @Test func adoptRecordsWhatIsThereAndUpDoesTheRest() throws {
    let work = try Workshop()
    try work.change(SeaORMDatabase.definitions(6).map { $0 + ";" }.joined(separator: "\n"))
    let stuck = try work.run("up")
    #expect(stuck.status == 65)
    #expect(stuck.errors.contains("index idx_beds_bed_number already exists"))
    // Migrations 1 and 2 passed, since their tables may be there.
    try work.change("DELETE FROM seaql_migrations;")
    let adopted = try work.succeed("adopt")
    #expect(adopted.count == 6)
    #expect(try work.versions() == Array(SeaORMDatabase.versions.prefix(6)))
    try work.succeed("up")
    #expect(try work.versions() == SeaORMDatabase.versions)
    #expect(try work.run("status", "--check").errors == "")
  }

  @Test func adoptRecordsExactlyWhatIsNamed() throws {
    let work = try Workshop()
    try work.succeed("adopt", "m20260111_000010_seed_synthetic_data")
    #expect(try work.versions() == ["m20260111_000010_seed_synthetic_data"])
    #expect(try work.run("adopt", "m20260111_000011_other").status == 64)
  }
}
