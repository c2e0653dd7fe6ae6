import Foundation
import TestSupport
import Testing

@Suite("Interrupted runs of migrations")
struct InterruptionTests {
  /// SIGTERM in the middle of a statement that would take for ever.
  @Test func endWith130AndKeepWhatWasDone() throws {
    let work = try Workshop()
    try work.write(
      "m20270101_000001_endless",
      up: """
        CREATE TABLE a (x);
        INSERT INTO a VALUES (1);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n;
        """)
    let process = ChildProgram()
    process.executableURL = URL(fileURLWithPath: Executables.path("albergue-migration"))
    process.arguments = ["up"]
    process.environment = ProcessInfo.processInfo.environment.filter { ["PATH", "LD_LIBRARY_PATH"].contains($0.key) }
      .merging(work.variables) { $1 }
    process.currentDirectoryURL = URL(fileURLWithPath: work.folder.path)
    let output = Pipe()
    process.setOutput(output)
    process.setErrors(FileHandle.nullDevice)
    try process.run()
    var text = Data()
    while text.range(of: Data("Applying migration 'm20270101_000001_endless'".utf8)) == nil {
      let more = output.fileHandleForReading.availableData
      try #require(!more.isEmpty, "\(String(decoding: text, as: UTF8.self))")
      text += more
    }
    process.terminate()
    process.waitUntilExit()
    #expect(process.terminationReason == .exit)
    #expect(process.terminationStatus == 130)
    #expect(try work.versions() == SeaORMDatabase.versions)
    #expect(try work.lines("SELECT count(*) FROM sqlite_schema WHERE name = 'a';") == ["0"])
    try work.expectSound()
  }
}
