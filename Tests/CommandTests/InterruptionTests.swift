import Foundation
import TestSupport
import Testing

/// Ctrl-C and SIGTERM: the command undoes what it was doing and ends with 130.
@Suite("Interruption")
struct InterruptionTests {
  let work: Workspace
  let digest: String

  init() throws {
    work = try Workspace()
    try work.makeSample(
      sql: """
        CREATE TABLE pilgrim (id INTEGER PRIMARY KEY, name TEXT NOT NULL, note BLOB);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
          INSERT INTO pilgrim SELECT i, 'peregrino ' || i, randomblob(4000) FROM n;
        """)
    try work.runWithFirstKey("export", "hostel.db", "plain.db", "--plaintext", "--yes-write-plaintext").expectSuccess()
    digest = try #require(work.digest("hostel.db", key: TestKeys.firstHex))
  }

  /// The signal is sent when the new file has grown to a fourth: early enough for any machine.
  @Test(
    arguments: [
      ["rekey", "hostel.db", "--new-key-file", "second.key"], ["rekey", "hostel.db", "--cipher", "sqlcipher4-sha256"],
      ["import", "plain.db", "new.db"], ["export", "hostel.db", "new.db", "--plaintext", "--yes-write-plaintext"],
    ], [SIGINT, SIGTERM])
  func undoesWhatWasBegun(command: [String], signal: Int32) throws {
    let names = try work.names()
    let tool = try RunningTool(command + ["--key-file", "first.key"], directory: work.folder.path)
    let wasCaught = tool.wait {
      guard let name = try? work.names().first(where: { $0.hasSuffix(".albergue-tmp") }) else { return false }
      var status = stat()
      return stat(work.file(name), &status) == 0 && status.st_blocks * 512 > 3_000_000
    }
    tool.send(signal)
    let status = tool.finish()
    #expect(wasCaught, "ended before the signal")
    #expect(status == 130, "\(status) \(tool.errors)")
    #expect(tool.errors.contains("albergue-crypt: error: "), "\(tool.errors)")
    #expect(tool.output == "")
    #expect(try work.names() == names)
    #expect(work.digest("hostel.db", key: TestKeys.firstHex) == digest)
    let again = try Tool.run(command + ["--key-file", "first.key"], directory: work.folder.path)
    #expect(again.status == 0, "\(again.errors)")
  }

  @Test(arguments: [SIGINT, SIGTERM]) func interruptsAQueryThatWouldNotEnd(signal: Int32) throws {
    let endless = "SELECT count(*) FROM pilgrim a, pilgrim b, pilgrim c, pilgrim d WHERE a.id + b.id = c.id * d.id"
    let tool = try RunningTool(
      ["query", "hostel.db", endless, "--key-file", "first.key"], directory: work.folder.path)
    // When it holds SQLite's shared lock it computes. /proc/PID/fd is for root only.
    let isOpen = tool.wait {
      guard let id = tool.processID else { return false }
      let locks = FileManager.default.contents(atPath: "/proc/locks") ?? Data()
      return String(decoding: locks, as: UTF8.self).split(separator: "\n").contains { line in
        let fields = line.split(separator: " ")
        return fields.count > 4 && fields[3] == "READ" && fields[4] == "\(id)"
      }
    }
    #expect(isOpen)
    tool.send(signal)
    #expect(tool.finish() == 130, "\(tool.errors)")
    #expect(tool.output == "")
  }

  @Test func aWriteThatIsInterruptedIsRolledBack() throws {
    let endless = """
      WITH RECURSIVE n(i) AS (SELECT 10000 UNION ALL SELECT i + 1 FROM n)
      INSERT INTO pilgrim SELECT i, 'x', randomblob(2000) FROM n
      """
    let tool = try RunningTool(
      ["query", "hostel.db", endless, "--key-file", "first.key"], directory: work.folder.path)
    // The cache holds 2 MB; what is beyond it goes to the log before the commit.
    #expect(tool.wait { Bytes.size(work.file("hostel.db-wal")) > 4_000_000 })
    tool.send(SIGINT)
    #expect(tool.finish() == 130, "\(tool.errors)")
    #expect(work.digest("hostel.db", key: TestKeys.firstHex) == digest)
    try work.runWithFirstKey("verify", "hostel.db").expectSuccess()
  }

  @Test func aSecondSignalEndsAKeyCommandThatHangs() throws {
    let tool = try RunningTool(
      ["query", "hostel.db", "SELECT 1"],
      environment: ["TURSO_ENCRYPTION_KEY_COMMAND": "sh -c 'touch started; exec sleep 50'"],
      directory: work.folder.path)
    #expect(tool.wait { Bytes.exists(work.file("started")) })
    tool.send(SIGINT)
    tool.send(SIGINT)
    // Until two signals of one kind are told apart, they may be one.
    _ = tool.wait {
      tool.send(SIGTERM)
      return false
    }
    #expect(tool.finish() == 130)
  }
}
