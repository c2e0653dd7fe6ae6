import EncryptionKeys
import Foundation
import TestSupport
import Testing

@testable import EncryptedStorage

/// What rows mean depends on the schema: every kind of table must come back as it was.
@Suite("Recovery of schemas")
struct RecoverySchemaTests {
  let bench: RecoveryBench

  init() throws { bench = try RecoveryBench() }

  /// Makes a file of `sql`, damages one page of the table `victim` so that rows have to be saved, and compares `queries`.
  private func expectUnchanged(
    _ sql: String, settings: String = "", _ queries: String, sourceLocation: SourceLocation = #_sourceLocation
  ) async throws -> Recovery.Outcome {
    _ = try SQLCipherShell.lines(
      bench.source, key: TestKeys.firstHex, settings: settings,
      sql + "; CREATE TABLE victim (x); INSERT INTO victim VALUES (zeroblob(9000));")
    let page = try #require(
      Int(
        try SQLCipherShell.lines(
          bench.source, key: TestKeys.firstHex,
          "SELECT pageno FROM dbstat WHERE name = 'victim' AND pagetype = 'overflow';"
        ).first ?? ""))
    try Bytes.flip(bench.source, byte: (page - 1) * 4096 + 50)
    let before = try SQLCipherShell.lines(bench.source, key: TestKeys.firstHex, queries)
    let outcome = try await bench.recover()
    #expect(outcome.method == .rows, sourceLocation: sourceLocation)
    #expect(
      try SQLCipherShell.lines(bench.target, key: TestKeys.secondHex, queries) == before, sourceLocation: sourceLocation
    )
    #expect(
      try SQLCipherShell.lines(bench.target, key: TestKeys.secondHex, "PRAGMA integrity_check;") == ["ok"],
      sourceLocation: sourceLocation)
    return outcome
  }

  @Test func keepsValuesOfEveryClassAndSize() async throws {
    let outcome = try await expectUnchanged(
      """
      CREATE TABLE v (a, b TEXT, c REAL, d BLOB, e INTEGER);
      INSERT INTO v VALUES (NULL, '', 0.0, x'', 0), (1, 'ñandú', -1.5e300, x'00ff', -1), (127, 'a' || char(0) || 'b', 3, 'text', 128),
        (-32768, '17', 2, 5, 8388607), (2147483647, 'x', 1e-300, 1.5, -2147483649), (140737488355327, 'y', 9e999, NULL, 140737488355328),
        (9223372036854775807, cast(x'ff80' AS TEXT), -0.0, 'z', -9223372036854775808);
      """,
      "SELECT typeof(a), quote(a), typeof(b), hex(b), typeof(c), quote(c), typeof(d), quote(d), typeof(e), e FROM v ORDER BY rowid;"
    )
    #expect(outcome.tables.first?.recoveredRowCount == 7)
  }

  @Test(arguments: ["UTF-8", "UTF-16le", "UTF-16be"])
  func keepsTextInItsEncoding(encoding: String) async throws {
    _ = try await expectUnchanged(
      #"""
      CREATE TABLE "niño ""x""" ("a b" TEXT);
      INSERT INTO "niño ""x""" VALUES ('año'), (char(65279) || 'mark'), ('𝄞 clef'), ('');
      """#, settings: "PRAGMA encoding='\(encoding)';",
      "PRAGMA encoding; SELECT quote(\"a b\"), hex(\"a b\"), length(\"a b\") FROM \"niño \"\"x\"\"\";")
  }

  @Test func keepsDefaultsOfColumnsAddedLater() async throws {
    _ = try await expectUnchanged(
      """
      CREATE TABLE t (a); INSERT INTO t VALUES (1), (2); ALTER TABLE t ADD COLUMN b DEFAULT 'seven';
      ALTER TABLE t ADD COLUMN c; INSERT INTO t VALUES (3, NULL, 4);
      """, "SELECT rowid, quote(a), quote(b), quote(c) FROM t;")
  }

  @Test func keepsGeneratedColumnsStrictTablesAndCounters() async throws {
    _ = try await expectUnchanged(
      """
      CREATE TABLE g (a INT, v AS (a + 1), s AS (a * 2) STORED, z TEXT); INSERT INTO g (a, z) VALUES (5, 'end'), (6, NULL);
      CREATE TABLE st (a INT PRIMARY KEY, b ANY) STRICT; INSERT INTO st VALUES (1, 'x'), (2, 3.5);
      CREATE TABLE d (a INTEGER PRIMARY KEY DESC, b); INSERT INTO d (rowid, a, b) VALUES (10, 3, 'p'), (20, 1, 'q');
      CREATE TABLE hidden (rowid TEXT, oid TEXT); INSERT INTO hidden (_rowid_, rowid, oid) VALUES (77, 'r', 'o');
      CREATE TABLE auto (id INTEGER PRIMARY KEY AUTOINCREMENT, b); INSERT INTO auto VALUES (500, 'x'), (3, 'y');
      DELETE FROM auto WHERE id = 500;
      CREATE TABLE w (x TEXT, y INT, v AS (x || 1), z, PRIMARY KEY (z, x)) WITHOUT ROWID; INSERT INTO w (x, y, z) VALUES ('k', 2, 3);
      """,
      """
      SELECT rowid, * FROM g; SELECT rowid, * FROM st; SELECT rowid, * FROM d; SELECT _rowid_, * FROM hidden;
      SELECT * FROM auto; SELECT * FROM sqlite_sequence; SELECT * FROM w;
      """)
  }

  @Test func keepsIndexesViewsTriggersAndVirtualTables() async throws {
    let outcome = try await expectUnchanged(
      """
      CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 'one'), (2, 'two');
      CREATE INDEX i ON t (b) WHERE a > 1; CREATE VIEW vw AS SELECT no_such_function(a) FROM t;
      CREATE TRIGGER tr AFTER INSERT ON t BEGIN SELECT 1; END;
      CREATE VIRTUAL TABLE ft USING fts5(body); INSERT INTO ft VALUES ('camino frances'), ('via de la plata'); ANALYZE;
      """,
      """
      SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_stat%' ORDER BY name;
      SELECT body FROM ft WHERE ft MATCH 'plata'; SELECT * FROM t;
      """)
    #expect(outcome.notes == [])
  }

  @Test func keepsRowsOfAnAutoVacuumDatabase() async throws {
    let outcome = try await expectUnchanged(
      """
      CREATE TABLE t (a, b);
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO t SELECT i, randomblob(i % 900) FROM n;
      """, settings: "PRAGMA auto_vacuum=FULL;", "SELECT rowid, a, quote(b) FROM t;")
    #expect(outcome.orphanRowCount == 0)
  }

  /// The rows of a deleted table lie on free pages, and stay deleted.
  @Test func doesNotBringDeletedRowsBack() async throws {
    let outcome = try await expectUnchanged(
      """
      CREATE TABLE gone (a); PRAGMA secure_delete=OFF;
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO gone SELECT 'deleted ' || i FROM n;
      CREATE TABLE t (a); INSERT INTO t VALUES ('kept'); DROP TABLE gone;
      """, "SELECT name FROM sqlite_schema; SELECT * FROM t;")
    #expect(outcome.orphanRowCount == 0)
  }

  /// Two tables with the same columns lose their roots: nobody can say whose the leaves are.
  @Test func guessesNothingWhenTwoTablesFit() async throws {
    let rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"
    _ = try SQLCipherShell.lines(
      bench.source, key: TestKeys.firstHex,
      """
      CREATE TABLE dev (id INTEGER PRIMARY KEY, x TEXT); CREATE TABLE prod (id INTEGER PRIMARY KEY, x TEXT); CREATE TABLE other (a, b, c);
      \(rows) INSERT INTO dev SELECT i, 'dev ' || i FROM n; \(rows) INSERT INTO prod SELECT i, 'prod ' || i FROM n;
      """)
    for root in [2, 3] { try Bytes.flip(bench.source, byte: (root - 1) * 4096 + 9) }
    let outcome = try await bench.recover()
    #expect(outcome.orphanRowCount == 2000 && outcome.tables.allSatisfy { $0.recoveredRowCount == 0 })
    #expect(
      try SQLCipherShell.lines(
        bench.target, key: TestKeys.secondHex,
        "SELECT count(DISTINCT c1) FROM lost_and_found WHERE rootpgno > 0 AND c0 IS NULL;")
        == ["2000"])
  }

  @Test func keepsATableThatIsCalledLostAndFound() async throws {
    _ = try SQLCipherShell.lines(
      bench.source, key: TestKeys.firstHex,
      """
      CREATE TABLE lost_and_found (a); INSERT INTO lost_and_found VALUES ('umbrella'); CREATE TABLE dev (x); CREATE TABLE prod (x);
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO dev SELECT 'row ' || i FROM n;
      INSERT INTO prod SELECT x FROM dev;
      """)
    for root in [3, 4] { try Bytes.flip(bench.source, byte: (root - 1) * 4096 + 9) }
    let outcome = try await bench.recover()
    #expect(outcome.orphanRowCount == 4000)
    #expect(
      try SQLCipherShell.lines(
        bench.target, key: TestKeys.secondHex, "SELECT * FROM lost_and_found; SELECT count(*) FROM lost_and_found_0;")
        == ["umbrella", "4000"])
  }

  @Test(arguments: ["UTF-8", "UTF-16le", "UTF-16be"])
  func tellsTheEncodingWithoutAHeader(encoding: String) async throws {
    _ = try SQLCipherShell.lines(
      bench.source, key: TestKeys.firstHex, settings: "PRAGMA encoding='\(encoding)';",
      "CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('peregrina'), ('año santo');")
    try Bytes.flip(bench.source, byte: 300)
    let outcome = try await bench.recover()
    #expect(outcome.schemaLost && outcome.orphanRowCount == 2)
    #expect(
      try SQLCipherShell.lines(bench.target, key: TestKeys.secondHex, "SELECT c0 FROM lost_and_found;") == [
        "peregrina", "año santo",
      ])
  }
}
