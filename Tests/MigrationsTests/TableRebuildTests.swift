import Migrations
import TestSupport
import Testing

/// A table that others refer to is made anew: the step where other migrators have lost rows.
@Suite("Tables that are made anew")
struct TableRebuildTests {
  private static let first = """
    CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE child (id INTEGER PRIMARY KEY, parent_id INTEGER NOT NULL REFERENCES parent (id) ON DELETE CASCADE);
    CREATE TABLE note (child_id INTEGER REFERENCES child (id) ON DELETE SET NULL);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
      INSERT INTO parent SELECT i, 'name ' || i FROM n;
    INSERT INTO child SELECT id, id FROM parent;
    INSERT INTO note SELECT id FROM child;
    """
  private static let rebuild = """
    CREATE TABLE parent_new (id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT);
    INSERT INTO parent_new SELECT id, name, NULL FROM parent;
    DROP TABLE parent;
    ALTER TABLE parent_new RENAME TO parent;
    """

  private func run(_ scripts: String...) async throws -> Workshop {
    let work = try Workshop()
    let migrations = try scripts.enumerated().map { try Migration(version: "m\($0.offset)", up: $0.element, down: nil) }
    try await work.migrate(migrations) { try await $0.up() }
    return work
  }

  @Test(arguments: [
    "", "-- ---\n-- foreign-keys: off\n-- ---\n", "PRAGMA foreign_keys=OFF;\n",
  ])
  func loseNoRowThatRefersToThem(beginning: String) async throws {
    let work = try await run(Self.first, beginning + Self.rebuild)
    #expect(
      try work.lines(
        "SELECT (SELECT count(*) FROM parent), (SELECT count(*) FROM child), (SELECT count(child_id) FROM note);")
        == ["200|200|200"])
    #expect(try work.lines("SELECT count(*) FROM child JOIN parent ON parent.id = parent_id;") == ["200"])
    try work.expectSound()
  }

  /// So that the test above shows something: this is what happens with foreign keys on.
  @Test func wouldLoseThemWithForeignKeysOn() async throws {
    let work = try await run(Self.first, "-- ---\n-- foreign-keys: on\n-- ---\n" + Self.rebuild)
    #expect(try work.lines("SELECT count(*) FROM child;") == ["0"])
  }

  @Test func mustKeepWhatOthersReferTo() async throws {
    let work = try Workshop()
    let migrations = [
      try Migration(version: "m0", up: Self.first, down: nil),
      try Migration(
        version: "m1", up: Self.rebuild.replacing("FROM parent;", with: "FROM parent WHERE id > 3;"), down: nil),
    ]
    do {
      try await work.migrate(migrations) { try await $0.up() }
      Issue.record("no error")
    } catch let error as MigrationError {
      #expect(error.code == .brokenReferences)
      #expect(error.detail.contains("3 in child without parent in parent"))
    }
    #expect(try work.versions() == ["m0"])
    #expect(try work.lines("SELECT count(*) FROM parent;") == ["200"])
    try work.expectSound()
  }

  /// Rows that nobody's migration broke do not stop those that follow.
  @Test func mayFindBrokenReferencesButNotAddAny() async throws {
    let work = try await run(Self.first)
    let broken = try SQLCipherShell.run(
      work.path, key: TestKeys.firstHex, "PRAGMA foreign_keys=OFF; INSERT INTO child VALUES (1000, 1000);")
    try #require(broken.status == 0)
    let migrations = [
      try Migration(version: "m0", up: Self.first, down: nil),
      try Migration(version: "m1", up: Self.rebuild, down: nil),
    ]
    try await work.migrate(migrations) { try await $0.up() }
    #expect(try work.lines("SELECT count(*) FROM child;") == ["201"])
    let worse = [
      try Migration(
        version: "m2", up: "-- ---\n-- foreign-keys: off\n-- ---\nINSERT INTO child VALUES (2000, 2000)", down: nil)
    ]
    await expect(.brokenReferences) { try await work.migrate(migrations + worse) { try await $0.up() } }
  }

  /// A view stands in the way of a rename; what a script sets to get past it does not reach the next one.
  @Test func mayHaveViewsWithTheSettingForThat() async throws {
    let view = "CREATE VIEW names AS SELECT name FROM parent;"
    let work = try await run(Self.first + view, "PRAGMA legacy_alter_table=ON;\n" + Self.rebuild)
    #expect(try work.lines("SELECT count(*) FROM names;") == ["200"])
    let stuck = try Workshop()
    let migrations = try [Self.first + view, "PRAGMA legacy_alter_table=ON; SELECT 1", Self.rebuild].enumerated().map {
      try Migration(version: "m\($0.offset)", up: $0.element, down: nil)
    }
    await expect(.failed) { try await stuck.migrate(migrations) { try await $0.up() } }
    #expect(try stuck.versions() == ["m0", "m1"])
  }

  /// A foreign key without a key of the parent that fits cannot be checked at all.
  @Test func areRefusedWhereReferencesCannotBeChecked() async throws {
    let work = try Workshop()
    let mismatch = "CREATE TABLE p (x); CREATE TABLE c (x REFERENCES p (x)); INSERT INTO p VALUES (1);"
    try work.change(mismatch + "PRAGMA foreign_keys=OFF; INSERT INTO c VALUES (1);")
    let rebuild =
      "CREATE TABLE p_new (x %); INSERT INTO p_new SELECT x FROM p; DROP TABLE p; ALTER TABLE p_new RENAME TO p"
    let useless = [try Migration(version: "m1", up: rebuild.replacing("%", with: ""), down: nil)]
    await expect(.brokenReferences) { try await work.migrate(useless) { try await $0.up() } }
    let repair = [try Migration(version: "m1", up: rebuild.replacing("%", with: "UNIQUE"), down: nil)]
    try await work.migrate(repair) { try await $0.up() }
    #expect(try work.lines("SELECT count(*) FROM c JOIN p USING (x);") == ["1"])
    try work.expectSound()
  }

  @Test func leaveForeignKeysOnForTheNextMigration() async throws {
    let work = try Workshop()
    let migrations = [
      try Migration(version: "m0", up: Self.first, down: nil),
      try Migration(version: "m1", up: Self.rebuild, down: nil),
      try Migration(version: "m2", up: "INSERT INTO child VALUES (1000, 1000)", down: nil),
    ]
    await expect(.failed) { try await work.migrate(migrations) { try await $0.up() } }
    #expect(try work.versions() == ["m0", "m1"])
  }
}
