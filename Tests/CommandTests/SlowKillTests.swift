import Foundation
import TestSupport
import Testing

/// kill -9 at moments that nobody chose: after a random part of the new file was written, and a random while later.
@Suite("Slow: killed at random")
struct SlowKillTests {
  /// One seed for each run of the tests, printed with every failure; set ALBERGUE_TEST_SEED to repeat one.
  static let seed: UInt64 =
    ProcessInfo.processInfo.environment["ALBERGUE_TEST_SEED"].flatMap { UInt64($0) } ?? .random(in: 0...999_999)

  private static let rows = """
    CREATE TABLE pilgrim (id INTEGER PRIMARY KEY, name TEXT NOT NULL, note BLOB);
    CREATE INDEX pilgrim_name ON pilgrim (name);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
      INSERT INTO pilgrim SELECT i, 'peregrino ' || i, randomblob(100 + (i * 37) % 3000) FROM n;
    """

  @Test(arguments: ["rekey", "profile", "import"]) func leavesTheOldOrTheNewFileAndNothingElse(kind: String) throws {
    var generator = SeededGenerator(seed: Self.seed &+ UInt64(kind.count))
    let work = try Workspace()
    try work.makeSample("first.db", sql: Self.rows)
    try work.runWithFirstKey("export", "first.db", "plain.db", "--plaintext", "--yes-write-plaintext").expectSuccess()
    let digest = try #require(work.digest("first.db", key: TestKeys.firstHex))
    let command =
      switch kind {
      case "rekey": ["rekey", "x.db", "--new-key-file", "second.key", "--key-file", "first.key"]
      case "profile": ["rekey", "x.db", "--cipher", "sqlcipher4-sha256", "--key-file", "first.key"]
      default: ["import", "plain.db", "x.db", "--key-file", "first.key"]
      }
    var killed = 0
    for number in 1...24 {
      for name in try work.names(beginningWith: "x.db") { try FileManager.default.removeItem(atPath: work.file(name)) }
      if kind != "import" { try work.copy("first.db", to: "x.db") }
      // The file is written for a part of the run only: then the number of looks at it decides.
      let part = Double.random(in: 0...1.2, using: &generator)
      let looks = Int.random(in: 0...(part > 1 ? 400 : 20), using: &generator)
      let status = try run(command, work, part: part, looks: looks)
      let cause = "seed \(Self.seed), \(kind) \(number), killed after \(Int(part * 100)) % and \(looks) looks"
      if status == 137 { killed += 1 } else { #expect(status == 0, "\(cause)") }
      let judge = CrashJudge(work: work, cause: cause)
      switch kind {
      case "rekey" where number.isMultiple(of: 2): try judge.judgeOpen("x.db", digest: digest)
      case "rekey": try judge.judgeRekey("x.db", digest: digest)
      case "profile": try judge.judgeRekey("x.db", digest: digest, newSettings: sha256Settings)
      default: try judge.judgeCopy("import", "plain.db", sourceKey: nil, "x.db", digest: digest)
      }
    }
    #expect(killed >= 8, "seed \(Self.seed): too few runs were killed before their end")
  }

  /// Runs until `part` of the new file is on the disk, looks `looks` times more, and kills.
  private func run(_ command: [String], _ work: Workspace, part: Double, looks: Int) throws -> Int32 {
    let size = Bytes.size(work.file("first.db"))
    let tool = try RunningTool(command, directory: work.folder.path)
    var left = looks
    _ = tool.wait {
      guard let name = try? work.names(beginningWith: "x.db.").first(where: { $0.hasSuffix(".albergue-tmp") }) else {
        // Before the file is there, or after it was put in place.
        guard left < looks || part == 0 else { return false }
        left -= 1
        return left < 0
      }
      var status = stat()
      guard stat(work.file(name), &status) == 0 else { return false }
      guard Double(status.st_blocks * 512) >= min(part, 0.98) * Double(size) else { return false }
      left -= 1
      return left < 0
    }
    tool.send(SIGKILL)
    return tool.finish()
  }
}
