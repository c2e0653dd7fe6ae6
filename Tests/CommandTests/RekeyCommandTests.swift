import Foundation
import TestSupport
import Testing

@Suite("rekey")
struct RekeyCommandTests {
  let work: Workspace

  init() throws {
    work = try Workspace()
    try work.makeSample()
  }

  @Test func givesTheFileTheKeyOfAKeyFile() throws {
    let digest = try #require(work.digest("hostel.db", key: TestKeys.firstHex))
    let result = try work.runWithFirstKey("rekey", "hostel.db", "--new-key-file", "second.key")
    result.expectSuccess()
    #expect(result.output.hasPrefix("hostel.db: key file:first.key -> file:second.key, "))
    #expect(result.output.hasSuffix(" pages of 4096 bytes, verified\n"))
    #expect(work.digest("hostel.db", key: TestKeys.secondHex) == digest)
    #expect(work.digest("hostel.db", key: TestKeys.firstHex) == nil)
    #expect(try work.names(beginningWith: "hostel") == ["hostel.db"])
    try work.run("verify", "hostel.db", "--key-file", "second.key").expectSuccess()
  }

  @Test func rotatesToTheActiveKeyOfTheKeyringAndBack() throws {
    try work.write("old 2026-01-01 active sqlcipher4 file:first.key\n", to: "ring")
    let environment = ["TURSO_ENCRYPTION_KEYRING": "ring"]
    let already = try work.run("rekey", "hostel.db", environment: environment)
    already.expectSuccess()
    #expect(already.output == "hostel.db: is under key old already\n")
    try work.run("keygen", "--keyring", "ring", "--id", "new").expectSuccess()
    let rotated = try work.run("rekey", "hostel.db", environment: environment)
    rotated.expectSuccess()
    #expect(rotated.output.hasPrefix("hostel.db: key old -> new, "))
    #expect(work.digest("hostel.db", key: TestKeys.firstHex) == nil)
    try work.run("verify", "hostel.db", environment: environment).expectSuccess()
    let back = try work.run("rekey", "hostel.db", "--to-key-id", "old", environment: environment)
    #expect(back.output.hasPrefix("hostel.db: key new -> old, "))
    #expect(work.digest("hostel.db", key: TestKeys.firstHex) != nil)
    try work.run("rekey", "hostel.db", "--to-key-id", "lost", environment: environment)
      .expectFailure(66, saying: "lost")
  }

  @Test func changesTheProfileUnderTheSameKey() throws {
    let digest = work.digest("hostel.db", key: TestKeys.firstHex)
    let result = try work.runWithFirstKey("rekey", "hostel.db", "--cipher", "sqlcipher4-sha256")
    result.expectSuccess()
    #expect(result.output.contains("profile now sqlcipher4-sha256"))
    #expect(work.digest("hostel.db", key: TestKeys.firstHex, settings: sha256Settings) == digest)
    let version = try SQLCipherShell.lines(
      work.file("hostel.db"), key: TestKeys.firstHex, settings: sha256Settings,
      "PRAGMA user_version; PRAGMA application_id; PRAGMA integrity_check;")
    #expect(version == ["42", "1234", "ok"])
    // The variable describes the file; only the flag changes it.
    try work.runWithFirstKey(
      "rekey", "hostel.db", "--new-key-file", "second.key", environment: ["TURSO_ENCRYPTION_CIPHER": "sqlcipher4"]
    ).expectSuccess()
    #expect(work.digest("hostel.db", key: TestKeys.secondHex, settings: sha256Settings) == digest)
  }

  @Test(arguments: [
    ([], "no new key"), (["--to-key-id", "x"], "needs a keyring"),
    (["--new-key-file", "second.key", "--cipher", "aes256cbc"], "unauthenticated"),
  ])
  func usageErrorsChangeNothing(arguments: [String], text: String) throws {
    let before = try Bytes.read(work.file("hostel.db"))
    try Tool.run(["rekey", "hostel.db", "--key-file", "first.key"] + arguments, directory: work.folder.path)
      .expectFailure(64, saying: text)
    #expect(try Bytes.read(work.file("hostel.db")) == before)
  }

  @Test func refusesADamagedFileAndLeavesItAsItIs() throws {
    try Bytes.flip(work.file("hostel.db"), byte: 30 * 4096 + 5)
    let before = try Bytes.read(work.file("hostel.db"))
    for arguments in [["--new-key-file", "second.key"], ["--cipher", "sqlcipher4-sha256"]] {
      let result = try Tool.run(
        ["rekey", "hostel.db", "--key-file", "first.key"] + arguments, directory: work.folder.path)
      result.expectFailure(65, saying: "not authentic", "hostel.db", hint: true)
      #expect(try Bytes.read(work.file("hostel.db")) == before)
      #expect(try work.leftovers() == [])
    }
  }

  @Test func takesTheRowsOfAWriteAheadLogAlong() throws {
    // A killed writer leaves committed rows in the log only.
    let script = """
      PRAGMA key = "x'\(TestKeys.firstHex)'"; PRAGMA journal_mode = WAL; DELETE FROM pilgrim WHERE id > 10;
      .shell kill -9 $PPID

      """
    _ = try Subprocess.run("sqlcipher", ["-batch", work.file("hostel.db")], input: script)
    #expect(Bytes.size(work.file("hostel.db-wal")) > 0)
    try work.runWithFirstKey("rekey", "hostel.db", "--new-key-file", "second.key").expectSuccess()
    #expect(try work.names(beginningWith: "hostel") == ["hostel.db"])
    let count = try SQLCipherShell.lines(
      work.file("hostel.db"), key: TestKeys.secondHex, "SELECT count(*) FROM pilgrim;")
    #expect(count == ["10"])
  }

  @Test func rollsAHotJournalBackBeforeRotating() throws {
    // A killed writer in rollback mode leaves half a transaction in the file and the way back in the journal.
    let script =
      "PRAGMA key = \"x'\(TestKeys.firstHex)'\"; PRAGMA cache_size = 10; BEGIN; DELETE FROM pilgrim;\n"
      + ".shell kill -9 $PPID\n"
    let digest = work.digest("hostel.db", key: TestKeys.firstHex)
    _ = try Subprocess.run("sqlcipher", ["-batch", work.file("hostel.db")], input: script)
    #expect(Bytes.size(work.file("hostel.db-journal")) > 0)
    try work.runWithFirstKey("rekey", "hostel.db", "--new-key-file", "second.key").expectSuccess()
    #expect(try work.names(beginningWith: "hostel") == ["hostel.db"])
    #expect(work.digest("hostel.db", key: TestKeys.secondHex) == digest)
  }

  @Test func stopsAtTheFirstFileThatFailsAndSaysWhichAreDone() throws {
    try work.makeSample("second.db")
    let result = try work.runWithFirstKey(
      "rekey", "hostel.db", "missing.db", "second.db", "--new-key-file", "second.key")
    #expect(result.status == 66)
    #expect(result.output.hasPrefix("hostel.db: key "))
    #expect(result.errors.contains("missing.db"))
    #expect(work.digest("hostel.db", key: TestKeys.secondHex) != nil)
    #expect(work.digest("second.db", key: TestKeys.firstHex) != nil)
  }

  @Test func keepsTheModeOfTheFile() throws {
    try Bytes.setMode(work.file("hostel.db"), 0o640)
    try work.runWithFirstKey("rekey", "hostel.db", "--new-key-file", "second.key").expectSuccess()
    #expect(Bytes.mode(work.file("hostel.db")) == 0o640)
  }

  @Test(arguments: [1024, 8192, 65536])
  func keepsThePageSize(pageSize: Int) throws {
    let settings = "PRAGMA cipher_page_size = \(pageSize);"
    try work.makeSample("sized.db", settings: settings)
    let digest = work.digest("sized.db", key: TestKeys.firstHex, settings: settings)
    let result = try work.runWithFirstKey("rekey", "sized.db", "--new-key-file", "second.key")
    result.expectSuccess()
    #expect(result.output.contains("pages of \(pageSize) bytes"))
    #expect(work.digest("sized.db", key: TestKeys.secondHex, settings: settings) == digest)
    try work.run("rekey", "sized.db", "--key-file", "second.key", "--cipher", "sqlcipher4-sha256").expectSuccess()
    #expect(work.digest("sized.db", key: TestKeys.secondHex, settings: settings + sha256Settings) == digest)
  }
}
