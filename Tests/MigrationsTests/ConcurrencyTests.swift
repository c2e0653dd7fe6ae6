import EncryptedStorage
import Foundation
import HostelMigrations
import Migrations
import TestSupport
import Testing

@Suite("Runners at the same time")
struct ConcurrencyTests {
  /// A migration that cannot be run twice without a trace.
  private func prepare() throws -> Workshop {
    let work = try Workshop()
    try work.write("m20260101_000000_start", up: "CREATE TABLE run (version TEXT);", down: "DROP TABLE run;")
    for number in 1...8 {
      try work.write(
        "m20270101_00000\(number)_step",
        up: "INSERT INTO run VALUES ('\(number)');\nCREATE TABLE t\(number) (x);\nINSERT INTO t\(number) VALUES (1);",
        down: "DELETE FROM run WHERE version = '\(number)';\nDROP TABLE t\(number);")
    }
    return work
  }

  private func start(_ work: Workshop, _ arguments: [String], _ index: Int) throws -> ChildProgram {
    let process = ChildProgram()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["timeout", "-s", "KILL", "600", Executables.path("albergue-migration")] + arguments
    process.environment = ProcessInfo.processInfo.environment.filter { ["PATH", "LD_LIBRARY_PATH"].contains($0.key) }
      .merging(work.variables.merging(["ALBERGUE_LOG": ""]) { $1 }) { $1 }
    process.currentDirectoryURL = URL(fileURLWithPath: work.folder.path)
    for name in ["out", "err"] { try Bytes.write(Data(), to: work.folder.file("\(name)-\(index)")) }
    process.setOutput(try FileHandle(forWritingTo: URL(fileURLWithPath: work.folder.file("out-\(index)"))))
    process.setErrors(try FileHandle(forWritingTo: URL(fileURLWithPath: work.folder.file("err-\(index)"))))
    try process.run()
    return process
  }

  private func output(_ work: Workshop, _ count: Int, _ name: String = "out") throws -> String {
    try (0..<count).map { String(decoding: try Bytes.read(work.folder.file("\(name)-\($0)")), as: UTF8.self) }.joined()
  }

  @Test func applyEachMigrationOnce() throws {
    let work = try prepare()
    try work.succeed("up", "-n", "1")
    let processes = try (0..<4).map { try start(work, ["up"], $0) }
    for process in processes {
      process.waitUntilExit()
      let errors = try output(work, 4, "err")
      #expect(process.terminationStatus == 0, "\(errors)")
    }
    #expect(try output(work, 4).matches(of: /has been applied/).count == 18)
    #expect(try work.lines("SELECT version FROM run ORDER BY 1;") == (1...8).map(String.init))
    #expect(try work.versions().count == 19)
    try work.expectSound()
  }

  @Test func makeOneFileAndApplyEachMigrationOnce() throws {
    let work = try prepare()
    let processes = try (0..<4).map { try start(work, ["up", "-u", Workshop.creatingURL], $0) }
    for process in processes {
      process.waitUntilExit()
      let errors = try output(work, 4, "err")
      #expect(process.terminationStatus == 0, "\(errors)")
    }
    #expect(try output(work, 4).matches(of: /has been applied/).count == 19)
    #expect(try work.lines("SELECT version FROM run ORDER BY 1;") == (1...8).map(String.init))
    try work.expectSound()
  }

  @Test func takeEachMigrationBackOnce() throws {
    let work = try prepare()
    try work.succeed("up")
    let processes = try (0..<3).map { try start(work, ["down", "-n", "8"], $0) }
    for process in processes {
      process.waitUntilExit()
      let errors = try output(work, 3, "err")
      #expect(process.terminationStatus == 0, "\(errors)")
    }
    // Each began with its own plan: between 8 and 19 are gone, each once.
    let gone = try output(work, 3).matches(of: /has been rolled back/).count
    #expect((8...19).contains(gone))
    #expect(try work.versions().count == 19 - gone)
    try work.expectSound()
  }

  /// What one builds on, the other drops: one of them stops, and says so.
  @Test func thatContradictEachOtherStop() throws {
    let work = try prepare()
    let lines = [["fresh"], ["fresh"], ["down", "-n", "30"], ["up"]]
    let processes = try lines.enumerated().map { try start(work, $0.element, $0.offset) }
    for process in processes {
      process.waitUntilExit()
      let errors = try output(work, lines.count, "err")
      #expect([0, 75].contains(process.terminationStatus), "\(errors)")
    }
    try work.expectSound()
    try work.succeed("up")
    #expect(try work.versions().count == 19)
    #expect(try work.lines("SELECT version FROM run ORDER BY 1;") == (1...8).map(String.init))
    try work.expectSound()
  }

  @Test func waitForAWriterOnlySoLong() async throws {
    let work = try prepare()
    try work.succeed("up", "-n", "2")
    let writer = try await Workshop.factory().open(work.path, .writer)
    try await writer.transaction(.immediate) { session in
      try session.execute("INSERT INTO run VALUES ('mine')")
      let busy = try work.run("up", "--wait-secs", "0")
      #expect(busy.status == 75, "\(busy.errors)")
    }
    await writer.close()
    #expect(try work.versions().count == 2)
    try work.succeed("up")
    #expect(try work.lines("SELECT count(*) FROM run;") == ["9"])
  }

  /// Another runner is faster between the plan and the transaction: seen in the transaction, and planned anew.
  @Test func seeInTheTransactionWhatOthersHaveDone() async throws {
    let work = try Workshop()
    let migrations = try (1...3).map {
      try Migration(version: "m\($0)", up: "CREATE TABLE t\($0) (x)", down: "DROP TABLE t\($0)")
    }
    let events = Locked<[MigrationEvent]>([])
    let applied = try await work.migrate(migrations) { event in
      events.withLock { $0.append(event) }
      // The program of another runner, in the middle of this one's plan.
      if event == .applyingMigration("m2") {
        try work.change(
          "CREATE TABLE IF NOT EXISTS t2 (x); INSERT OR IGNORE INTO seaql_migrations VALUES ('m2', 1700000000);")
      }
    } _: {
      try await $0.up()
    }
    #expect(applied == ["m1", "m3"])
    #expect(events.withLock { $0.contains(.doneElsewhere("m2")) })
    #expect(try work.versions() == ["m1", "m2", "m3"])
    try work.expectSound()
  }
}
