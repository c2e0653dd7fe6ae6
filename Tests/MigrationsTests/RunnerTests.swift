import EncryptedStorage
import Foundation
import HostelMigrations
import Migrations
import TestSupport
import Testing

@Suite("Running migrations")
struct RunnerTests {
  private static let letters = ["a", "b", "c"]

  private static func migrations() throws -> [Migration] {
    try letters.map { letter in
      try Migration(
        version: "m20260101_00000\(letter)",
        up: "CREATE TABLE \(letter) (x); INSERT INTO \(letter) VALUES ('\(letter)')",
        down: "DROP TABLE \(letter)")
    }
  }

  @Test func upAppliesWhatIsPendingAndDownTakesTheLastBack() async throws {
    let work = try Workshop()
    let migrations = try Self.migrations()
    #expect(try await work.migrate(migrations) { try await $0.up(2) } == migrations.prefix(2).map(\.version))
    #expect(try await work.migrate(migrations) { try await $0.up() } == [migrations[2].version])
    #expect(try await work.migrate(migrations) { try await $0.up() } == [])
    #expect(try await work.migrate(migrations) { try await $0.down() } == [migrations[2].version])
    #expect(try work.versions() == migrations.prefix(2).map(\.version))
    #expect(
      try await work.migrate(migrations) { try await $0.down(nil) } == [migrations[1].version, migrations[0].version])
    #expect(try work.lines("SELECT count(*) FROM seaql_migrations;") == ["0"])
    #expect(try work.schema() == [SeaORMDatabase.tracker])
    try work.expectSound()
  }

  @Test func recordsSecondsOfUniversalTime() async throws {
    let work = try Workshop()
    let before = Int64(Date().timeIntervalSince1970.rounded(.down))
    try await work.migrate(try Self.migrations()) { try await $0.up() }
    let after = Int64(Date().timeIntervalSince1970.rounded(.up))
    let times = try work.lines("SELECT DISTINCT typeof(applied_at), applied_at FROM seaql_migrations ORDER BY 2;")
    for time in times {
      let fields = time.split(separator: "|")
      #expect(fields.first == "integer")
      let seconds = try #require(fields.last.flatMap { Int64($0) })
      #expect((before...after).contains(seconds))
    }
  }

  @Test func refreshTakesEverythingBackAndAppliesItAgain() async throws {
    let work = try Workshop()
    let migrations = try Self.migrations()
    try await work.migrate(migrations) { try await $0.up() }
    try work.change("INSERT INTO a VALUES ('own');")
    try await work.migrate(migrations) { try await $0.refresh() }
    #expect(try work.lines("SELECT x FROM a;") == ["a"])
    #expect(try work.versions() == migrations.map(\.version))
  }

  @Test func resetLeavesNoTracker() async throws {
    let work = try Workshop()
    let migrations = try Self.migrations()
    try await work.migrate(migrations) { try await $0.up() }
    try await work.migrate(migrations) { try await $0.reset() }
    #expect(try work.lines("SELECT count(*) FROM sqlite_schema;") == ["0"])
    try work.expectSound()
  }

  @Test func freshDropsWhateverIsThereButTheBookkeepingOfFilesAndServers() async throws {
    let work = try Workshop()
    let migrations = try Self.migrations()
    try await work.migrate(migrations) { try await $0.up() }
    try work.change(
      """
      CREATE TABLE parent (id INTEGER PRIMARY KEY); CREATE TABLE child (p REFERENCES parent (id));
      INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1); CREATE TABLE "odd "" name" (x);
      CREATE VIEW v AS SELECT x FROM a; CREATE VIRTUAL TABLE words USING fts5(text); CREATE TABLE words_own (x);
      INSERT INTO words VALUES ('eins');
      CREATE TABLE _albergue_copy (name TEXT PRIMARY KEY, value) WITHOUT ROWID; INSERT INTO _albergue_copy VALUES ('a', 1);
      CREATE TABLE _albergue_writes (id); CREATE TABLE _albergue_pushes (id); CREATE TABLE _albergue_migration_lease (id); CREATE TABLE _albergue_migrations (x);
      """)
    try await work.migrate(migrations) { try await $0.fresh() }
    #expect(try work.versions() == migrations.map(\.version))
    #expect(
      try work.lines("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') ORDER BY 1;") == [
        "_albergue_copy", "_albergue_migration_checksums", "_albergue_migration_lease", "_albergue_pushes",
        "_albergue_writes", "a", "b",
        "c",
        "seaql_migrations",
      ])
    #expect(try work.lines("SELECT value FROM _albergue_copy;") == ["1"])
    try work.expectSound()
  }

  @Test func aFailingMigrationLeavesNothingAndThoseBeforeItStay() async throws {
    let work = try Workshop()
    var migrations = try Self.migrations()
    migrations.append(
      try Migration(
        version: "m20260101_00000bb",
        up: "CREATE TABLE half (x);\nINSERT INTO half VALUES (1);\n\nINSERT INTO nowhere VALUES (2)",
        down: nil))
    do {
      try await work.migrate(migrations) { try await $0.up() }
      Issue.record("no error")
    } catch let error as MigrationError {
      #expect(error.code == .failed)
      #expect(error.detail == "m20260101_00000bb (up):4: statement 3: no such table: nowhere")
    }
    #expect(try work.versions() == ["m20260101_00000a", "m20260101_00000b"])
    #expect(try work.lines("SELECT count(*) FROM sqlite_schema WHERE name IN ('half', 'c');") == ["0"])
    try work.expectSound()
  }

  @Test func nothingIsTakenBackIfOneOfThemCannotBe() async throws {
    let work = try Workshop()
    var migrations = try Self.migrations()
    migrations.append(try Migration(version: "m20260101_000002", up: "CREATE TABLE d (x)", down: nil))
    try await work.migrate(migrations) { try await $0.up() }
    let all = try work.versions()
    await expect(.invalidScript) { try await work.migrate(migrations) { try await $0.down(nil) } }
    #expect(try work.versions() == all)
  }

  @Test func aScriptThatWasNotWrittenYetIsNotRecorded() async throws {
    let work = try Workshop()
    let migrations = [try Migration(version: "m1", up: "-- later", down: nil)]
    await expect(.invalidScript) { try await work.migrate(migrations) { try await $0.up() } }
  }

  @Test func aConstraintThatFailsIsNamedWithoutAnyValue() async throws {
    let work = try Workshop()
    let migrations = [
      try Migration(
        version: "m1",
        up: "CREATE TABLE a (x UNIQUE); INSERT INTO a VALUES ('\(Canary.text)');\nINSERT INTO a SELECT x FROM a",
        down: nil)
    ]
    do {
      try await work.migrate(migrations) { try await $0.up() }
      Issue.record("no error")
    } catch let error as MigrationError {
      #expect(error.detail == "m1 (up):2: statement 3: UNIQUE constraint failed: a.x")
    }
  }

  @Test func aMigrationMayNotWriteItsOwnRecord() async throws {
    let work = try Workshop()
    let own = "CREATE TABLE a (x); INSERT INTO seaql_migrations VALUES ('m1', 1)"
    let migrations = [try Migration(version: "m1", up: own, down: nil)]
    await expect(.failed) { try await work.migrate(migrations) { try await $0.up() } }
    #expect(try work.lines("SELECT count(*) FROM sqlite_schema;") == ["0"])
  }

  @Test(arguments: [
    "PRAGMA key = 'x'", "ATTACH 'other.db' AS o", "PRAGMA journal_mode = DELETE", "PRAGMA temp_store = FILE",
    "VACUUM INTO 'copy.db'", "VACUUM", "INSERT OR ROLLBACK INTO a VALUES (1)",
  ])
  func whatWouldHurtTheFileOrTheTransactionIsRefused(statement: String) async throws {
    let work = try Workshop()
    let migrations = [
      try Migration(version: "m1", up: "CREATE TABLE a (x UNIQUE)", down: nil),
      try Migration(
        version: "m2", up: "CREATE TABLE b (x); INSERT INTO a VALUES (1); \(statement); CREATE TABLE c (x)", down: nil),
    ]
    await expect(.failed) { try await work.migrate(migrations) { try await $0.up() } }
    #expect(try work.versions() == ["m1"])
    #expect(try work.lines("SELECT group_concat(name) FROM sqlite_schema WHERE name IN ('a', 'b', 'c');") == ["a"])
    #expect(try work.folder.contents().keys.allSatisfy { $0.hasPrefix(Workshop.database) })
  }

  @Test func tenThousandStatementsAreOneTransaction() async throws {
    let work = try Workshop()
    let rows = (1...10_000).map { "INSERT INTO a VALUES (\($0), 'text; \($0)'); -- row \($0)\n" }.joined()
    let migrations = [try Migration(version: "m1", up: "CREATE TABLE a (x, y);\n" + rows, down: "DROP TABLE a")]
    #expect(migrations[0].up.statements.count == 10_001)
    try await work.migrate(migrations) { try await $0.up() }
    #expect(try work.lines("SELECT count(*), sum(x) FROM a;") == ["10000|50005000"])
    let broken = [try Migration(version: "m2", up: "CREATE TABLE b (x, y);\n" + rows + "SELECT * FROM c", down: nil)]
    await expect(.failed) { try await work.migrate(migrations + broken) { try await $0.up() } }
    #expect(try work.lines("SELECT count(*) FROM a;") == ["10000"])
  }

  @Test func cancellingEndsTheRunBetweenTwoMigrations() async throws {
    let work = try Workshop()
    let migrations = try Self.migrations()
    let task = Task {
      try await work.migrate(migrations) { event in
        if event == .appliedMigration(migrations[0].version) { withUnsafeCurrentTask { $0?.cancel() } }
      } _: {
        try await $0.up()
      }
    }
    await #expect(throws: (any Error).self) { try await task.value }
    #expect(try work.versions() == [migrations[0].version])
  }

  @Test func eventsAreInTheWordsOfSeaORM() async throws {
    let work = try Workshop()
    let lines = Locked<[String]>([])
    let note: @Sendable (MigrationEvent) -> Void = { event in lines.withLock { $0.append(event.description) } }
    let migrations = Array(try Self.migrations().prefix(1))
    try await work.migrate(migrations, report: note) {
      try await $0.up()
      try await $0.up(3)
      try await $0.down()
      try await $0.down(nil)
      try await $0.fresh()
    }
    #expect(
      lines.withLock(\.self) == [
        "Applying all pending migrations", "Applying migration 'm20260101_00000a'",
        "Migration 'm20260101_00000a' has been applied", "Applying 3 pending migrations", "No pending migrations",
        "Rolling back 1 applied migrations", "Rolling back migration 'm20260101_00000a'",
        "Migration 'm20260101_00000a' has been rolled back", "Rolling back all applied migrations",
        "No applied migrations",
        "Disabling foreign key check", "Foreign key check disabled", "Dropping table 'seaql_migrations'",
        "Dropping table '_albergue_migration_checksums'", "Table 'seaql_migrations' has been dropped",
        "Table '_albergue_migration_checksums' has been dropped", "Restoring foreign key check",
        "Foreign key check restored", "Applying all pending migrations", "Applying migration 'm20260101_00000a'",
        "Migration 'm20260101_00000a' has been applied",
      ])
  }
}

/// The code of the ``MigrationError`` that `body` throws.
func expect<Result>(
  _ code: MigrationError.Code, sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> Result
) async {
  do {
    _ = try await body()
    Issue.record("no error", sourceLocation: sourceLocation)
  } catch {
    #expect((error as? MigrationError)?.code == code, "\(error)", sourceLocation: sourceLocation)
  }
}
