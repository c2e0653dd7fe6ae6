import EncryptedStorage
import Foundation
import TestSupport
import Testing
import WorkingCopy

/// Seeded random changes on both sides, to different rows: what comes out is what plain SQLite makes of both.
///
/// One after the other: each case has a server of its own, and servers limit the time of a transaction.
@Suite("Random pushes", .serialized)
struct RandomPushTests {
  static let schema = [
    "CREATE TABLE item (id INTEGER PRIMARY KEY AUTOINCREMENT, code TEXT UNIQUE, n INTEGER, data BLOB)",
    "CREATE TABLE tag (k TEXT PRIMARY KEY, v REAL) WITHOUT ROWID",
    "CREATE TABLE pair (a INTEGER, b TEXT, c, PRIMARY KEY (a, b))", "CREATE TABLE log (line TEXT, n INTEGER)",
    "CREATE TABLE child (id INTEGER PRIMARY KEY, item INTEGER REFERENCES item (id), twice AS (item * 2))",
    "CREATE TABLE audit (item INTEGER, what TEXT)",
    "CREATE TRIGGER item_changed AFTER UPDATE ON item BEGIN INSERT INTO audit VALUES (new.id, new.code); END",
    "CREATE TRIGGER item_gone AFTER DELETE ON item BEGIN INSERT INTO audit VALUES (old.id, 'gone'); END",
    "CREATE INDEX child_item ON child (item)",
  ]

  /// Makes statements that touch only rows of one side: even ids are the working copy's, odd ones the remote's.
  struct Changes {
    let side: Int
    var generator: SeededGenerator
    /// The highest id of this side that was given out.
    var top: Int

    private var letter: String { side == 0 ? "L" : "R" }

    private mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }
    private mutating func id() -> Int { number(0...(top / 2)) * 2 + side }
    private mutating func newID() -> Int {
      top += 2 * number(1...3)
      return top / 2 * 2 + side
    }

    private mutating func literal() -> String {
      switch number(0...6) {
      case 0: "NULL"
      case 1: "\(number(-9_000_000...9_000_000))"
      case 2: "\(Double(number(-9_000_000...9_000_000)) / 64)"
      case 3: "x'" + (0..<number(0...40)).map { _ in String(number(256...511), radix: 16).dropFirst() }.joined() + "'"
      case 4: "'it''s ñ \(number(0...99)) \u{1F6CF}'"
      case 5: "''"
      default: "'\(number(0...999))'"
      }
    }

    mutating func statement() -> [String] {
      let id = id()
      switch number(0...13) {
      case 0, 1, 2:
        let new = newID()
        return ["INSERT INTO item VALUES (\(new), '\(letter)\(new)', \(number(0...99)), \(literal()))"]
      case 3:
        return [
          "UPDATE item SET n = n + 1, data = \(literal()) WHERE id % 2 = \(side) AND id BETWEEN \(id) AND \(id + 8)"
        ]
      case 4:
        // Two rows swap what must be unique.
        let other = self.id()
        guard other != id else { return [] }
        return [
          "UPDATE OR IGNORE item SET code = code || '-' WHERE id = \(id)",
          "UPDATE OR IGNORE item SET code = (SELECT rtrim(code, '-') FROM item WHERE id = \(id)) || '+' WHERE id = \(other)",
        ]
      case 5:
        return ["DELETE FROM child WHERE item = \(id)", "DELETE FROM item WHERE id = \(id)"]
      case 6:
        return ["INSERT OR IGNORE INTO child (id, item) SELECT \(newID()), id FROM item WHERE id = \(id)"]
      case 7: return ["INSERT OR REPLACE INTO tag VALUES ('\(letter)\(number(0...30))', \(number(0...500)) / 8.0)"]
      case 8: return ["DELETE FROM tag WHERE k = '\(letter)\(number(0...30))'"]
      case 9:
        return ["INSERT OR REPLACE INTO pair VALUES (\(number(0...4)), '\(letter)\(number(0...9))', \(literal()))"]
      case 10:
        return [
          "UPDATE OR IGNORE pair SET a = a + 100, c = \(literal()) WHERE b = '\(letter)\(number(0...9))' AND a < 100"
        ]
      case 11: return ["INSERT INTO log VALUES ('\(letter)\(number(0...5))', \(number(0...3)))"]
      case 12: return ["DELETE FROM log WHERE line = '\(letter)\(number(0...5))' AND n = \(number(0...3))"]
      default: return ["UPDATE log SET n = n + 1 WHERE line = '\(letter)\(number(0...5))'"]
      }
    }

    mutating func statements(_ count: Int) -> [String] { (0..<count).flatMap { _ in statement() } }
  }

  @Test(arguments: seeds)
  func isWhatPlainSQLiteMakesOfBothSides(_ seed: UInt64) async throws {
    var here = Changes(side: 0, generator: SeededGenerator(seed: seed), top: 40)
    var there = Changes(side: 1, generator: SeededGenerator(seed: seed &+ 1 << 32), top: 40)
    var done = Self.schema
    for id in 1...40 { done.append("INSERT INTO item VALUES (\(id), '\(id % 2 == 0 ? "L" : "R")\(id)', \(id), NULL)") }
    done += here.statements(20) + there.statements(20)
    let office = try await Office(done)
    try await office.pull()
    for round in 1...3 {
      let local = here.statements(30)
      let remote = there.statements(30)
      try office.change("BEGIN;\n" + local.map { $0 + ";\n" }.joined() + "COMMIT;")
      try await office.run(remote)
      done += remote + local
      let outcome = try await office.push()
      #expect(outcome.conflicts.isEmpty, "seed \(seed), round \(round): \(outcome.conflicts)")
      let expected = try Self.oracle(done)
      #expect(try await office.dump() == expected, "seed \(seed), round \(round)")
      #expect(try await office.remoteDump() == expected, "seed \(seed), round \(round)")
      try office.expectNoPlaintext()
    }
  }

  /// Both sides change the same rows, at random.
  @Test(arguments: seeds)
  func changesNothingOrEverything(_ seed: UInt64) async throws {
    var done = Self.schema
    for id in 1...10 { done.append("INSERT INTO item VALUES (\(id * 2), 'L\(id * 2)', \(id), NULL)") }
    var common = Changes(side: 0, generator: SeededGenerator(seed: seed), top: 20)
    done += common.statements(10)
    let office = try await Office(done)
    try await office.pull()
    var here = Changes(side: 0, generator: SeededGenerator(seed: seed &+ 1), top: common.top)
    var there = Changes(side: 0, generator: SeededGenerator(seed: seed &+ 2), top: common.top)
    for round in 1...4 {
      try office.change("BEGIN;\n" + here.statements(4).map { $0 + ";\n" }.joined() + "COMMIT;")
      try await office.run(there.statements(4))
      let (before, mine) = (try await office.remoteDump(), try await office.dump())
      let preference: Preference? = [nil, .ours, .theirs, nil][round - 1]
      let outcome = try await office.push(preference)
      if outcome.kind == .conflicts {
        #expect(outcome.conflictCount > 0)
        #expect(try await office.remoteDump() == before, "seed \(seed), round \(round)")
        #expect(try await office.dump() == mine, "seed \(seed), round \(round)")
        _ = try await office.copy().pull(droppingChanges: true)
      }
      try await office.expectEqual("seed \(seed), round \(round)")
      // Ids that both sides gave out to different rows are a conflict already.
      here.top = max(here.top, there.top)
      there.top = here.top
    }
  }

  /// `ALBERGUE_PUSH_SEEDS` seeds, 6 without it.
  static let seeds: [UInt64] =
    (1...(ProcessInfo.processInfo.environment["ALBERGUE_PUSH_SEEDS"].flatMap { UInt64($0) } ?? 6))
    .map { $0 * 7919 }

  private static func oracle(_ statements: [String]) throws -> [String] {
    let task = try JSONSerialization.data(withJSONObject: [
      "statements": statements, "schema": Office.schemaSQL, "tables": Office.tablesSQL,
    ])
    let result = try Subprocess.run(
      "python3", [Judges.root + "/Tests/WorkingCopyTests/Servers/oracle.py"],
      input: String(decoding: task, as: UTF8.self))
    try #require(result.status == 0, "\(result.errors)")
    return try JSONDecoder().decode([String].self, from: Data(result.output.utf8))
  }
}
