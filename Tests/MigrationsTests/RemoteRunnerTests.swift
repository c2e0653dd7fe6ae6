import Foundation
import HostelMigrations
import LibSQLClient
import LibSQLProtocol
import Migrations
import TestSupport
import Testing

/// `albergue-migration` with the address of a remote.
@Suite("Migrations of a remote", .serialized)
struct RemoteRunnerTests {
  private let remote: RemoteWorkshop

  init() throws { remote = try RemoteWorkshop("--transaction-secs", "60", "--max-request-bytes", "3000000") }

  private func expectHostel() async throws {
    #expect(try await remote.schema() == [SeaORMDatabase.tracker] + SeaORMDatabase.definitions(9))
    #expect(try await remote.versions() == SeaORMDatabase.versions)
    #expect(try await remote.rows("SELECT username, password FROM users") == ["synthetic_admin|synthetic_password"])
    try await remote.expectSound()
  }

  @Test func makeWhatSeaORMMakes() async throws {
    #expect(try remote.succeed("status").filter { $0.hasSuffix("Pending") }.count == 10)
    // It has looked, and made nothing.
    #expect(try await remote.rows("SELECT name FROM sqlite_schema") == [])
    let lines = try remote.succeed("up")
    #expect(lines.first == "Applying all pending migrations")
    #expect(lines.filter { $0.hasSuffix("has been applied") }.count == 10)
    try await expectHostel()
    #expect(try remote.succeed("up") == ["Applying all pending migrations", "No pending migrations"])
    _ = try remote.succeed("status", "--check")
    #expect(try remote.succeed("plan") == [])
  }

  @Test func goBackAndForth() async throws {
    _ = try remote.succeed("up", "-n", "4")
    #expect(try await remote.versions() == Array(SeaORMDatabase.versions.prefix(4)))
    _ = try remote.succeed("down", "--allow-destructive")
    #expect(try await remote.versions() == Array(SeaORMDatabase.versions.prefix(3)))
    _ = try remote.succeed("up")
    try await expectHostel()
    _ = try remote.succeed("refresh", "--allow-destructive")
    try await expectHostel()
    try await remote.execute("CREATE VIEW guests AS SELECT * FROM pilgrims", "CREATE TABLE extra (id)")
    _ = try remote.succeed("fresh", "--allow-destructive")
    try await expectHostel()
    _ = try remote.succeed("reset", "--allow-destructive")
    #expect(try await remote.schema() == [])
  }

  @Test func recordWhatSeaORMHasMade() async throws {
    for statement in SeaORMDatabase.script(3).split(separator: "\n") { try await remote.execute(String(statement)) }
    for statement in SeaORMDatabase.definitions(5).dropFirst(4) { try await remote.execute(statement) }
    let result = try remote.run("adopt", "--json")
    #expect(
      result.output == #"{"adopted":["m20260111_000004_bookings","m20260111_000005_payments"],"forgotten":[]}"# + "\n")
    #expect(try remote.succeed("status", "--json").joined().contains("\"applied\":5"))
    _ = try remote.succeed("up")
    #expect(try await remote.versions() == SeaORMDatabase.versions)
    #expect(try remote.run("adopt", "--forget", SeaORMDatabase.versions[9]).status == 0)
    #expect(try await remote.versions().count == 9)
  }

  @Test func takeTheAddressFromEitherVariable() async throws {
    let none = ["DATABASE_URL": "", "TURSO_ENCRYPTION_KEY_FILE": ""]
    let turso = none.merging(["TURSO_DATABASE_URL": remote.primary.url]) { $1 }
    #expect(try remote.work.run(["up"], environment: turso).status == 0)
    try await expectHostel()
    #expect(try remote.work.run(["status"], environment: none).status == 64)
    #expect(try remote.work.run(["status", "-u", "postgres://host/db"], environment: none).status == 64)
    #expect(try remote.work.run(["status", "-u", "http://example.com"], environment: none).status == 64)
    // Nobody listens there.
    #expect(try remote.work.run(["status", "-u", "http://127.0.0.1:1"], environment: none).status == 69)
    // A local address wins over a remote one that is meant for others.
    let both = turso.merging(["DATABASE_URL": "sqlite://missing.db", "TURSO_ENCRYPTION_KEY": TestKeys.firstHex]) { $1 }
    #expect(try remote.work.run(["status"], environment: both).status == 66)
  }

  // MARK: - What is not done

  @Test func destroyNothingWithoutLeave() async throws {
    _ = try remote.succeed("up")
    try remote.work.write(
      "m20270101_000001_fine", up: "CREATE TABLE fine (id INTEGER);", down: "CREATE TABLE undone (id INTEGER);")
    try remote.work.write(
      "m20270101_000002_purge", up: "CREATE TABLE kept (id);\n\nDELETE FROM pilgrims;\n", down: "DROP TABLE kept;")
    let up = try remote.run("up")
    #expect(up.status == 77)
    #expect(
      up.errors.contains(
        "./migrations/m20270101_000002_purge/up.sql:3: statement 2 of 'm20270101_000002_purge' destroys data"))
    #expect(up.errors.contains("--allow-destructive"))
    // Not the harmless one before it either.
    #expect(try await remote.versions().count == 10)
    _ = try remote.succeed("up", "-n", "1")
    for command in [["down"], ["fresh"], ["refresh"], ["reset"], ["down", "-n", "3"]] {
      let result = try remote.work.run(command, environment: remote.variables())
      #expect(result.status == 77, "\(command): \(result.errors)")
    }
    #expect(try remote.run("down").errors.contains("m20270101_000001_fine/down.sql takes 'm20270101_000001_fine' back"))
    #expect(try await remote.versions().count == 11)
    _ = try remote.succeed("up", "--allow-destructive")
    #expect(try await remote.versions().count == 12)
  }

  static let refused = [
    "VACUUM", "vacuum main", "ANALYZE", "ATTACH 'x' AS y", "DETACH y", "CREATE TEMP TABLE t (a)",
    "create temporary view v as select 1", "CREATE TABLE temp.t (a)", "CREATE TABLE IF NOT EXISTS temp.t (a)",
    "CREATE TEMP TRIGGER g AFTER INSERT ON x BEGIN SELECT 1; END", "PRAGMA journal_mode=DELETE",
    "PRAGMA main.cache_size = 5", "PRAGMA legacy_alter_table=ON", "PRAGMA rekey = 'x'", "PRAGMA wal_checkpoint",
  ]

  @Test(arguments: refused)
  func refuseBeforeAnythingIsSentWhatARemoteRefuses(_ sql: String) async throws {
    let migrations = [
      try Migration(version: "m1", up: "CREATE TABLE a (x)", down: nil),
      try Migration(version: "m2", up: "CREATE TABLE b (x);\n\(sql);\n", down: nil),
    ]
    let error = await migrationError { try await remote.migrator(migrations).up() }
    #expect(error?.code == .invalidScript)
    #expect(error?.detail.hasPrefix("m2 (up):2: statement 2: ") == true, "\(error?.detail ?? "")")
    #expect(try await remote.schema() == [])
  }

  static let accepted = [
    "PRAGMA user_version = 7", "PRAGMA defer_foreign_keys = ON", "PRAGMA foreign_key_check", "REINDEX",
    "CREATE TABLE temperature (a)", "CREATE TABLE temp (a)", "CREATE TABLE t AS SELECT 1 AS temp",
    "SAVEPOINT s; RELEASE s",
    "CREATE VIEW v AS SELECT 1", "CREATE VIRTUAL TABLE f USING fts5(a)", "EXPLAIN SELECT 1",
    "CREATE TABLE a (x); CREATE TRIGGER g AFTER INSERT ON a BEGIN DELETE FROM a; SELECT 1; END",
  ]

  @Test(arguments: accepted)
  func runTheRest(_ sql: String) async throws {
    let migration = try Migration(version: "m1", up: "\(sql);\n", down: nil)
    #expect(try await remote.migrator([migration]).up() == ["m1"])
    try await remote.expectSound()
  }

  // MARK: - What fails

  @Test func keepNothingOfAMigrationThatFails() async throws {
    let broken = [
      (
        "CREATE TABLE a (x);\nINSERT INTO b VALUES (1);", "m1 (up):2: statement 2: the statement failed",
        "no such table"
      ),
      ("CREATE TABLE a (x);\nCREATE TABLE a (x);", "m1 (up):2: statement 2: ", "already exists"),
      (
        "CREATE TABLE a (x UNIQUE);\nINSERT INTO a VALUES (1);\nINSERT OR ROLLBACK INTO a VALUES (1);\nSELECT 1;",
        "m1 (up):3: statement 3: ", "UNIQUE"
      ),
      (
        "CREATE TABLE a (x PRIMARY KEY);\nCREATE TABLE c (a REFERENCES a DEFERRABLE INITIALLY DEFERRED);\n"
          + "INSERT INTO c VALUES (1);", "m1 (up): the commit failed", "FOREIGN KEY"
      ),
      (
        "CREATE TABLE a (x PRIMARY KEY);\nCREATE TABLE c (a REFERENCES a);\nINSERT INTO c VALUES (1);",
        "m1 (up):3: statement 3: ", "FOREIGN KEY"
      ),
      ("CREATE TABLE seaql_migrations_x (a);\nDROP TABLE seaql_migrations;", "m1 (up): the remote refused", "no such"),
    ]
    for (sql, place, reason) in broken {
      let migration = try Migration(version: "m1", up: sql, down: nil)
      let error = await migrationError { try await remote.migrator([migration]).up() }
      #expect(error?.code == .failed, "\(sql)")
      #expect(error?.detail.hasPrefix(place) == true, "\(error?.detail ?? "")")
      #expect(error?.detail.contains(reason) == true, "\(error?.detail ?? "")")
      #expect(try await remote.schema() == [], "\(sql)")
    }
    #expect(try await remote.rows("SELECT count(*) FROM \(MigrationLease.table)") == ["0"])
  }

  @Test func keepRowsAndReferencesOfARebuiltTable() async throws {
    let migrations = try CountedMigrations.all()
    _ = try await remote.migrator(migrations).up()
    // Broken before: that is not the migration's doing.
    try await remote.execute("CREATE TABLE old (p REFERENCES parent(id))")
    try await HranaClient(remote.remote()).sequence("PRAGMA foreign_keys=OFF; INSERT INTO old VALUES (99)")
    let copy = "CREATE TABLE n (id INTEGER PRIMARY KEY); INSERT INTO n SELECT id FROM parent"
    let end = "DROP TABLE parent; ALTER TABLE n RENAME TO parent"
    let good = try Migration(version: "m4", up: "\(copy);\(end)", down: nil)
    let bad = try Migration(version: "m5", up: "\(copy) WHERE id = 1;\(end)", down: nil)
    let error = await migrationError { try await remote.migrator(migrations + [good, bad]).up() }
    #expect(error?.code == .brokenReferences)
    #expect(
      error?.detail
        == "m5 (up): it would leave rows whose parents are missing: 1 in child without parent in parent")
    #expect(try await remote.versions() == ["m1", "m2", "m3", "m4"])
    #expect(try await remote.rows("SELECT parent FROM child") == ["1", "2"])
    #expect(try await remote.rows("SELECT id FROM parent") == ["1", "2"])
    #expect(try await !remote.has("_albergue_migration_violations"))
  }

  /// A parent without a key that fits cannot be checked: before a script that is none of its doing.
  @Test func checkReferencesAfterAScriptEvenIfNotBefore() async throws {
    try await remote.execute(
      "CREATE TABLE p (id)", "CREATE TABLE c (p REFERENCES p(id))", "INSERT INTO p VALUES (1)")
    try await HranaClient(remote.remote()).sequence("PRAGMA foreign_keys=OFF; INSERT INTO c VALUES (1)")
    let copy = "INSERT INTO n SELECT id FROM p; DROP TABLE p; ALTER TABLE n RENAME TO p"
    let bad = try Migration(version: "m1", up: "CREATE TABLE n (id); \(copy)", down: nil)
    let error = await migrationError { try await remote.migrator([bad]).up() }
    #expect(error?.code == .brokenReferences)
    #expect(error?.detail.hasPrefix("m1 (up): foreign keys cannot be checked after it") == true)
    let good = try Migration(version: "m1", up: "CREATE TABLE n (id PRIMARY KEY); \(copy)", down: nil)
    #expect(try await remote.migrator([good]).up() == ["m1"])
    try await remote.expectSound()
  }

  @Test func sayThatAMigrationTakesTooLong() async throws {
    let remote = try RemoteWorkshop("--transaction-secs", "1")
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) INSERT INTO a SELECT i FROM n"
    let migration = try Migration(version: "m1", up: "CREATE TABLE a (x);\n\(endless);\nSELECT 1;", down: nil)
    let error = await migrationError { try await remote.migrator([migration]).up() }
    #expect(error?.code == .doesNotFit)
    #expect(error?.detail.hasPrefix("m1 (up):2: statement 2: the remote has ended the transaction") == true)
    #expect(try await remote.schema() == [])
    try await remote.expectSound()
  }

  @Test func sayThatAMigrationIsTooLarge() async throws {
    let rows = "CREATE TABLE a (x);\nINSERT INTO a VALUES ('\(String(repeating: "x", count: 3_000_000))');"
    let error = await migrationError {
      try await remote.migrator([Migration(version: "m1", up: rows, down: nil)]).up()
    }
    #expect(error?.code == .doesNotFit, "\(error?.detail ?? "")")
    #expect(try await remote.schema() == [])
  }

  @Test func run10000StatementsAsOneMigration() async throws {
    var script = "CREATE TABLE a (x INTEGER);\n"
    for number in 1...10_000 { script += "INSERT INTO a VALUES (\(number));\n" }
    #expect(try await remote.migrator([Migration(version: "m1", up: script, down: nil)]).up() == ["m1"])
    #expect(try await remote.rows("SELECT count(*), sum(x) FROM a") == ["10000|50005000"])
    // And none of them when the last one fails.
    let more = script.replacing("CREATE TABLE a", with: "CREATE TABLE b").replacing("INTO a", with: "INTO b")
    let first = try Migration(version: "m1", up: script, down: nil)
    let broken = try Migration(version: "m2", up: more + "INSERT INTO missing VALUES (1);\n", down: nil)
    let error = await migrationError { try await remote.migrator([first, broken]).up() }
    #expect(error?.detail.hasPrefix("m2 (up):10002: statement 10002: ") == true)
    #expect(try await !remote.has("b"))
  }

  @Test func stopAtWhatNobodyKnows() async throws {
    _ = try remote.succeed("up", "-n", "2")
    try await remote.execute("INSERT INTO seaql_migrations VALUES ('m20270101_000001_elsewhere', 1)")
    for command in ["up", "status", "down"] {
      let result = try remote.work.run([command], environment: remote.variables())
      #expect(result.status == 66, "\(command)")
      #expect(result.errors.contains("Migration file of version 'm20270101_000001_elsewhere' is missing"))
    }
    #expect(try remote.run("up").errors.contains("adopt --forget"))
  }
}
