#if DEBUG
  @testable import Migrations
  import Mutation
  import TestSupport
  @testable import WorkingCopy

  extension Subject {
    /// SQL as texts: scripts of migrations, and definitions of tables.
    static let migrations: [Subject] = [
      Subject("sql-script", sqlText) {
        Examination(
          Corpus.texts(
            "CREATE TABLE t (a, b); -- it's; \"open\nINSERT INTO t VALUES ('it''s; --', x'00');",
            "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT ';'; DELETE FROM b; END; SELECT 1",
            "create temporary trigger [x;] BEGIN UPDATE a SET b = CASE c WHEN 1 THEN 2 END; /* END; */ end;",
            "DROP TABLE a; ALTER TABLE b RENAME TO a; PRAGMA foreign_keys=OFF; EXPLAIN QUERY PLAN SELECT '\(Rule.canary)'",
            "-- ---\n-- foreign-keys: off\n-- description: \(Rule.canary)\n-- ---\nDELETE FROM a;",
            "-- ---\n-- remote-transactions: each-statement\n--\n-- ---\nWITH x AS (SELECT 1) DELETE FROM y"),
          examineScript)
      },
      Subject("column-definitions", sqlText) {
        Examination(
          Corpus.texts(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, \"a,b\" TEXT DEFAULT ('x)'), [c d] REAL, CHECK (id > 0))",
            "CREATE TABLE `x`(`y``z` TEXT /* , */ COLLATE NOCASE, -- )\n '\(Rule.canary)' NUMERIC(10, 2)) STRICT")
        ) { input, _ in
          let definitions = ColumnDefinitions(of: input.text)
          var isFound = false
          for name in ["id", "a,b", "c d", "y`z", Rule.canary, ""] {
            guard let definition = definitions.definition(of: name) else { continue }
            isFound = true
            try Rule.require(input.text.contains(definition), "a definition that is not in the text")
          }
          return isFound ? .accepted : .refused
        }
      },
    ]

    private static let sqlText = Mutator(
      tokens: [
        ";", "'", "\"", "`", "[", "]", "--", "/*", "*/", "\n", "CREATE ", "TEMP ", "TRIGGER ", "BEGIN ", "END",
        "EXPLAIN ",
        "COMMIT;", "-- ---\n", "-- foreign-keys: on\n", "\u{0}", "\u{FEFF}", "\r\n", "(", ")", ",", "é", ".",
        "ROLLBACK TO x;",
      ], separators: ";\n (),")

    /// Each statement is one, and all of them, one after the other, are the same again.
    private static func examineScript(_ input: Input, _: inout SeededGenerator) throws -> Verdict {
      guard let script = try Rule.attempt(MigrationError.self, { try MigrationScript(input.text, source: "fuzz") })
      else {
        return .refused
      }
      let statements = script.statements
      _ = (script.isDestructive, script.turnsForeignKeysOff)
      try Rule.require(zip(statements, statements.dropFirst()).allSatisfy { $0.line <= $1.line }, "lines go back")
      try Rule.require(
        statements.map(\.number) == (0..<statements.count).map { $0 + 1 }, "numbers have gaps")
      // Of a carriage return before others, one goes with each reading.
      guard !statements.contains(where: { $0.sql.utf8.contains(0x0D) }) else { return .accepted }
      let joined = statements.map(\.sql).joined(separator: "\n;\n")
      let again = try Rule.attempt(MigrationError.self) { try MigrationScript(joined, source: "fuzz") }
      try Rule.require(again?.statements.map(\.sql) == statements.map(\.sql), "statements, joined again, are others")
      try Rule.require(
        again?.statements.map(\.effect) == statements.map(\.effect), "the same statements do something else")
      return .accepted
    }
  }
#endif
