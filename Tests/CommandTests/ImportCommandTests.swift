import Foundation
import TestSupport
import Testing

@Suite("import and export")
struct ImportCommandTests {
  let work: Workspace

  init() throws { work = try Workspace() }

  private func expectEqual(_ name: String, _ digest: String?, key: String, settings: String = "") throws {
    #expect(digest != nil)
    #expect(work.digest(name, key: key, settings: settings) == digest)
    let checks = "PRAGMA integrity_check; PRAGMA user_version; PRAGMA application_id;"
    let lines = try SQLCipherShell.lines(work.file(name), key: key, settings: settings, checks)
    #expect(lines == ["ok", "42", "1234"])
    #expect(try work.leftovers() == [])
  }

  @Test func encryptsAPlaintextFileAndWarnsThatItIsStillThere() throws {
    try work.makePlaintext()
    let before = try Bytes.read(work.file("plain.db"))
    let names = try work.names()
    let result = try work.runWithFirstKey("import", "plain.db", "hostel.db")
    #expect(result.status == 0)
    #expect(result.output.hasPrefix("hostel.db: 1 tables, "))
    #expect(result.errors.hasPrefix("albergue-crypt: warning: plain.db is still there in plaintext"))
    #expect(try Bytes.read(work.file("plain.db")) == before)
    #expect(try work.names() == (names + ["hostel.db"]).sorted())
    #expect(Bytes.mode(work.file("hostel.db")) == 0o600)
    #expect(try Bytes.read(work.file("hostel.db")).range(of: Data(Canary.text.utf8)) == nil)
    try expectEqual("hostel.db", work.digest("plain.db", key: nil), key: TestKeys.firstHex)
  }

  /// Every format the `sqlcipher` command line writes.
  @Test(arguments: [
    "", sha256Settings, "PRAGMA cipher_page_size = 1024;", "PRAGMA cipher_page_size = 8192;",
    "PRAGMA cipher_page_size = 16384; PRAGMA cipher_hmac_algorithm = HMAC_SHA256;",
    "PRAGMA cipher_compatibility = 3;", "PRAGMA cipher_compatibility = 3; PRAGMA cipher_page_size = 4096;",
  ])
  func importsWhatTheSQLCipherCommandLineWrites(settings: String) throws {
    try work.makeSample("source.db", settings: settings)
    let before = try Bytes.read(work.file("source.db"))
    let result = try work.run(
      "import", "source.db", "hostel.db", "--source-key-file", "first.key", "--key-file", "second.key")
    result.expectSuccess()
    #expect(result.output.contains("sqlcipher4, key file:second.key; equal to the source row by row"))
    try expectEqual(
      "hostel.db", work.digest("source.db", key: TestKeys.firstHex, settings: settings), key: TestKeys.secondHex)
    #expect(try Bytes.read(work.file("source.db")) == before)
  }

  @Test(arguments: ["", "PRAGMA cipher_compatibility = 3;"])
  func importsAPassphraseFile(settings: String) throws {
    let made = try SQLCipherShell.run(
      work.file("source.db"), passphrase: TestKeys.passphrase, settings: settings, Sample.sql)
    #expect(made.status == 0)
    try work.write("passphrase:\(TestKeys.passphrase)\n", to: "phrase.key")
    let digest = try SQLCipherShell.lines(
      work.file("source.db"), passphrase: TestKeys.passphrase, settings: settings, Sample.digestSQL + ";"
    ).first.map(Workspace.short)
    try work.runWithFirstKey("import", "source.db", "hostel.db", "--source-key-file", "phrase.key").expectSuccess()
    try expectEqual("hostel.db", digest, key: TestKeys.firstHex)
  }

  @Test func rowsOfALogAndOfAHotJournalAreReadRight() throws {
    try work.makePlaintext("log.db")
    try work.makePlaintext("hot.db")
    let digest = work.digest("hot.db", key: nil)
    for (name, script) in [
      ("log.db", "PRAGMA journal_mode=WAL; DELETE FROM pilgrim WHERE id > 10;\n.shell kill -9 $PPID\n"),
      ("hot.db", "PRAGMA cache_size=10; BEGIN; DELETE FROM pilgrim;\n.shell kill -9 $PPID\n"),
    ] {
      _ = try Subprocess.run("sqlcipher", ["-batch", work.file(name)], input: script)
    }
    #expect(Bytes.size(work.file("log.db-wal")) > 0 && Bytes.size(work.file("hot.db-journal")) > 0)
    #expect(try work.runWithFirstKey("import", "log.db", "from-log.db").status == 0)
    let count = try SQLCipherShell.lines(
      work.file("from-log.db"), key: TestKeys.firstHex, "SELECT count(*), max(id) FROM pilgrim;")
    #expect(count == ["10|10"])
    #expect(try work.runWithFirstKey("import", "hot.db", "from-hot.db").status == 0)
    #expect(work.digest("from-hot.db", key: TestKeys.firstHex) == digest)
  }

  @Test func refusesATamperedSourceThatTheSQLCipherCommandLineCopiesAsZeros() throws {
    // The last overflow page of the last row: SQLCipher reports nothing and returns zeros in its place.
    try work.makeSample("source.db", sql: "CREATE TABLE big (v); INSERT INTO big VALUES (randomblob(90000));")
    let intact = try SQLCipherShell.lines(work.file("source.db"), key: TestKeys.firstHex, "SELECT hex(v) FROM big;")
    try Bytes.flip(work.file("source.db"), byte: Bytes.size(work.file("source.db")) - 4096 + 40)
    let judge = try SQLCipherShell.run(
      work.file("source.db"), key: TestKeys.firstHex, "PRAGMA cipher_log_level = NONE; SELECT hex(v) FROM big;")
    #expect(judge.status == 0)
    let answer = judge.output.split(separator: "\n").map(String.init).last ?? ""
    #expect(answer.count == 180_000 && [answer] != intact && answer.hasSuffix("00000000"))
    let result = try work.run(
      "import", "source.db", "hostel.db", "--source-key-file", "first.key", "--key-file", "second.key")
    result.expectFailure(65, saying: "source.db", "not authentic")
    #expect(try work.names(beginningWith: "hostel") == [])
    let export = try work.runWithFirstKey("export", "source.db", "hostel.db", "--plaintext", "--yes-write-plaintext")
    export.expectFailure(65, saying: "not authentic")
    #expect(try work.names(beginningWith: "hostel") == [])
  }

  @Test(arguments: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  func refusesASourceWithAnyPageFlippedAndLeavesNoDestination(seed: UInt64) throws {
    try work.makeSample("source.db", sql: "CREATE TABLE t (v); INSERT INTO t VALUES (randomblob(30000)), ('x');")
    var generator = SeededGenerator(seed: seed)
    // Not the salt: with another salt it is a file under another key.
    let byte = Int.random(in: 16..<Bytes.size(work.file("source.db")), using: &generator)
    try Bytes.flip(work.file("source.db"), byte: byte, bit: Int.random(in: 0..<8, using: &generator))
    let result = try work.runWithFirstKey("import", "source.db", "hostel.db")
    result.expectFailure(65, saying: "source.db")
    #expect(try work.names(beginningWith: "hostel") == [], "byte \(byte)")
  }

  @Test func refusesAPlaintextSourceWhoseStructureIsDamaged() throws {
    try work.makePlaintext()
    var data = try Bytes.read(work.file("plain.db"))
    data.replaceSubrange(8192..<9000, with: Data(repeating: 0xff, count: 808))
    try Bytes.write(data, to: work.file("plain.db"))
    try work.runWithFirstKey("import", "plain.db", "hostel.db").expectFailure(65, saying: "plain.db", hint: true)
    #expect(try work.names(beginningWith: "hostel") == [])
  }

  @Test func refusesWhatIsNoSource() throws {
    try work.write("", to: "empty.db")
    try work.write(String(repeating: "buen camino ", count: 1000), to: "text.db")
    try work.makeSample("second.db", key: TestKeys.secondHex)
    try work.runWithFirstKey("import", "empty.db", "x.db").expectFailure(65, saying: "empty")
    try work.runWithFirstKey("import", "text.db", "x.db").expectFailure(65, saying: "text.db")
    try work.runWithFirstKey("import", ".", "x.db").expectFailure(65, saying: "not a regular file")
    try work.runWithFirstKey("import", "missing.db", "x.db").expectFailure(66, saying: "missing.db")
    try work.runWithFirstKey("import", "second.db", "x.db").expectFailure(77, saying: "does not fit", hint: true)
    try work.runWithFirstKey("import", "second.db", "no/where.db").expectFailure(66, saying: "folder")
    try work.run("import", "second.db", "x.db").expectFailure(77, saying: "no encryption key")
    #expect(try work.names(beginningWith: "x.db") == [])
  }

  @Test func overwritesNothing() throws {
    try work.makePlaintext()
    let before = try Bytes.read(work.file("plain.db"))
    try work.runWithFirstKey("import", "plain.db", "plain.db").expectFailure(73, saying: "exists", hint: true)
    try work.write("precious", to: "taken")
    try work.runWithFirstKey("import", "plain.db", "taken").expectFailure(73, saying: "taken")
    try work.makeSample()
    try work.runWithFirstKey("export", "hostel.db", "taken", "--plaintext", "--yes-write-plaintext").expectFailure(73)
    #expect(try Bytes.read(work.file("plain.db")) == before)
    #expect(try Bytes.read(work.file("taken")) == Data("precious".utf8))
  }

  // MARK: - export

  @Test func writesPlaintextOnlyWhenBothFlagsSayIt() throws {
    try work.makeSample()
    for arguments in [[], ["--plaintext"], ["--yes-write-plaintext"]] {
      let result = try Tool.run(
        ["export", "hostel.db", "out.db", "--key-file", "first.key"] + arguments, directory: work.folder.path)
      #expect(result.status == 64 && result.output == "" && !result.errors.isEmpty)
      #expect(!Bytes.exists(work.file("out.db")))
    }
    let both = try work.runWithFirstKey("export", "hostel.db", "out.db", "--plaintext", "--dest-key-file", "second.key")
    #expect(both.status == 64)
    let result = try work.runWithFirstKey("export", "hostel.db", "out.db", "--plaintext", "--yes-write-plaintext")
    result.expectSuccess()
    #expect(result.output.contains("NOT ENCRYPTED"))
    #expect(try Bytes.read(work.file("out.db")).starts(with: Data("SQLite format 3\0".utf8)))
    #expect(Bytes.mode(work.file("out.db")) == 0o600)
    #expect(work.digest("out.db", key: nil) == work.digest("hostel.db", key: TestKeys.firstHex))
  }

  @Test func exportsUnderAnotherKeyAndProfile() throws {
    try work.makeSample()
    try work.runWithFirstKey("export", "hostel.db", "out.db", "--dest-key-file", "second.key").expectSuccess()
    try expectEqual("out.db", work.digest("hostel.db", key: TestKeys.firstHex), key: TestKeys.secondHex)
    try work.runWithFirstKey(
      "export", "hostel.db", "fast.db", "--dest-key-file", "second.key", "--cipher", "sqlcipher4-sha256"
    ).expectSuccess()
    try expectEqual(
      "fast.db", work.digest("hostel.db", key: TestKeys.firstHex), key: TestKeys.secondHex, settings: sha256Settings)
  }
}
