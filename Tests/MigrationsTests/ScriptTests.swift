import Migrations
import Testing

@Suite("Scripts")
struct ScriptTests {
  private func statements(_ text: String) throws -> [String] {
    try MigrationScript(text, source: "up.sql").statements.map(\.sql)
  }

  @Test func endAtSemicolonsOutsideQuotesAndComments() throws {
    #expect(
      try statements(
        """
        SELECT ';', "a;b", `c;d`, [e;f] -- ;
        /* ; */ ; -- nothing
        ;; SELECT 'it''s; so' ; SELECT x'3b'
        """) == [
          "SELECT ';', \"a;b\", `c;d`, [e;f]", "SELECT 'it''s; so'", "SELECT x'3b'",
        ])
  }

  @Test func keepTheBodyOfATriggerTogether() throws {
    let trigger = """
      CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN
        UPDATE b SET c = CASE WHEN d THEN 'x;' END; -- END;
        DELETE FROM e;
      END
      """
    #expect(try statements("SELECT 1;\n\(trigger);\nSELECT 2;") == ["SELECT 1", trigger, "SELECT 2"])
  }

  @Test func beginWithoutAByteOrderMarkAndEndLinesInOneWay() throws {
    let plain = try MigrationScript("SELECT 1;\nSELECT 2;\n", source: "a")
    let other = try MigrationScript("\u{FEFF}SELECT 1;\r\nSELECT 2;\r\n", source: "b")
    #expect(plain.statements == other.statements)
    #expect(plain.checksum == other.checksum)
    #expect(plain.checksum != (try MigrationScript("SELECT 1;\nSELECT 3;\n", source: "a").checksum))
    // printf 'SELECT 1;\nSELECT 2;\n' | sha256sum
    #expect(plain.checksum == "82efb67f3010c6eb7ead02e4f6d9550633dbc1407f99aa487468e7b2567aebbc")
  }

  @Test func knowTheirLines() throws {
    let script = try MigrationScript("-- one\n\nSELECT\n 1;\n/* five\n six */ SELECT 2; SELECT\n3", source: "up.sql")
    #expect(script.statements.map(\.line) == [3, 6, 6])
    #expect(script.statements.map(\.number) == [1, 2, 3])
    #expect(script.place(of: script.statements[1]) == "up.sql:6: statement 2")
  }

  @Test(arguments: [
    ("SELECT 1;\nSELECT 'open", "up.sql:2: the string"), ("SELECT \"open", "up.sql:1: the quoted name"),
    ("SELECT 1\n\n/* open", "up.sql:3: the comment"), ("SELECT [open", "up.sql:1: the quoted name"),
  ])
  func withoutAnEndAreErrorsWithTheLineOfTheirBeginning(text: String, message: String) {
    expectInvalid(text, message)
  }

  @Test(arguments: ["BEGIN", "begin immediate", "COMMIT", "end transaction", "ROLLBACK", "/* x */ Commit"])
  func mayNotEndTheTransactionOfTheirMigration(statement: String) {
    expectInvalid("SELECT 1;\n\(statement);", "up.sql:2: statement 2 begins or ends a transaction")
  }

  @Test func mayUseSavepoints() throws {
    #expect(try statements("SAVEPOINT a; ROLLBACK TO a; RELEASE a").count == 3)
  }

  @Test func withANULCharacterAreErrors() { expectInvalid("SELECT 1;\0SELECT 2;", "NUL") }

  // MARK: - Front matter

  @Test func sayInFrontMatterWhatBecomesOfForeignKeys() throws {
    let script = try MigrationScript(
      "-- ---\n-- description: x: y\n--  foreign-keys:  off \n-- ---\nSELECT 1", source: "up.sql")
    #expect(script.options.foreignKeys == .off)
    #expect(script.options.description == "x: y")
    #expect(script.turnsForeignKeysOff)
    #expect(try !MigrationScript("-- foreign-keys: off\nSELECT 1", source: "a").turnsForeignKeysOff)
    #expect(try !MigrationScript("SELECT 1;\n-- ---\n-- other: 1\n-- ---", source: "a").turnsForeignKeysOff)
  }

  @Test func withFrontMatterThatIsNotUnderstoodAreErrors() {
    expectInvalid("-- ---\n-- foreign_keys: off\n-- ---\n", "up.sql:2: unknown option")
    expectInvalid("-- ---\n-- foreign-keys: maybe\n-- ---\n", "up.sql:2: unknown setting")
    expectInvalid("-- ---\n-- foreign-keys: off\nSELECT 1", "has no end")
  }

  // MARK: - What statements do

  @Test(arguments: [
    "DROP TABLE a; ALTER TABLE b RENAME TO a", "drop table if exists main.\"A\"; ALTER TABLE [b] RENAME TO `a`",
    "PRAGMA foreign_keys = OFF; SELECT 1", "pragma main.foreign_keys(0)",
    "DROP TABLE \"a\"\"b\"; ALTER TABLE c RENAME TO \"a\"\"b\"",
  ])
  func thatMakeATableAnewTurnForeignKeysOff(text: String) throws {
    #expect(try MigrationScript(text, source: "a").turnsForeignKeysOff)
  }

  @Test(arguments: [
    "DROP TABLE a; ALTER TABLE b RENAME TO c", "ALTER TABLE b RENAME TO a; DROP TABLE a",
    "DROP TABLE a; ALTER TABLE b RENAME COLUMN c TO a", "PRAGMA foreign_keys", "PRAGMA foreign_keys=ON",
    "-- ---\n-- foreign-keys: on\n-- ---\nDROP TABLE a; ALTER TABLE b RENAME TO a",
    "SELECT 'DROP TABLE a; ALTER TABLE b RENAME TO a'",
  ])
  func thatMakeNoTableAnewLeaveForeignKeysOn(text: String) throws {
    #expect(try !MigrationScript(text, source: "a").turnsForeignKeysOff)
  }

  @Test(arguments: [
    "DROP TABLE a", "delete from a", "ALTER TABLE a DROP COLUMN b", "ALTER TABLE a DROP b", "REPLACE INTO a VALUES (1)",
    "INSERT OR REPLACE INTO a VALUES (1)", "WITH x AS (SELECT 1) DELETE FROM a",
  ])
  func thatDropOrDeleteAreDestructive(text: String) throws {
    #expect(try MigrationScript(text, source: "a").isDestructive)
  }

  @Test(arguments: [
    "CREATE TABLE a (b)", "INSERT INTO a VALUES ('DELETE')", "ALTER TABLE a ADD COLUMN \"drop\"", "DROP INDEX a",
    "UPDATE a SET b = replace(b, 'x', 'y')", "ALTER TABLE \"drop\" RENAME TO a", "SELECT 1",
    "CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b; END",
  ])
  func thatAddAreNot(text: String) throws {
    #expect(try !MigrationScript(text, source: "a").isDestructive)
  }

  private func expectInvalid(_ text: String, _ message: String, sourceLocation: SourceLocation = #_sourceLocation) {
    do {
      _ = try MigrationScript(text, source: "up.sql")
      Issue.record("no error", sourceLocation: sourceLocation)
    } catch {
      #expect(error.code == .invalidScript, sourceLocation: sourceLocation)
      #expect(error.detail.contains(message), "\(error)", sourceLocation: sourceLocation)
    }
  }
}
