import EncryptionKeys
import Foundation
import TestSupport
import Testing

@Suite("Commands on page stores")
struct StoreCommandTests {
  let work: Workspace

  init() throws { work = try Workspace() }

  /// A replica of ``Sample/sql``, and the digest of its rows.
  @discardableResult
  private func makeReplica(
    _ name: String = "store.db", profile: CipherProfile = .sqlcipher4, pulledPageCount: Int? = nil
  ) async throws -> String {
    if !Bytes.exists(work.file("plain.db")) { try work.makePlaintext() }
    try await SampleStore.makeReplica(
      work.file(name), of: work.file("plain.db"), key: TestKeys.first(), profile: profile,
      pulledPageCount: pulledPageCount)
    return try #require(work.digest("plain.db", key: nil))
  }

  private func imageDigest(_ name: String = "store.db", key: String = "first.key") throws -> String? {
    let result = try work.run("query", name, Sample.digestSQL, "--format", "csv", "--key-file", key)
    guard result.status == 0 else { return nil }
    return result.output.split(separator: "\n").last.map { Workspace.short(String($0)) }
  }

  // MARK: - init

  @Test(arguments: ["sqlcipher4", "sqlcipher4-sha256"])
  func makesTheStoreOfAReplica(profile: String) throws {
    let made = try work.runWithFirstKey("init", "store.db", "--replica", "--cipher", profile)
    made.expectSuccess()
    #expect(made.output == "created store.db: page store of a replica, \(profile), key file:first.key\n")
    #expect(Bytes.mode(work.file("store.db")) == 0o600)
    #expect(try work.names(beginningWith: "store") == ["store.db"])
    let settings = profile == "sqlcipher4" ? "" : sha256Settings
    let lines = try SQLCipherShell.lines(
      work.file("store.db"), key: TestKeys.firstHex, settings: settings,
      "PRAGMA application_id; PRAGMA user_version; SELECT role, complete FROM meta;")
    #expect(lines == ["\(0x414c_5053)", "1", "replica|0"])
    let before = try Bytes.read(work.file("store.db"))
    try work.runWithFirstKey("init", "store.db", "--replica").expectFailure(73, saying: "exists", hint: true)
    #expect(try Bytes.read(work.file("store.db")) == before)
  }

  // MARK: - query

  @Test func queriesTheDatabaseInsideAReplicaAndRefusesToWriteIt() async throws {
    let digest = try await makeReplica()
    #expect(try imageDigest() == digest)
    let before = try Bytes.read(work.file("store.db"))
    try work.runWithFirstKey("query", "store.db", "DELETE FROM pilgrim")
      .expectFailure(77, saying: "a replica is written through its remote", hint: true)
    #expect(try Bytes.read(work.file("store.db")) == before)
    #expect(try work.names(beginningWith: "store") == ["store.db"])
  }

  @Test func writesThroughAPrimary() async throws {
    try await SampleStore.makePrimary(work.file("store.db"), key: TestKeys.first())
    try work.runWithFirstKey("query", "store.db", "DELETE FROM pilgrim WHERE id > 10").expectSuccess()
    let count = try work.runWithFirstKey("query", "store.db", "SELECT count(*) FROM pilgrim", "--format", "csv")
    #expect(count.output == "count(*)\n10\n")
    try work.runWithFirstKey("verify", "store.db").expectSuccess()
  }

  @Test func everyWayNotToOpenAStoreHasItsOwnError() async throws {
    try await makeReplica()
    let select = "SELECT count(*) FROM pilgrim"
    try work.run("query", "store.db", select).expectFailure(77, saying: "no encryption key", hint: true)
    try work.run("query", "store.db", select, "--key-file", "second.key")
      .expectFailure(77, saying: "does not fit", hint: true)
    try work.runWithFirstKey("init", "empty.db", "--replica").expectSuccess()
    try await makeReplica("partial.db", pulledPageCount: 40)
    for name in ["empty.db", "partial.db"] {
      for arguments in [["query", name, select], ["export", name, "out.db", "--plaintext", "--yes-write-plaintext"]] {
        try Tool.run(arguments + ["--key-file", "first.key"], directory: work.folder.path)
          .expectFailure(75, saying: "first pull of this replica has not finished", "turso-sync pull", hint: true)
      }
      #expect(!Bytes.exists(work.file("out.db")))
    }
  }

  // MARK: - status

  @Test func statusTellsTheStateOfAStoreAndWritesNothing() async throws {
    try await makeReplica()
    let pageCount = Bytes.size(work.file("plain.db")) / 4096
    let before = try work.folder.contents()
    let status = try work.runWithFirstKey("status", "store.db")
    status.expectSuccess()
    #expect(status.output.hasPrefix("store.db: page-store\n"))
    #expect(
      status.output.contains(
        "  replica at position 100, protocol test, generation 3, image of \(pageCount) pages, "
          + "last sync 2027-01-15T08:00:00Z\n"), "\(status.output)")
    let object = try work.runWithFirstKey("status", "store.db", "--json").object()
    let file = try #require((object["files"] as? [[String: Any]])?.first)
    #expect(file["kind"] as? String == "page-store")
    #expect(file["keyID"] as? String == "file:first.key")
    let store = try #require(file["store"] as? [String: Any])
    #expect(store["role"] as? String == "replica")
    #expect(store["complete"] as? Bool == true)
    #expect(store["position"] as? Int == 100)
    #expect(store["generation"] as? Int == 3)
    #expect(store["protocol"] as? String == "test")
    #expect(store["imagePageCount"] as? Int == pageCount)
    #expect(store["lastSync"] as? Int == 1_800_000_000)
    #expect(try work.folder.contents() == before)
    // Without a key it is what it looks like.
    #expect(try work.run("status", "store.db").output.hasPrefix("store.db: encrypted\n"))
  }

  @Test func statusTellsThatAPullHasNotFinished() async throws {
    try work.runWithFirstKey("init", "empty.db", "--replica").expectSuccess()
    try await makeReplica("partial.db", pulledPageCount: 7)
    for name in ["empty.db", "partial.db"] {
      let status = try work.runWithFirstKey("status", name)
      #expect(status.output.contains("\n  replica, incomplete: its first pull has not finished\n"), "\(status.output)")
    }
    // Only of one the pull has begun.
    let line = "\n  first pull unfinished: what it has so far is in partial.db.albergue-bootstrap\n"
    #expect(try work.runWithFirstKey("status", "partial.db").output.contains(line))
    #expect(try !work.runWithFirstKey("status", "empty.db").output.contains("albergue-bootstrap"))
    let object = try work.runWithFirstKey("status", "partial.db", "empty.db", "--json").object()
    let files = try #require(object["files"] as? [[String: Any]])
    #expect(files.map { $0["bootstrap"] as? String } == ["unfinished", "none"])
  }

  @Test func statusReadsTheNewestStateFromTheLogOfAKilledWriter() async throws {
    try await makeReplica()
    let script = """
      PRAGMA key = "x'\(TestKeys.firstHex)'";
      INSERT INTO change SELECT position + 25, epoch + 1, page_count, x'' FROM change;
      .shell kill -9 $PPID

      """
    _ = try Subprocess.run("sqlcipher", ["-batch", work.file("store.db")], input: script)
    #expect(Bytes.size(work.file("store.db-wal")) > 0)
    let before = try work.folder.contents()
    let status = try work.runWithFirstKey("status", "store.db")
    #expect(status.output.contains("replica at position 125,"), "\(status.output)")
    #expect(try work.folder.contents() == before)
  }

  @Test func statusSaysThatAStateCannotBeRead() async throws {
    try await makeReplica()
    _ = try SQLCipherShell.lines(work.file("store.db"), key: TestKeys.firstHex, "DELETE FROM meta;")
    let status = try work.runWithFirstKey("status", "store.db")
    status.expectSuccess()
    #expect(status.output.contains("  its state cannot be read: the page store has no valid state\n"))
    let object = try work.runWithFirstKey("status", "store.db", "--json").object()
    let file = try #require((object["files"] as? [[String: Any]])?.first)
    #expect(file["storeError"] as? String == "the page store has no valid state")
  }

  @Test func statusKnowsAStoreWhosePageOneAPowerCutHasTorn() async throws {
    try await makeReplica()
    let script = """
      PRAGMA key = "x'\(TestKeys.firstHex)'";
      CREATE TABLE other (a); DROP TABLE other;
      .shell kill -9 $PPID

      """
    _ = try Subprocess.run("sqlcipher", ["-batch", work.file("store.db")], input: script)
    try Bytes.flip(work.file("store.db"), byte: 2000)
    let status = try work.runWithFirstKey("status", "store.db")
    #expect(status.output.hasPrefix("store.db: page-store\n  replica at position 100,"), "\(status.output)")
  }

  // MARK: - verify

  @Test func verifySaysWhatItCheckedAndWhatItFound() async throws {
    try await makeReplica()
    let sound = try work.runWithFirstKey("verify", "store.db")
    sound.expectSuccess()
    #expect(sound.output.contains(" log frames, structure, structure of the image; sqlcipher4, key file:first.key)\n"))
    #expect(sound.output.contains("\n  replica at position 100, protocol test, generation 3, image of "))
    _ = try SQLCipherShell.lines(work.file("store.db"), key: TestKeys.firstHex, "DELETE FROM tail WHERE page = 20;")
    let damaged = try work.runWithFirstKey("verify", "store.db")
    #expect(damaged.status == 1)
    #expect(damaged.output.contains("\n  store-page-orphaned: page 20 has a head and no tail\n"))
    let object = try work.runWithFirstKey("verify", "store.db", "--quick", "--json").object()
    let report = try #require((object["files"] as? [[String: Any]])?.first)
    let findings = try #require(report["findings"] as? [[String: Any]])
    #expect(findings.map { $0["kind"] as? String } == ["store-page-orphaned"])
    #expect(findings.map { $0["page"] as? Int } == [20])
    #expect((report["store"] as? [String: Any])?["complete"] as? Bool == true)
    #expect(report["checkedImage"] as? Bool == false)
  }

  @Test func verifyCallsAnUnfinishedPullIncomplete() async throws {
    try await makeReplica(pulledPageCount: 30)
    let result = try work.runWithFirstKey("verify", "store.db")
    result.expectSuccess()
    #expect(result.output.contains("store.db: ok ("))
    #expect(result.output.hasSuffix("\n  replica, incomplete: its first pull has not finished\n"))
    let object = try work.runWithFirstKey("verify", "store.db", "--json").object()
    let report = try #require((object["files"] as? [[String: Any]])?.first)
    #expect((report["store"] as? [String: Any])?["complete"] as? Bool == false)
  }

  // MARK: - export and import

  @Test(arguments: CipherProfile.allCases)
  func exportsAndImportsTheDatabaseInside(profile: CipherProfile) async throws {
    let digest = try await makeReplica(profile: profile)
    let before = try Bytes.read(work.file("store.db"))
    try work.runWithFirstKey("export", "store.db", "out.db", "--plaintext", "--yes-write-plaintext").expectSuccess()
    #expect(work.digest("out.db", key: nil) == digest)
    try work.runWithFirstKey("export", "store.db", "second.db", "--dest-key-file", "second.key").expectSuccess()
    #expect(work.digest("second.db", key: TestKeys.secondHex) == digest)
    try work.run("import", "store.db", "in.db", "--source-key-file", "first.key", "--key-file", "second.key")
      .expectSuccess()
    #expect(work.digest("in.db", key: TestKeys.secondHex) == digest)
    let header = try SQLCipherShell.lines(
      work.file("in.db"), key: TestKeys.secondHex, "PRAGMA application_id; PRAGMA user_version; PRAGMA integrity_check;"
    )
    #expect(header == ["1234", "42", "ok"])
    #expect(try Bytes.read(work.file("store.db")) == before)
    #expect(try work.leftovers() == [])
    #expect(try work.names(beginningWith: "store") == ["store.db"])
  }

  @Test func exportsNothingOfADamagedStore() async throws {
    try await makeReplica()
    try work.copy("store.db", to: "flipped.db")
    try Bytes.flip(work.file("flipped.db"), byte: 50 * 4096 + 9)
    try work.copy("store.db", to: "gap.db")
    _ = try SQLCipherShell.lines(work.file("gap.db"), key: TestKeys.firstHex, "DELETE FROM tail WHERE page = 20;")
    for name in ["flipped.db", "gap.db"] {
      try work.runWithFirstKey("export", name, "out.db", "--plaintext", "--yes-write-plaintext")
        .expectFailure(65, hint: true)
      #expect(!Bytes.exists(work.file("out.db")))
    }
    #expect(try work.leftovers() == [])
  }

  // MARK: - recover

  @Test func recoversAStoreOnlyAsAWhole() async throws {
    let digest = try await makeReplica()
    try work.runWithFirstKey("recover", "store.db", "whole.db").expectSuccess()
    #expect(try imageDigest("whole.db") == digest)
    try work.runWithFirstKey("verify", "whole.db").expectSuccess()
    try Bytes.flip(work.file("store.db"), byte: 50 * 4096 + 9)
    try work.runWithFirstKey("recover", "store.db", "part.db")
      .expectFailure(65, saying: "lost 1 of its pages", "pull it again", hint: true)
    #expect(!Bytes.exists(work.file("part.db")))
    #expect(try work.leftovers() == [])
  }

  @Test func aStoreUnderMixedKeysIsSavedUnderOne() async throws {
    let digest = try await makeReplica()
    try MixedKeys.encrypt(
      pages: [3, 9, 30], of: work.file("store.db"), from: TestKeys.first(), to: TestKeys.second())
    let saved = try work.runWithFirstKey("recover", "store.db", "one.db", "--old-key-file", "second.key")
    saved.expectSuccess()
    #expect(try imageDigest("one.db") == digest)
  }
}
