import CSQLCipher
import Migrations
import TestSupport
import Testing

/// The splitter against SQLite itself, on random texts of everything that makes splitting hard.
@Suite("Splitter and sqlite3_complete")
struct SplitterPropertyTests {
  private static let pieces = [
    ";", ";", ";", ";", "'", "\"", "`", "[", "]", "--", "/*", "*/", "\n", " ", "\t", "\u{0B}", "CREATE", "create",
    "TEMP",
    "temporary", "TRIGGER", "Trigger", "BEGIN", "END", "end", "ENDE", "EXPLAIN", "QUERY", "PLAN", "SELECT", "x", "é",
    "1",
    "-", "/", "*", "$", "_", "UPDATE", "CASE", "''", "\"\"", "ñ;", "TABLE", ",", "(", ")",
  ]

  private func random(_ generator: inout SeededGenerator) -> String {
    let count = Int.random(in: 1...24, using: &generator)
    return (0..<count).map { _ in
      let piece = Self.pieces.randomElement(using: &generator) ?? ""
      return piece + (Bool.random(using: &generator) ? " " : "")
    }.joined()
  }

  /// Nil for a text that the splitter refuses.
  private func split(_ text: String) -> [MigrationScript.Statement]? {
    do { return try MigrationScript(text, source: "random").statements } catch { return nil }
  }

  @Test func agreeOnWhereEveryStatementEnds() {
    var generator = SeededGenerator(seed: 20_260_111)
    var statementCount = 0
    for round in 1...60_000 {
      let text = random(&generator)
      guard let statements = split(text) else { continue }
      let isComplete = sqlite3_complete(text + "\n;") != 0
      statementCount += statements.count
      for statement in statements.dropLast() {
        // Each is complete with its semicolon, and with no semicolon before that.
        #expect(sqlite3_complete(statement.sql + ";") != 0, "round \(round): \(text)")
        expectUnfinished(statement.sql, round)
      }
      guard let last = statements.last else { continue }
      expectUnfinished(last.sql, round)
      // The last one may be in the middle of a trigger; else a semicolon ends it, in both views.
      let (again, withEnd) = (split(last.sql + "\n; SELECT 1"), split(text + "\n; SELECT 1"))
      #expect((again?.count == 2) == (sqlite3_complete(last.sql + "\n;") != 0), "round \(round): \(text)")
      #expect((withEnd?.count == statements.count + 1) == isComplete, "round \(round): \(text)")
    }
    #expect(statementCount > 20_000)
  }

  /// No prefix that ends with a semicolon is a complete statement.
  private func expectUnfinished(_ sql: String, _ round: Int) {
    for index in sql.indices where sql[index] == ";" {
      #expect(sqlite3_complete(String(sql[...index])) == 0, "round \(round): \(sql)")
    }
  }

  private static let statements = [
    "SELECT ';' AS \"a;b\"", "INSERT INTO t VALUES ('it''s; --', x'00')", "SELECT 1 /* ; ' */ + -- ; \" \n 2",
    "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT ';'; DELETE FROM b; END",
    "create temporary trigger [x;] BEGIN UPDATE a SET b = CASE c WHEN 1 THEN 2 END; /* END; */ end",
    "CREATE TABLE é (`;` INTEGER)", "EXPLAIN QUERY PLAN SELECT 1", "SELECT 'TRIGGER'", "x",
  ]
  private static let betweens = [" ", "\n", "\t", "-- it's; \"open\n", "/* it's; [ */", "/**/", ";", "\r\n", "--\n"]

  /// Whatever stands between statements, none is lost, joined or cut.
  @Test func findTheStatementsThatTheTextWasMadeOf() {
    var generator = SeededGenerator(seed: 7)
    for round in 1...10_000 {
      var expected: [String] = []
      var text = ""
      func addBetween() {
        for _ in 0..<Int.random(in: 0...4, using: &generator) {
          text += Self.betweens.randomElement(using: &generator) ?? ""
        }
      }
      for _ in 0..<Int.random(in: 0...6, using: &generator) {
        addBetween()
        expected.append(Self.statements.randomElement(using: &generator) ?? "")
        text += (expected.last ?? "") + (Bool.random(using: &generator) ? ";" : "\n;")
      }
      addBetween()
      #expect(split(text)?.map(\.sql) == expected, "round \(round): \(text)")
    }
  }
}
