import EncryptedStorage
import Foundation
import TestSupport
import Testing
import WorkingCopy

/// Every kind of table that SQLite has, pushed or refused by name.
@Suite("Kinds of tables in a push", .serialized)
struct TableKindTests {
  /// Pushes `change` over `schema`, beside `remoteChange`, and expects both sides to be equal.
  @discardableResult
  private func push(
    _ schema: [String], change: String, beside remoteChange: [String] = [],
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

  /// Expects a push to be refused, naming `name`, with nothing sent.
  private func expectRefused(
    _ schema: [String], change: String, naming name: String, sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    let office = try await Office(schema)
    try await office.pull()
    try office.change(change)
    let before = try await office.remoteDump()
    let error = await failure { try await office.push() } as? WorkingCopyError
    #expect(error?.code == .unsupported, sourceLocation: sourceLocation)
    #expect(error?.detail.contains(name) == true, "\(error?.detail ?? "")", sourceLocation: sourceLocation)
    #expect(try await office.remoteDump() == before, sourceLocation: sourceLocation)
    try office.expectNoPlaintext(sourceLocation: sourceLocation)
  }

  @Test func tablesWithoutRowidAndWithKeysOfSeveralColumns() async throws {
    let office = try await push(
      [
        "CREATE TABLE price (room TEXT, season INTEGER, cents INTEGER, PRIMARY KEY (room, season)) WITHOUT ROWID",
        "CREATE TABLE pair (a, b, c, PRIMARY KEY (b, a))",
        "INSERT INTO price VALUES ('x', 1, 10), ('x', 2, 20), ('y', 1, 30)",
        "INSERT INTO pair VALUES (1, 'p', NULL), (2, 'q', 2), (x'00', 1.5, 3)",
      ],
      change: """
        UPDATE price SET cents = 11 WHERE room = 'x' AND season = 1; DELETE FROM price WHERE room = 'y';
        INSERT INTO price VALUES ('z', -5, 1); UPDATE pair SET c = 'new' WHERE a = 1; DELETE FROM pair WHERE a = x'00';
        UPDATE pair SET a = 2.0 WHERE a = 2; INSERT INTO pair VALUES (9, 9, 9);
        """, beside: ["UPDATE price SET cents = 21 WHERE season = 2"])
    #expect(try await office.rows("SELECT typeof(a) FROM pair WHERE b = 'q'") == ["real"])
  }

  @Test func keysWithCollations() async throws {
    try await push(
      [
        "CREATE TABLE country (code TEXT PRIMARY KEY COLLATE NOCASE, name TEXT COLLATE NOCASE) WITHOUT ROWID",
        "CREATE TABLE city (code TEXT COLLATE NOCASE PRIMARY KEY, name TEXT COLLATE RTRIM UNIQUE)",
        "INSERT INTO country VALUES ('es', 'Spain'), ('FR', 'france'), ('pt', 'x')",
        "INSERT INTO city VALUES ('b', 'Bilbao'), ('A', 'avila')",
      ],
      change: """
        UPDATE country SET code = 'ES' WHERE code = 'es'; UPDATE country SET name = 'France' WHERE code = 'fr';
        UPDATE city SET code = 'a', name = 'Avila' WHERE code = 'A'; INSERT INTO city VALUES ('c', 'Cadiz');
        """, beside: ["UPDATE country SET name = 'X' WHERE code = 'pt'"])
  }

  @Test func tablesWithoutAKey() async throws {
    let office = try await push(
      ["CREATE TABLE log (line TEXT, number)", "INSERT INTO log VALUES ('a', 1), ('b', 2), ('b', 2), ('c', NULL)"],
      change:
        "DELETE FROM log WHERE line = 'a'; UPDATE log SET number = 3 WHERE line = 'c'; INSERT INTO log VALUES ('d', 4);",
      beside: ["INSERT INTO log VALUES ('e', 5)"])
    #expect(
      try await office.rows("SELECT line, number FROM log ORDER BY 1, 2") == ["b|2", "b|2", "c|3", "d|4", "e|5"])
    try await expectRefused(
      ["CREATE TABLE odd (rowid, oid, _rowid_)"], change: "INSERT INTO odd VALUES (1, 2, 3);", naming: "odd")
  }

  @Test func keysThatAreNull() async throws {
    let schema = [
      "CREATE TABLE tag (name TEXT PRIMARY KEY, n)", "INSERT INTO tag VALUES (NULL, 1), (NULL, 2), ('x', 3)",
    ]
    try await push(schema, change: "UPDATE tag SET n = 30 WHERE name = 'x';")
    try await expectRefused(schema, change: "UPDATE tag SET n = 10 WHERE n = 1;", naming: "tag")
    try await expectRefused(schema, change: "INSERT INTO tag VALUES (NULL, 1);", naming: "tag")
  }

  @Test func generatedColumnsAreNotSent() async throws {
    try await push(
      [
        """
        CREATE TABLE stay (id INTEGER PRIMARY KEY, nights INTEGER, cents INTEGER,
          total INTEGER GENERATED ALWAYS AS (nights * cents) STORED, half AS (total / 2), UNIQUE (total))
        """,
        "INSERT INTO stay (nights, cents) VALUES (1, 100), (2, 70)",
      ],
      change: "UPDATE stay SET nights = 3 WHERE id = 1; INSERT INTO stay (nights, cents) VALUES (4, 5);")
  }

  @Test func whatTriggersDidIsSentOnce() async throws {
    let schema = [
      "CREATE TABLE bed (id INTEGER PRIMARY KEY, name TEXT)", "CREATE TABLE audit (what TEXT)",
      "CREATE TRIGGER bed_insert AFTER INSERT ON bed BEGIN INSERT INTO audit VALUES ('insert ' || new.id); END",
      "CREATE TRIGGER bed_update BEFORE UPDATE ON bed BEGIN INSERT INTO audit VALUES ('update ' || old.id); END",
      "CREATE TRIGGER audit_never BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'never'); END",
      "INSERT INTO bed VALUES (1, 'a'), (2, 'b')",
    ]
    let office = try await push(
      schema, change: "INSERT INTO bed VALUES (3, 'c'); UPDATE bed SET name = 'x' WHERE id = 1;",
      beside: ["UPDATE bed SET name = 'y' WHERE id = 2"])
    #expect(
      try await office.rows("SELECT what FROM audit ORDER BY 1") == [
        "insert 1", "insert 2", "insert 3", "update 1", "update 2",
      ])
  }

  @Test func aTriggerThatOnlyTheRemoteHasIsAConflict() async throws {
    let office = try await Office([
      "CREATE TABLE bed (id INTEGER PRIMARY KEY, name TEXT)", "CREATE TABLE audit (what TEXT)",
    ])
    try await office.pull()
    try office.change("INSERT INTO bed VALUES (3, 'c');")
    try await office.run(["CREATE TRIGGER watch AFTER INSERT ON bed BEGIN INSERT INTO audit VALUES (new.id); END"])
    #expect(try await office.push().conflicts.map(\.description) == ["watch: schema"])
  }

  @Test func rowidsThatWereGivenOutAreNotGivenOutAgain() async throws {
    let office = try await push(
      ["CREATE TABLE bed (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT)", "INSERT INTO bed (name) VALUES ('a')"],
      change: "INSERT INTO bed VALUES (50, 'gone'); DELETE FROM bed WHERE id = 50; INSERT INTO bed (name) VALUES ('b');"
    )
    #expect(try await office.rows("SELECT id FROM bed ORDER BY id") == ["1", "51"])
    try office.change("INSERT INTO bed VALUES (90, 'gone'); DELETE FROM bed WHERE id = 90;")
    #expect(try await office.push().kind == .pushed)
    #expect(try await office.rows("SELECT seq FROM sqlite_sequence WHERE name = 'bed'") == ["90"])
  }

  @Test func foreignKeysDoNothingByThemselvesAtTheRemote() async throws {
    let office = try await push(
      [
        "CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parent (id) ON DELETE CASCADE ON UPDATE CASCADE)",
        "CREATE TABLE parent (id INTEGER PRIMARY KEY, other INTEGER REFERENCES child (id), code TEXT UNIQUE)",
        "INSERT INTO parent (id, code) VALUES (1, 'a'), (2, 'b'), (3, 'c')",
        "INSERT INTO child VALUES (10, 1), (20, 2)",
        "UPDATE parent SET other = 10 WHERE id = 3",
      ],
      change: """
        DELETE FROM parent WHERE id = 2; INSERT INTO child VALUES (30, NULL); INSERT INTO parent VALUES (4, 30, 'd');
        UPDATE child SET parent = 4 WHERE id = 30; UPDATE parent SET code = 'z' WHERE id = 1;
        """)
    #expect(try await office.rows("SELECT id, parent FROM child ORDER BY id") == ["10|1", "30|4"])
  }

  @Test func constraintsThatReplaceRowsReplaceNothing() async throws {
    let office = try await Office([
      "CREATE TABLE bed (id INTEGER PRIMARY KEY ON CONFLICT REPLACE, number INTEGER UNIQUE ON CONFLICT REPLACE)",
      "INSERT INTO bed VALUES (1, 1)",
    ])
    try await office.pull()
    try office.change("INSERT INTO bed VALUES (5, 50);")
    try await office.run(["INSERT INTO bed VALUES (6, 50)"])
    #expect(try await office.push().conflicts.map(\.description) == ["bed (5): constraint"])
    #expect(try await office.rows("SELECT id FROM bed ORDER BY id") == ["1", "6"])
  }

  @Test func strictTablesAndUnusualValues() async throws {
    let office = try await push(
      [
        "CREATE TABLE typed (id INTEGER PRIMARY KEY, i INT, r REAL, t TEXT, b BLOB, a ANY) STRICT",
        "CREATE TABLE loose (id INTEGER PRIMARY KEY, v)", "INSERT INTO loose VALUES (1, 1), (2, 'x')",
      ],
      change: """
        INSERT INTO typed VALUES (1, 9223372036854775807, 1e308 * 10, 'ñ' || char(0) || 'x', zeroblob(3), '12'),
          (2, -9223372036854775808, -1e308 * 10, '', zeroblob(0), 1.0);
        INSERT INTO loose VALUES (3, CAST(x'ff00fe' AS TEXT)), (4, 0.1), (5, -0.0), (6, char(101, 769)), (7, 'é');
        UPDATE loose SET v = 1.0 WHERE id = 1; UPDATE loose SET v = CAST('x' AS BLOB) WHERE id = 2;
        """)
    #expect(
      try await office.rows("SELECT typeof(v), hex(CAST(v AS BLOB)) FROM loose WHERE id IN (1, 2, 3) ORDER BY id") == [
        "real|312E30", "blob|78", "text|FF00FE",
      ])
    try office.change(
      "UPDATE typed SET r = 2 WHERE id = 1; UPDATE loose SET v = 'now' WHERE id = 3; DELETE FROM typed WHERE id = 2;")
    #expect(try await office.push().kind == .pushed)
    try await office.expectEqual()
  }

  @Test func identifiersThatNeedQuotes() async throws {
    try await push(
      [
        "CREATE TABLE \"a \"\"table\"\"; --\" (\"select\" INTEGER PRIMARY KEY, \"ñ'x\" TEXT, [b c] TEXT UNIQUE)",
        "INSERT INTO \"a \"\"table\"\"; --\" VALUES (1, 'x', 'y')",
      ],
      change: """
        UPDATE "a ""table""; --" SET "ñ'x" = 'z', [b c] = 'w'; INSERT INTO "a ""table""; --" VALUES (2, NULL, NULL);
        """)
  }

  @Test func fullTextTablesAreRefusedOnlyWhenTheyChanged() async throws {
    let schema = [
      "CREATE TABLE page (id INTEGER PRIMARY KEY, body TEXT)", "CREATE VIRTUAL TABLE search USING fts5(body)",
      "INSERT INTO search VALUES ('uno dos')", "INSERT INTO page VALUES (1, 'x')",
    ]
    try await push(schema, change: "UPDATE page SET body = 'y';")
    try await expectRefused(schema, change: "INSERT INTO search VALUES ('tres');", naming: "search")
    try await expectRefused(schema, change: "DROP TABLE search;", naming: "search")
    try await expectRefused(schema, change: "CREATE VIRTUAL TABLE other USING fts5(x);", naming: "other")
  }

  @Test func keysInListsOfConflictsDoNothingToATerminal() async throws {
    let office = try await Office([
      "CREATE TABLE tag (name TEXT PRIMARY KEY, n)", "INSERT INTO tag VALUES (char(27, 49), 1)",
    ])
    try await office.pull()
    try office.change("UPDATE tag SET n = 2;")
    try await office.run(["UPDATE tag SET n = 3"])
    #expect(try await office.push().conflicts.map(\.description) == [#"tag ('\u{1b}1'): changed-on-both-sides"#])
  }

  @Test func integerKeysKeepAllOfTheirDigits() async throws {
    try await push(
      [
        "CREATE TABLE big (id INTEGER PRIMARY KEY, n)",
        "INSERT INTO big VALUES (9007199254740993, 'a'), (-9223372036854775808, 'b'), (9223372036854775807, 'c')",
        "CREATE TABLE mixed (k PRIMARY KEY) WITHOUT ROWID",
        "INSERT INTO mixed VALUES (9007199254740993), (9007199254740992.0), (1.5), (2), ('2'), (x'32'), (-1e300), (1e300)",
      ],
      change: """
        UPDATE big SET n = 'mine'; INSERT INTO big VALUES (9007199254740992, 'd');
        DELETE FROM mixed WHERE typeof(k) = 'real' AND k > 5; INSERT INTO mixed VALUES (9007199254740994), (2.5), ('');
        """)
  }
}
