import Foundation
import TestSupport
import Testing

/// Two programs at one file. A process is stopped by strace at a system call, so that every order really happens.
@Suite("Slow: two at one file")
struct SlowRaceTests {
  let work: Workspace
  let digest: String

  init() throws {
    try Tool.require("strace")
    work = try Workspace()
    try work.makeSample()
    digest = try #require(work.digest("hostel.db", key: TestKeys.firstHex))
  }

  private static let rekey = ["rekey", "hostel.db", "--key-file", "first.key", "--new-key-file", "second.key"]

  /// Calls of a rotation in their order: lock, journal, new file durable, in place.
  @Test(arguments: [("flock", 1), ("ftruncate", 1), ("fsync", 3), ("rename", 1)])
  func othersWaitForARotationOrGetARightAnswer(call: String, occurrence: Int) throws {
    let rotation = try RunningTool(
      Self.rekey, directory: work.folder.path, stoppingAt: call, occurrence: occurrence)
    _ = try rotation.waitUntilStopped()
    let second = try Tool.run(Self.rekey, directory: work.folder.path)
    #expect(second.status == 75, "\(call): \(second.status) \(second.errors)")
    for sql in ["SELECT count(*) FROM pilgrim", "DELETE FROM pilgrim"] {
      let query = try work.runWithFirstKey("query", "hostel.db", sql, "--format", "csv")
      query.expectFailure(75, saying: "hostel.db", hint: true)
    }
    let imported = try work.run(
      "import", "hostel.db", "copy.db", "--source-key-file", "first.key", "--key-file", "second.key")
    // An import, too, waits for the journal to go.
    let isRight = imported.status == 0 && work.digest("copy.db", key: TestKeys.secondHex) == digest
    #expect(isRight || imported.status == 75, "\(imported.errors)")
    let status = try work.runWithFirstKey("status", "hostel.db", "--json")
    #expect(status.status == 0 && status.output.contains("\"rotation\":\"running\""), "\(status.output)")
    rotation.send(SIGCONT)
    #expect(rotation.finish() == 0, "\(rotation.errors)")
    #expect(work.digest("hostel.db", key: TestKeys.secondHex) == digest)
    #expect(try work.leftovers() == [])
  }

  @Test func ofRotationsToTwoKeysOneWinsAndTheFileIsWhole() async throws {
    try work.write(TestKeys.thirdHex, to: "third.key")
    let work = work
    for _ in 1...25 {
      try work.copy("hostel.db", to: "x.db")
      let statuses = try await withThrowingTaskGroup(of: (String, Int32).self) { group in
        for key in ["second.key", "third.key"] {
          group.addTask { (key, try work.runWithFirstKey("rekey", "x.db", "--new-key-file", key).status) }
        }
        return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
      }
      // The loser finds the file locked, or under a key it does not have.
      #expect(statuses.values.count { $0 == 0 } == 1, "\(statuses)")
      #expect(statuses.values.allSatisfy { [0, 75, 77].contains($0) }, "\(statuses)")
      let hex = statuses["second.key"] == 0 ? TestKeys.secondHex : TestKeys.thirdHex
      #expect(work.digest("x.db", key: hex) == digest)
      #expect(try work.leftovers() == [])
    }
  }

  @Test func queriesDuringRotationsAreRightOrBusy() async throws {
    try work.write(
      """
      a 2026-01-01 active sqlcipher4 file:first.key
      b 2026-01-02 retiring sqlcipher4 file:second.key

      """, to: "ring")
    let work = work
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        for number in 1...12 {
          let target = number % 2 == 0 ? "a" : "b"
          let result = try work.run("rekey", "hostel.db", "--keyring", "ring", "--to-key-id", target)
          #expect([0, 75].contains(result.status), "\(result.errors)")
        }
      }
      for _ in 1...2 {
        group.addTask {
          for _ in 1...25 {
            let result = try work.run(
              "query", "hostel.db", "SELECT count(*), sum(id) FROM pilgrim", "--format", "csv", "--keyring", "ring")
            #expect(result.status == 75 || result.output == "count(*),sum(id)\n400,80200\n", "\(result.errors)")
          }
        }
      }
      try await group.waitForAll()
    }
    try work.run("verify", "hostel.db", "--keyring", "ring").expectSuccess()
    #expect(try work.leftovers() == [])
  }

  /// A program that is not ours and has the file open: idle, reading, writing, in WAL mode.
  @Test(arguments: [
    "SELECT count(*) FROM pilgrim;", "BEGIN; SELECT count(*) FROM pilgrim;", "BEGIN IMMEDIATE;", "BEGIN EXCLUSIVE;",
    "PRAGMA journal_mode=WAL; SELECT count(*) FROM pilgrim;",
    "PRAGMA journal_mode=WAL; BEGIN; DELETE FROM pilgrim WHERE id = 1;",
  ])
  func refusesWhileTheSQLCipherCommandLineHasTheFile(sql: String) throws {
    // The command line itself starts the rotation, so that it surely has the file open then.
    let rekey = "\(Tool.path) \(Self.rekey.joined(separator: " ")) > out 2> err; echo $? > status"
    let script = "PRAGMA key = \"x'\(TestKeys.firstHex)'\";\n\(sql)\n.shell \(rekey)\nROLLBACK;\n"
    for profile in [false, true] {
      let text = profile ? script.replacing("--new-key-file second.key", with: "--cipher sqlcipher4-sha256") : script
      _ = try Subprocess.run(
        "timeout", ["60", "sqlcipher", "-batch", "hostel.db"], input: text, directory: work.folder.path)
      let errors = String(decoding: try Bytes.read(work.file("err")), as: UTF8.self)
      #expect(try Bytes.read(work.file("status")) == Data("75\n".utf8), "\(sql): \(errors)")
      #expect(errors.contains("albergue-crypt: error: ") && errors.contains("albergue-crypt: hint: "))
      #expect(try Bytes.read(work.file("out")).isEmpty)
      #expect(work.digest("hostel.db", key: TestKeys.firstHex) == digest)
      #expect(try work.leftovers() == [])
    }
  }

  @Test func twoImportsToOneNameMakeOneFile() async throws {
    try work.runWithFirstKey("export", "hostel.db", "plain.db", "--plaintext", "--yes-write-plaintext").expectSuccess()
    let work = work
    for number in 1...6 {
      let statuses = try await withThrowingTaskGroup(of: Int32.self) { group in
        for _ in 1...3 { group.addTask { try work.runWithFirstKey("import", "plain.db", "d\(number).db").status } }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(statuses.sorted() == [0, 73, 73], "\(statuses)")
      #expect(work.digest("d\(number).db", key: TestKeys.firstHex) == digest)
    }
    #expect(try work.leftovers() == [])
  }
}
