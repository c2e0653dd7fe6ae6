import Foundation
import TestSupport
import Testing

/// `albergue-migration` is killed at each of its writes to the file in turn: no migration is ever half there.
@Suite("Killed runs of migrations", .serialized)
struct SlowKillTests {
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
          try work.expectWholeMigrations(cause)
        }
        try work.succeed("up")
        try work.expectWholeMigrations(cause)
        #expect(try work.versions() == SeaORMDatabase.versions, cause)
        occurrence += call == "pwrite64" ? Self.step : 1
      }
      #expect(occurrence > 1 || call == "fsync")
    }
  }

  /// Every write with `ALBERGUE_KILL_STEP=1`.
  private static let step = ProcessInfo.processInfo.environment["ALBERGUE_KILL_STEP"].flatMap { Int($0) } ?? 7
}
