import Foundation
import TestSupport
import Testing

@Suite("Paths and permissions")
struct PathCommandTests {
  let work: Workspace

  init() throws { work = try Workspace() }

  /// Names that a URI, a shell, a flag parser or a decoder might take for something else.
  @Test(arguments: [
    "con espacio.db", "ñandú 🥾.db", "100%25.db", "a?mode=ro&b.db", "file:x.db", "#hash.db", "'quote\".db", "-dash.db",
    "new\nline.db", ":memory:", "tab\t.db", "e\u{301}.db", "; rm x.db", "[a-z]*.db",
  ])
  func takesAnyFileNameThroughTheWholeLife(name: String) throws {
    let path = "./" + name
    #expect(try work.runWithFirstKey("init", path).status == 0)
    try work.runWithFirstKey("query", path, "CREATE TABLE t (a)").expectSuccess()
    try work.runWithFirstKey("query", path, "INSERT INTO t VALUES (1)").expectSuccess()
    try work.runWithFirstKey("rekey", path, "--new-key-file", "second.key").expectSuccess()
    try work.run("rekey", path, "--key-file", "second.key", "--cipher", "sqlcipher4-sha256").expectSuccess()
    try work.run("verify", path, "--key-file", "second.key").expectSuccess()
    try work.run("export", path, path + ".out", "--key-file", "second.key", "--plaintext", "--yes-write-plaintext")
      .expectSuccess()
    let rows = try work.run("query", path, "SELECT a FROM t", "--format", "csv", "--key-file", "second.key")
    #expect(rows.output == "a\n1\n")
    let expected = ["first.key", "second.key", name, name + ".out", name + "-writer.lock"]
    #expect(Set(try work.names()).isSubset(of: Set(expected)))
    #expect(try work.names().contains(name))
  }

  @Test func rotatesTheFileBehindASymlinkAndKeepsTheLink() throws {
    try FileManager.default.createDirectory(atPath: work.file("data"), withIntermediateDirectories: false)
    try work.makeSample("data/real.db")
    try FileManager.default.createSymbolicLink(atPath: work.file("link.db"), withDestinationPath: "data/real.db")
    try FileManager.default.createSymbolicLink(atPath: work.file("link2.db"), withDestinationPath: "link.db")
    let digest = work.digest("data/real.db", key: TestKeys.firstHex)
    try work.runWithFirstKey("rekey", "link2.db", "--new-key-file", "second.key").expectSuccess()
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: work.file("link.db")) == "data/real.db")
    #expect(work.digest("data/real.db", key: TestKeys.secondHex) == digest)
    // A lock or log beside the link would let two programs write through two names.
    try work.run("query", "link.db", "DELETE FROM pilgrim WHERE id > 5", "--key-file", "second.key").expectSuccess()
    #expect(try work.names(beginningWith: "link") == ["link.db", "link2.db"])
    try work.run("verify", "link2.db", "--key-file", "second.key").expectSuccess()
  }

  @Test func aLoopOfSymlinksIsAnErrorAndNoHang() throws {
    try FileManager.default.createSymbolicLink(atPath: work.file("a"), withDestinationPath: "b")
    try FileManager.default.createSymbolicLink(atPath: work.file("b"), withDestinationPath: "a")
    for command in [["status", "a"], ["verify", "a"], ["rekey", "a", "--new-key-file", "second.key"]] {
      let result = try Tool.run(command + ["--key-file", "first.key"], directory: work.folder.path)
      #expect([65, 66, 74].contains(result.status), "\(command): \(result.status)")
      #expect(result.errors.contains("albergue-crypt: error: "))
    }
  }

  @Test func warnsThatASecondNameOfTheFileKeepsTheOldKey() throws {
    // Rotation puts a new file in the place of one name; a hard link would go on leading to the old one.
    try work.makeSample()
    try FileManager.default.linkItem(atPath: work.file("hostel.db"), toPath: work.file("other.db"))
    let result = try work.runWithFirstKey("rekey", "hostel.db", "--new-key-file", "second.key")
    #expect(result.status == 0)
    #expect(result.errors.contains("hostel.db: 1 other hard links"))
  }

  // MARK: - Permissions, as a user who is not root

  /// Runs as `nobody` when the tests are root, so that permissions count.
  private static let asUser: [String] =
    Tool.isRoot ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : []

  private func giveAway(_ names: [String]) throws {
    guard Tool.isRoot else { return }
    let paths = names.map { work.file($0) }
    let result = try Subprocess.run("chown", ["65534:65534"] + paths)
    #expect(result.status == 0)
  }

  private func run(_ arguments: String...) throws -> Subprocess {
    try Tool.run(
      arguments + ["--key-file", "first.key"], wrapper: Self.asUser, directory: work.folder.path)
  }

  /// Files and their folder for the user; `mode` of the folder is set last.
  private func prepare(folderMode: Int, fileMode: Int) throws {
    try Tool.require("setpriv")
    try work.makeSample()
    try work.makePlaintext()
    try Bytes.setMode(work.file("hostel.db"), fileMode)
    try Bytes.setMode(work.file("plain.db"), fileMode)
    try giveAway(["hostel.db", "plain.db", "first.key", "second.key", "."])
    try Bytes.setMode(work.folder.path, folderMode)
    // The tool itself must be within reach of that user.
    let reach = try Tool.run(["--version"], wrapper: Self.asUser)
    try #require(reach.status == 0, "the user of the test cannot run \(Tool.path): \(reach.errors)")
  }

  @Test func readsFromAFolderThatCannotBeWrittenAndChangesNothing() throws {
    try prepare(folderMode: 0o500, fileMode: 0o400)
    let names = try work.names()
    try run("status", "hostel.db").expectSuccess()
    try run("verify", "hostel.db").expectSuccess()
    let rows = try run("query", "hostel.db", "SELECT count(*) FROM pilgrim", "--format", "csv")
    #expect(rows.status == 0 && rows.output == "count(*)\n400\n", "\(rows.errors)")
    #expect(try work.names() == names)
  }

  @Test func refusesToWriteIntoAFolderThatCannotBeWritten() throws {
    try prepare(folderMode: 0o500, fileMode: 0o600)
    let before = try Bytes.read(work.file("hostel.db"))
    let names = try work.names()
    try run("rekey", "hostel.db", "--new-key-file", "second.key").expectFailure(74, saying: "hostel.db", hint: true)
    // Where nothing is to be done, nothing has to be written.
    let already = try run("rekey", "hostel.db", "--new-key-file", "first.key")
    #expect(already.status == 0 && already.output.contains("already"), "\(already.errors)")
    try run("import", "plain.db", "new.db").expectFailure(74, hint: true)
    try run("init", "new.db").expectFailure(74, hint: true)
    try run("query", "hostel.db", "DELETE FROM pilgrim").expectFailure(74)
    #expect(try Bytes.read(work.file("hostel.db")) == before)
    #expect(try work.names() == names)
  }

  @Test func refusesToWriteAFileThatCannotBeWritten() throws {
    try prepare(folderMode: 0o700, fileMode: 0o400)
    let before = try Bytes.read(work.file("hostel.db"))
    try run("query", "hostel.db", "DELETE FROM pilgrim").expectFailure(74)
    #expect(try Bytes.read(work.file("hostel.db")) == before)
    #expect(work.digest("hostel.db", key: TestKeys.firstHex) != nil)
  }

  @Test func aFileOfSomebodyElseIsDeniedAndNotCalledDamaged() throws {
    try prepare(folderMode: 0o700, fileMode: 0o000)
    for command in [["status", "hostel.db"], ["verify", "hostel.db"], ["query", "hostel.db", "SELECT 1"]] {
      let result = try Tool.run(
        command + ["--key-file", "first.key"], wrapper: Self.asUser, directory: work.folder.path)
      #expect([74, 77].contains(result.status), "\(command): \(result.status) \(result.errors)")
      #expect(result.output == "" && !result.errors.contains("damaged"))
    }
  }

  @Test func aLogInAFolderThatCannotBeWrittenIsNotPassedOver() throws {
    // Reading such a file without its log would answer with old rows. To read it with the log needs no writing.
    try prepare(folderMode: 0o700, fileMode: 0o600)
    let script = """
      PRAGMA key = "x'\(TestKeys.firstHex)'"; PRAGMA journal_mode = WAL; DELETE FROM pilgrim WHERE id > 10;
      .shell kill -9 $PPID

      """
    _ = try Subprocess.run("sqlcipher", ["-batch", work.file("hostel.db")], input: script)
    try FileManager.default.removeItem(atPath: work.file("hostel.db-shm"))
    for name in ["hostel.db", "hostel.db-wal"] { try Bytes.setMode(work.file(name), 0o400) }
    try giveAway(["hostel.db-wal"])
    try Bytes.setMode(work.folder.path, 0o500)
    let rows = try run("query", "hostel.db", "SELECT count(*) FROM pilgrim", "--format", "csv")
    if rows.status == 0 { #expect(rows.output == "count(*)\n10\n") } else { rows.expectFailure(74) }
    let verified = try run("verify", "hostel.db")
    #expect(verified.status == 0 ? verified.output.contains(" log frames") : verified.status == 74)
  }
}
