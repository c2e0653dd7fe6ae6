import EncryptedStorage
import Foundation
import TestSupport
import Testing
import WorkingCopy

@Suite("Pushing a working copy", .serialized)
struct PushTests {
  static let schema = [
    "CREATE TABLE bed (id INTEGER PRIMARY KEY AUTOINCREMENT, number INTEGER UNIQUE, name TEXT, note BLOB)",
    "INSERT INTO bed (number, name) VALUES (1, 'a'), (2, 'b'), (3, '\(Canary.text)'), (4, 'd')",
  ]

  @Test func sendsRowsThatWereInsertedChangedAndDeletedAsOneTransaction() async throws {
    let office = try await Office(Self.schema)
    try await office.pull()
    try office.change(
      """
      INSERT INTO bed (number, name, note) VALUES (5, 'e''\"', x'00ff'), (6, NULL, NULL);
      UPDATE bed SET name = 'changed' WHERE id = 1; DELETE FROM bed WHERE id = 2;
      """)
    try await office.run(["UPDATE bed SET name = 'theirs' WHERE id = 4"])
    let outcome = try await office.push()
    #expect(outcome.kind == .pushed)
    let counts = outcome.counts
    #expect((counts.inserted, counts.updated, counts.deleted) == (2, 1, 1))
    #expect(
      try await office.rows("SELECT id, number, name, note FROM bed ORDER BY id") == [
        "1|1|changed|NULL", "3|3|\(Canary.text)|NULL", "4|4|theirs|NULL", "5|5|e'\"|2 bytes", "6|6|NULL|NULL",
      ])
    #expect(try await office.rows("SELECT count(*) FROM _albergue_pushes") == ["1"])
    try await office.expectEqual()
    #expect(try await office.push().kind == .nothingToPush)
    try await office.expectEqual()
  }

  @Test func pullsWhenThereIsNothingToPush() async throws {
    let office = try await Office(Self.schema)
    try await office.pull()
    try await office.run(["UPDATE bed SET name = 'theirs' WHERE id = 4"])
    #expect(try await office.push().kind == .nothingToPush)
    try await office.expectEqual()
  }

  @Test func sendsNothingThatTheRemoteHasDoneToo() async throws {
    let office = try await Office(Self.schema)
    try await office.pull()
    let changes = [
      "UPDATE bed SET name = 'same' WHERE id = 1", "DELETE FROM bed WHERE id = 2",
      "INSERT INTO bed VALUES (9, 9, 'nine', NULL)", "CREATE TABLE extra (id INTEGER PRIMARY KEY, t TEXT)",
      "INSERT INTO extra VALUES (1, 'x')",
    ]
    try office.change(changes.joined(separator: ";\n") + ";")
    try await office.run(changes)
    #expect(try await office.push().kind == .nothingToPush)
    try await office.expectEqual()
  }

  @Test func movesUniqueValuesBetweenRows() async throws {
    let office = try await Office(Self.schema)
    try await office.pull()
    try office.change(
      """
      UPDATE bed SET number = -number; UPDATE bed SET number = CASE number WHEN -1 THEN 2 WHEN -2 THEN 3 WHEN -3 THEN 1
      ELSE 4 END;
      """)
    #expect(try await office.push().kind == .pushed)
    #expect(try await office.rows("SELECT number FROM bed ORDER BY id") == ["2", "3", "1", "4"])
    try await office.expectEqual()
  }

  @Test func listsConflictsAndSendsNothing() async throws {
    let office = try await Office(Self.schema)
    try await office.pull()
    try office.change(
      """
      UPDATE bed SET name = 'mine' WHERE id = 1; DELETE FROM bed WHERE id = 2; UPDATE bed SET name = 'mine' WHERE id = 3;
      INSERT INTO bed VALUES (7, 7, 'mine', NULL); INSERT INTO bed VALUES (8, 8, 'mine too', NULL);
      """)
    try await office.run([
      "UPDATE bed SET name = 'theirs' WHERE id = 1", "UPDATE bed SET name = 'theirs' WHERE id = 2",
      "DELETE FROM bed WHERE id = 3", "INSERT INTO bed VALUES (7, 70, 'theirs', NULL)",
    ])
    let (before, here) = (try await office.remoteDump(), try await office.dump())
    let outcome = try await office.push()
    #expect(outcome.kind == .conflicts)
    #expect(
      outcome.conflicts.map(\.description) == [
        "bed (1): changed-on-both-sides", "bed (2): deleted-here", "bed (3): deleted-there",
        "bed (7): inserted-on-both-sides",
      ])
    #expect(outcome.conflictCount == 4)
    #expect(try await office.remoteDump() == before)
    #expect(try await office.dump() == here)
    #expect(try await office.rows("SELECT count(*) FROM sqlite_schema WHERE name = '_albergue_pushes'") == ["0"])
    try office.expectNoPlaintext()
  }

  @Test(arguments: [Preference.ours, .theirs])
  func givesRowsThatChangedOnBothSidesToTheSideThatWasAskedFor(_ preference: Preference) async throws {
    let office = try await Office(Self.schema)
    try await office.pull()
    try office.change(
      """
      UPDATE bed SET name = 'mine' WHERE id = 1; DELETE FROM bed WHERE id = 2; UPDATE bed SET name = 'mine' WHERE id = 3;
      INSERT INTO bed VALUES (7, 7, 'mine', NULL); INSERT INTO bed VALUES (8, 8, 'mine too', NULL);
      """)
    try await office.run([
      "UPDATE bed SET name = 'theirs' WHERE id = 1", "UPDATE bed SET name = 'theirs' WHERE id = 2",
      "DELETE FROM bed WHERE id = 3", "INSERT INTO bed VALUES (7, 70, 'theirs', NULL)",
    ])
    let outcome = try await office.push(preference)
    #expect(outcome.kind == .pushed)
    #expect(outcome.counts.resolved == 4)
    let ours = ["1|1|mine", "3|3|mine", "4|4|d", "7|7|mine", "8|8|mine too"]
    let theirs = ["1|1|theirs", "2|2|theirs", "4|4|d", "7|70|theirs", "8|8|mine too"]
    #expect(
      try await office.rows("SELECT id, number, name FROM bed ORDER BY id") == (preference == .ours ? ours : theirs))
    try await office.expectEqual()
  }

  @Test func findsClashesWithConstraintsBeforeAnythingIsSent() async throws {
    let office = try await Office(
      Self.schema + [
        "CREATE TABLE guest (id INTEGER PRIMARY KEY, bed INTEGER REFERENCES bed (id) ON DELETE CASCADE, "
          + "age INTEGER CHECK (age > 0))",
        "INSERT INTO guest VALUES (1, 1, 30)",
      ])
    try await office.pull()
    try office.change(
      """
      INSERT INTO bed VALUES (20, 50, 'mine', NULL); INSERT INTO guest VALUES (2, 3, 40); DELETE FROM bed WHERE id = 4;
      """)
    try await office.run([
      "INSERT INTO bed VALUES (30, 50, 'theirs', NULL)", "DELETE FROM bed WHERE id = 3",
      "INSERT INTO guest VALUES (9, 4, 50)",
    ])
    let before = try await office.remoteDump()
    let unique = try await office.push()
    #expect(unique.conflicts.map(\.description) == ["bed (20): constraint"])
    try office.change("UPDATE bed SET number = 51 WHERE id = 20;")
    let foreign = try await office.push()
    #expect(
      Set(foreign.conflicts.map(\.description)) == ["guest (2): foreign-key", "guest (9): foreign-key"])
    #expect(try await office.push(.ours).kind == .conflicts)
    #expect(try await office.remoteDump() == before)
    try office.expectNoPlaintext()
  }

  @Test func plansAnewWhenTheRemoteChangesWhileItIsPushedTo() async throws {
    let office = try await Office(Self.schema)
    try await office.pull()
    try office.change("UPDATE bed SET name = 'mine' WHERE id = 1;")
    let pullCount = Locked(0)
    let copy = try office.copy(afterPull: {
      let number = pullCount.withLock {
        $0 += 1
        return $0
      }
      // After the image that the plan is made for, and before the transaction.
      if number == 1 { try await office.run(["UPDATE bed SET name = 'theirs' WHERE id = 2"]) }
    })
    #expect(try await copy.push().kind == .pushed)
    #expect(try await office.rows("SELECT name FROM bed WHERE id < 3 ORDER BY id") == ["mine", "theirs"])
    try await office.expectEqual()
  }

  @Test func listsAConflictThatArisesWhileItIsPushed() async throws {
    let office = try await Office(Self.schema)
    try await office.pull()
    try office.change("UPDATE bed SET name = 'mine' WHERE id = 1;")
    let pullCount = Locked(0)
    let copy = try office.copy(afterPull: {
      let number = pullCount.withLock {
        $0 += 1
        return $0
      }
      if number == 1 { try await office.run(["UPDATE bed SET name = 'theirs' WHERE id = 1"]) }
    })
    #expect(try await copy.push().conflicts.map(\.description) == ["bed (1): changed-on-both-sides"])
    #expect(try await office.rows("SELECT name FROM bed WHERE id = 1") == ["theirs"])
  }

  @Test func givesUpOnARemoteThatNeverRests() async throws {
    let office = try await Office(Self.schema)
    try await office.pull()
    try office.change("UPDATE bed SET name = 'mine' WHERE id = 1;")
    let pullCount = Locked(0)
    let copy = try office.copy(afterPull: {
      let number = pullCount.withLock {
        $0 += 1
        return $0
      }
      // Every image is old when it has come; the pulls between are made in the transaction.
      if number % 2 == 1 { try await office.run(["UPDATE bed SET name = 'theirs \(number)' WHERE id = 2"]) }
    })
    #expect(await code { try await copy.push() } == .restless)
    #expect(try await office.rows("SELECT name FROM bed WHERE id = 1") == ["a"])
    try office.expectNoPlaintext()
  }

  @Test func sendsManyRowsAndLargeBlobsInRequestsWithinTheLimits() async throws {
    let office = try await Office(Self.schema, transactionSeconds: 60)
    try await office.pull()
    try office.change(
      """
      INSERT INTO bed (number, name, note) WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
      SELECT i, 'bed ' || i, randomblob(i % 300) FROM n;
      INSERT INTO bed (number, note) VALUES (5000, randomblob(5000000)), (5001, zeroblob(0));
      """)
    #expect(try await office.push().kind == .pushed)
    try await office.expectEqual()
    try office.change(
      "UPDATE bed SET name = 'x' WHERE number >= 5000; DELETE FROM bed WHERE number BETWEEN 100 AND 2000;")
    #expect(try await office.push().kind == .pushed)
    try await office.expectEqual()
  }

  @Test func refusesARowThatNoRequestCanCarry() async throws {
    let office = try await Office(Self.schema)
    try await office.pull()
    try office.change("INSERT INTO bed (number, note) VALUES (5000, randomblob(200000));")
    var limits = WorkingCopy.Limits()
    limits.statementByteCount = 100_000
    let copy = try office.copy(limits: limits)
    let before = try await office.remoteDump()
    #expect(await code { try await copy.push() } == .unsupported)
    #expect(try await office.remoteDump() == before)
    try office.expectNoPlaintext()
  }

  @Test func saysThatAPushTookTooLongForTheRemote() async throws {
    let office = try await Office(Self.schema, transactionSeconds: 4)
    try await office.pull()
    try office.change("UPDATE bed SET name = 'mine' WHERE id = 1;")
    let pullCount = Locked(0)
    let copy = try office.copy(afterPull: {
      let number = pullCount.withLock {
        $0 += 1
        return $0
      }
      // The second pull is made in the transaction: another writer gets its turn when the server has ended that.
      if number == 2 { try await office.run(["UPDATE bed SET name = 'theirs' WHERE id = 2"]) }
    })
    #expect(await code { try await copy.push() } == .refused)
    #expect(try await office.rows("SELECT name FROM bed WHERE id < 3 ORDER BY id") == ["a", "theirs"])
    #expect(try await office.push().kind == .pushed)
    try await office.expectEqual()
  }
}
