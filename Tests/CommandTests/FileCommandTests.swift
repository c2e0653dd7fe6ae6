import Foundation
import TestSupport
import Testing

@Suite("init, status and verify")
struct FileCommandTests {
  let work: Workspace

  init() throws { work = try Workspace() }

  // MARK: - init

  @Test(arguments: ["sqlcipher4", "sqlcipher4-sha256"])
  func makesAFileThatTheSQLCipherCommandLineReadsAndWrites(profile: String) throws {
    let result = try work.runWithFirstKey("init", "new.db", "--cipher", profile)
    result.expectSuccess()
    #expect(result.output == "created new.db: \(profile), key file:first.key\n")
    #expect(Bytes.mode(work.file("new.db")) == 0o600)
    #expect(try !Bytes.read(work.file("new.db")).starts(with: Data("SQLite format 3".utf8)))
    let settings = profile == "sqlcipher4" ? "" : sha256Settings
    let lines = try SQLCipherShell.lines(
      work.file("new.db"), key: TestKeys.firstHex, settings: settings,
      "CREATE TABLE t (a); INSERT INTO t VALUES ('ñ'); SELECT a FROM t;")
    #expect(lines == ["ñ"])
    try work.runWithFirstKey("verify", "new.db").expectSuccess()
    // A 48-byte reserve where the MAC is SHA-256: the other size would be SQLCipher's mistake, trap 11.
    let other = settings.isEmpty ? sha256Settings : ""
    #expect(throws: (any Error).self) {
      try SQLCipherShell.lines(work.file("new.db"), key: TestKeys.firstHex, settings: other, "SELECT a FROM t;")
    }
  }

  @Test(arguments: ["file", "empty file", "folder", "dangling symlink", "symlink"])
  func refusesANameThatIsTaken(kind: String) throws {
    let path = work.file("taken")
    switch kind {
    case "file": try Bytes.write(Data("content".utf8), to: path)
    case "empty file": try Bytes.write(Data(), to: path)
    case "folder": try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    case "dangling symlink":
      try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: work.file("nowhere"))
    default:
      try Bytes.write(Data("content".utf8), to: work.file("real"))
      try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: work.file("real"))
    }
    let before = try work.names()
    try work.runWithFirstKey("init", "taken").expectFailure(73, saying: "exists", hint: true)
    #expect(try work.names() == before)
    #expect(!Bytes.exists(work.file("nowhere")))
  }

  @Test func twoAtOnceMakeOneFile() async throws {
    let work = work
    let statuses = try await withThrowingTaskGroup(of: Int32.self) { group in
      for _ in 1...6 { group.addTask { try work.runWithFirstKey("init", "race.db").status } }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(statuses.sorted() == [0, 73, 73, 73, 73, 73])
    try work.runWithFirstKey("verify", "race.db").expectSuccess()
    #expect(try work.leftovers() == [])
  }

  // MARK: - status

  /// Every kind of file, and what `status` calls it without and with the first key.
  @Test(arguments: [
    ("plaintext", "plaintext", "plaintext"), ("first", "encrypted", "sqlcipher"),
    ("second", "encrypted", "wrong-key"), ("sha256", "encrypted", "sqlcipher"), ("empty", "empty", "empty"),
    ("text", "not-a-database", "not-a-database"), ("sqlcipher3", "encrypted", "legacy"),
    ("damaged", "encrypted", "damaged"), ("page 1 damaged", "encrypted", "damaged"),
    ("turso", "turso-encrypted", "turso-encrypted"),
  ])
  func namesEachKindOfFileWithoutAndWithKeyAndChangesNothing(kind: String, without: String, with: String) throws {
    try make(kind, "x.db")
    let before = try Bytes.read(work.file("x.db"))
    let names = try work.names()
    for (arguments, expected) in [([], without), (["--key-file", work.firstKey], with)] {
      let result = try Tool.run(["status", "x.db", "--json"] + arguments, directory: work.folder.path)
      result.expectSuccess()
      let files = try #require(try result.object()["files"] as? [[String: Any]])
      #expect(files.count == 1)
      #expect(files.first?["kind"] as? String == expected)
      #expect(files.first?["file"] as? String == "x.db")
      let text = try Tool.run(["status", "x.db"] + arguments, directory: work.folder.path)
      #expect(text.output.hasPrefix("x.db: \(expected)\n"))
    }
    #expect(try Bytes.read(work.file("x.db")) == before)
    #expect(try work.names() == names)
  }

  private func make(_ kind: String, _ name: String) throws {
    switch kind {
    case "plaintext": try work.makePlaintext(name)
    case "first": try work.makeSample(name)
    case "second": _ = try SQLCipherShell.run(work.file(name), key: TestKeys.secondHex, Sample.sql)
    case "sha256":
      try work.makeSample(name, settings: sha256Settings)
    case "empty": try work.write("", to: name)
    case "text": try work.write(String(repeating: "buen camino\n", count: 2000), to: name)
    case "sqlcipher3":
      _ = try SQLCipherShell.run(
        work.file(name), key: TestKeys.firstHex, settings: "PRAGMA cipher_compatibility = 3;", Sample.sql)
    case "damaged":
      // Status looks at a sample of the pages.
      try work.makeSample(name)
      for page in 1...12 { try Bytes.flip(work.file(name), byte: page * 4096 + 700) }
    case "page 1 damaged": try Bytes.flip(try work.makeSample(name), byte: 700)
    default:
      // "Turso", version, cipher, zeros: the header of the native encryption of the Turso database.
      let header = Data("Turso".utf8) + Data([0, 1] + [UInt8](repeating: 0, count: 9))
      try Bytes.write(header + Data(0...255), to: work.file(name))
    }
  }

  @Test func statusSaysModeLogAndWhatIsMissing() throws {
    try work.makeSample()
    try Bytes.setMode(work.file("hostel.db"), 0o644)
    let result = try work.runWithFirstKey("status", "hostel.db")
    #expect(result.output.contains("mode 644") && result.output.contains("chmod 600"))
    try work.run("status", "missing.db").expectFailure(66, saying: "missing.db")
    try work.run("status", ".").expectFailure(65, saying: "not a regular file")
  }

  // MARK: - verify

  @Test func verifySaysOkAndPrintsOneObject() throws {
    try work.makeSample()
    let text = try work.runWithFirstKey("verify", "hostel.db")
    text.expectSuccess()
    let line = /hostel\.db: ok \(\d+ pages, 0 log frames, structure; sqlcipher4, key file:first\.key\)\n/
    #expect(text.output.wholeMatch(of: line) != nil)
    let json = try work.runWithFirstKey("verify", "hostel.db", "--json", "--quick")
    let report = try #require((try json.object()["files"] as? [[String: Any]])?.first)
    #expect(report["checkedStructure"] as? Bool == false)
    #expect((report["findings"] as? [Any])?.isEmpty == true)
  }

  @Test func findingsEndWithOneAndAreAllInTheObject() throws {
    try work.makeSample("good.db")
    try Bytes.flip(try work.makeSample(), byte: 5 * 4096 + 17, bit: 3)
    try Bytes.flip(work.file("hostel.db"), byte: 9 * 4096 + 4000)
    let text = try work.runWithFirstKey("verify", "good.db", "hostel.db")
    #expect(text.status == 1 && text.errors == "")
    #expect(text.output.contains("good.db: ok") && text.output.contains("hostel.db: 3 findings"), "\(text.output)")
    // SQLCipher answers integrity_check on such a file with an error of the statement.
    #expect(text.output.contains("structure: "))
    let json = try work.runWithFirstKey("verify", "hostel.db", "--json", "--quick")
    #expect(json.status == 1)
    let report = try #require((try json.object()["files"] as? [[String: Any]])?.first)
    #expect((report["findings"] as? [[String: Any]])?.map { $0["page"] as? Int } == [6, 10])
  }

  @Test(arguments: [("plaintext", 65), ("second", 77), ("empty", 65), ("text", 65), ("sqlcipher3", 65)])
  func verifyRefusesWhatItCannotVerify(kind: String, code: Int) throws {
    try make(kind, "x.db")
    try work.runWithFirstKey("verify", "x.db").expectFailure(Int32(code), saying: "x.db", hint: nil)
  }

  @Test func aReaderThatWentAwayDoesNotHideTheFindings() throws {
    try work.makeSample()
    try Bytes.flip(work.file("hostel.db"), byte: 5 * 4096 + 17)
    let script = "\"$0\" verify hostel.db --key-file first.key | true; echo ${PIPESTATUS[0]}"
    let result = try Subprocess.run("bash", ["-c", script, Tool.path], directory: work.folder.path)
    #expect(result.output == "1\n", "\(result.errors)")
  }

  @Test func verifyWithAnotherProfileIsRefused() throws {
    try work.makeSample()
    try work.runWithFirstKey("verify", "hostel.db", "--cipher", "sqlcipher4-sha256")
      .expectFailure(77, saying: "not under sqlcipher4-sha256", hint: true)
    try work.runWithFirstKey(
      "verify", "hostel.db", environment: ["TURSO_ENCRYPTION_CIPHER": "sqlcipher4-sha256"]
    ).expectFailure(77, saying: "not under sqlcipher4-sha256")
  }
}
