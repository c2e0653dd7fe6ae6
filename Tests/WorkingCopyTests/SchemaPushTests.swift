import EncryptedStorage
import Foundation
import TestSupport
import Testing
import WorkingCopy

/// Definitions that were changed in the working copy, by hand and by migrations.
@Suite("Pushing a changed schema", .serialized)
struct SchemaPushTests {
  static let schema = [
    "CREATE TABLE IF NOT EXISTS \"bed\" ( \"id\" integer NOT NULL PRIMARY KEY AUTOINCREMENT, \"name\" varchar NULL )",
    "CREATE TABLE guest (id INTEGER PRIMARY KEY, bed INTEGER REFERENCES bed (id) ON DELETE CASCADE)",
    "CREATE INDEX guest_bed ON guest (bed)", "CREATE VIEW taken AS SELECT bed FROM guest",
    "CREATE TABLE seaql_migrations ( \"version\" varchar NOT NULL PRIMARY KEY, \"applied_at\" integer NOT NULL )",
    "INSERT INTO bed (name) VALUES ('a'), ('b')", "INSERT INTO guest VALUES (1, 1)",
    "INSERT INTO seaql_migrations VALUES ('m1', 1)",
  ]

  private func push(
    _ change: String, beside remoteChange: [String] = [], schema: [String] = schema,
    sourceLocation: SourceLocation = #_sourceLocation
  ) async throws -> Office {
    let office = try await Office(schema)
    try await office.pull()
    try office.change(change)
    if !remoteChange.isEmpty { try await office.run(remoteChange) }
    let outcome = try await office.push()
    #expect(outcome.kind == .pushed, "\(outcome.conflicts)", sourceLocation: sourceLocation)
    try await office.expectEqual(sourceLocation: sourceLocation)
    return office
  }

  @Test func migrationsThatAddTablesIndexesViewsAndTriggers() async throws {
    let office = try await push(
      """
      CREATE TABLE "booking" ( "id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "bed_id" integer NOT NULL,
        FOREIGN KEY ("bed_id") REFERENCES "bed" ("id") );
      CREATE UNIQUE INDEX "idx_booking_bed" ON "booking" ("bed_id");
      CREATE VIEW v AS SELECT * FROM booking;
      CREATE TRIGGER watch AFTER INSERT ON booking BEGIN UPDATE bed SET name = 'taken' WHERE id = new.bed_id; END;
      INSERT INTO booking (bed_id) VALUES (1);
      INSERT INTO seaql_migrations VALUES ('m2', 2); PRAGMA user_version = 7;
      """, beside: ["INSERT INTO guest VALUES (5, 2)"])
    #expect(try await office.rows("SELECT name FROM bed ORDER BY id") == ["taken", "b"])
    #expect(try await office.rows("PRAGMA user_version") == ["7"])
  }

  @Test func dropsAndReplacesIndexesViewsAndTables() async throws {
    _ = try await push(
      """
      DROP INDEX guest_bed; CREATE INDEX guest_bed ON guest (bed, id); DROP VIEW taken; DROP TABLE guest;
      CREATE TABLE other (id INTEGER PRIMARY KEY); DROP TABLE seaql_migrations;
      """)
  }

  @Test func addsColumnsBesideRowsThatTheRemoteHasGot() async throws {
    let office = try await push(
      """
      ALTER TABLE "bed" ADD COLUMN "status" varchar NOT NULL DEFAULT 'free, (really)';
      ALTER TABLE "bed" ADD COLUMN price real(10, 2) /* euro, each */ CHECK (price > 0);
      UPDATE bed SET status = 'taken', price = 15 WHERE id = 1;
      """, beside: ["INSERT INTO bed (name) VALUES ('theirs')", "UPDATE bed SET name = 'new' WHERE id = 2"])
    #expect(
      try await office.rows("SELECT id, name, status, price FROM bed ORDER BY id") == [
        "1|a|taken|15.0", "2|new|free, (really)|NULL", "3|theirs|free, (really)|NULL",
      ])
  }

  @Test func renamesAndDropsColumnsBesideRowsThatTheRemoteHasGot() async throws {
    let office = try await push(
      """
      ALTER TABLE bed RENAME COLUMN name TO label; ALTER TABLE guest ADD COLUMN x; ALTER TABLE guest DROP COLUMN x;
      UPDATE bed SET label = 'mine' WHERE id = 1; CREATE TABLE wide (id INTEGER PRIMARY KEY);
      """, beside: ["INSERT INTO bed (name) VALUES ('theirs')"])
    #expect(try await office.rows("SELECT label FROM bed ORDER BY id") == ["mine", "b", "theirs"])
    try office.change("ALTER TABLE bed DROP COLUMN label;")
    try await office.run(["INSERT INTO bed (label) VALUES ('late')"])
    #expect(try await office.push().kind == .pushed)
    #expect(try await office.rows("SELECT count(*) FROM bed") == ["4"])
    try await office.expectEqual()
  }

  @Test func renamesColumnsOfKeys() async throws {
    let office = try await push(
      """
      ALTER TABLE pair RENAME COLUMN b TO beta; ALTER TABLE bed RENAME COLUMN id TO number;
      UPDATE pair SET c = 'mine' WHERE beta = 'x'; DELETE FROM pair WHERE beta = 'y'; INSERT INTO pair VALUES (3, 'z', 'mine');
      UPDATE bed SET name = 'mine' WHERE number = 1;
      """, beside: ["INSERT INTO pair VALUES (9, 'q', 'theirs')", "UPDATE bed SET name = 'theirs' WHERE id = 2"],
      schema: [
        "CREATE TABLE pair (a, b TEXT, c, PRIMARY KEY (b, a))", "CREATE TABLE bed (id INTEGER PRIMARY KEY, name)",
        "INSERT INTO pair VALUES (1, 'x', 'c'), (2, 'y', 'c')", "INSERT INTO bed VALUES (1, 'a'), (2, 'b')",
      ])
    #expect(try await office.rows("SELECT beta, c FROM pair ORDER BY 1") == ["q|theirs", "x|mine", "z|mine"])
    #expect(try await office.rows("SELECT name FROM bed ORDER BY number") == ["mine", "theirs"])
  }

  @Test func tablesThatAMigrationMadeAnew() async throws {
    let rebuild = """
      PRAGMA foreign_keys=OFF;
      CREATE TABLE "bed_new" ( "id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "name" text NOT NULL DEFAULT '-' UNIQUE );
      INSERT INTO bed_new SELECT id, upper(name) FROM bed; DROP TABLE bed; ALTER TABLE bed_new RENAME TO bed;
      """
    let office = try await push(rebuild, beside: ["INSERT INTO guest VALUES (5, 2)"])
    #expect(try await office.rows("SELECT name FROM bed ORDER BY id") == ["A", "B"])
    #expect(try await office.rows("SELECT count(*) FROM guest") == ["2"])
    let other = try await Office(Self.schema)
    try await other.pull()
    try other.change(rebuild)
    try await other.run(["INSERT INTO bed (name) VALUES ('theirs')"])
    let before = try await other.remoteDump()
    #expect(try await other.push().conflicts.map(\.description) == ["bed: table-replaced-here"])
    #expect(try await other.push(.theirs).kind == .conflicts)
    #expect(try await other.remoteDump() == before)
    #expect(try await other.push(.ours).kind == .pushed)
    #expect(try await other.rows("SELECT name FROM bed ORDER BY id") == ["A", "B"])
    try await other.expectEqual()
  }

  @Test func tablesThatGotAnotherName() async throws {
    let office = try await push("ALTER TABLE guest RENAME TO pilgrim; INSERT INTO pilgrim VALUES (7, 2);")
    #expect(try await office.rows("SELECT id FROM pilgrim ORDER BY id") == ["1", "7"])
  }

  @Test func indexesAndTriggersOfATableThatWasMadeAnewStay() async throws {
    let office = try await push(
      """
      PRAGMA foreign_keys=OFF; ALTER TABLE guest RENAME TO old; CREATE TABLE guest (id INTEGER PRIMARY KEY, bed INTEGER, n);
      INSERT INTO guest SELECT id, bed, 1 FROM old; DROP TABLE old; CREATE INDEX guest_bed ON guest (bed);
      """)
    #expect(try await office.rows("SELECT count(*) FROM sqlite_schema WHERE name = 'guest_bed'") == ["1"])
  }

  @Test func definitionsThatChangedOnBothSidesAreConflicts() async throws {
    let office = try await Office(Self.schema)
    try await office.pull()
    try office.change("ALTER TABLE bed ADD COLUMN mine; CREATE VIEW v AS SELECT 1; INSERT INTO guest VALUES (9, 1);")
    try await office.run([
      "ALTER TABLE bed ADD COLUMN theirs", "CREATE VIEW v AS SELECT 2", "ALTER TABLE guest ADD COLUMN theirs",
    ])
    let before = try await office.remoteDump()
    let conflicts = try await office.push(.ours).conflicts
    #expect(Set(conflicts.map(\.description)) == ["bed: schema", "v: schema", "guest: schema"])
    #expect(try await office.remoteDump() == before)
    try office.expectNoPlaintext()
  }

  @Test func definitionsThatOnlyTheRemoteChangedStayAsTheyAreThere() async throws {
    let office = try await push(
      "INSERT INTO bed (name) VALUES ('mine');",
      beside: [
        "ALTER TABLE guest ADD COLUMN theirs", "CREATE TABLE theirs (id INTEGER PRIMARY KEY)", "DROP VIEW taken",
        "CREATE INDEX bed_name ON bed (name)",
      ])
    #expect(try await office.rows("SELECT count(*) FROM bed") == ["3"])
  }

  @Test func theSameMigrationOnBothSidesIsNoConflict() async throws {
    let migration = "ALTER TABLE bed ADD COLUMN price integer DEFAULT 5"
    let office = try await push(
      migration + "; UPDATE bed SET price = 6 WHERE id = 1; INSERT INTO seaql_migrations VALUES ('m2', 2);",
      beside: [migration, "INSERT INTO seaql_migrations VALUES ('m2', 2)"])
    #expect(try await office.rows("SELECT price FROM bed ORDER BY id") == ["6", "5"])
  }
}
