import Foundation
import TestSupport
import Testing

/// `albergue-migration` is killed at each of its writes to the file in turn: no migration is ever half there.
@Suite("Killed runs of migrations", .serialized)
struct SlowKillTests {
  /// Tables and rows of each migration, which must be there all or not at all.
  private func expectWhole(_ work: Workshop, _ cause: Comment) throws {
    let schema = try work.schema()
    let versions =
      try work.lines("SELECT name FROM sqlite_schema WHERE name = 'seaql_migrations';").isEmpty
      ? [] : try work.versions()
    #expect(versions == Array(SeaORMDatabase.versions.prefix(versions.count)), cause)
    let tracker = versions.isEmpty && schema.isEmpty ? [] : [SeaORMDatabase.tracker]
    #expect(schema == tracker + SeaORMDatabase.definitions(min(9, versions.count)), cause)
    if !versions.isEmpty {
      let checksums = try work.lines("SELECT version FROM _albergue_migration_checksums ORDER BY 1;")
      #expect(checksums == versions, cause)
      let users = try work.lines("SELECT count(*) FROM users;")
      #expect(users == [versions.count == 10 ? "1" : "0"], cause)
    }
    #expect(try work.lines("PRAGMA integrity_check;") == ["ok"], cause)
  }

  /// - Parameter call: a system call that writes.
  /// - Returns: whether it came to that.
  private func kill(_ work: Workshop, _ command: String, at call: String, _ occurrence: Int) throws -> Bool {
    let result = try work.run(
      [command, "-u", Workshop.creatingURL],
      wrapper: [
        "strace", "-f", "-qq", "-o", work.folder.file("trace"), "-e", "trace=\(call)", "-e",
        "inject=\(call):signal=SIGKILL:when=\(occurrence)",
      ])
    return result.status != 0
  }

  @Test(arguments: ["up", "refresh", "fresh"]) func neverLeaveHalfAMigration(command: String) throws {
    let found = try Subprocess.run("sh", ["-c", "command -v strace"])
    try #require(found.status == 0, "strace is not installed; ./taskw deps:judges installs it")
    // Between commits there are a few dozen writes, so a step of some visits every migration.
    for call in ["pwrite64", "fdatasync", "fsync"] {
      var occurrence = 1
      while true {
        let work = try Workshop()
        if command != "up" { try work.succeed("up") }
        guard try kill(work, command, at: call, occurrence) else { break }
        let cause: Comment = "\(command), \(call) \(occurrence)"
        // Killed before the file got its name.
        if Bytes.exists(work.path) {
          try expectWhole(work, cause)
        }
        try work.succeed("up")
        try expectWhole(work, cause)
        #expect(try work.versions() == SeaORMDatabase.versions, cause)
        occurrence += call == "pwrite64" ? Self.step : 1
      }
      #expect(occurrence > 1 || call == "fsync")
    }
  }

  /// Every write with `ALBERGUE_KILL_STEP=1`.
  private static let step = ProcessInfo.processInfo.environment["ALBERGUE_KILL_STEP"].flatMap { Int($0) } ?? 7
}
