import EncryptedStorage
import EncryptionKeys
import Foundation
import TestSupport
import Testing

@Suite("rekey of page stores")
struct StoreRekeyCommandTests {
  let work: Workspace
  let digest: String

  init() async throws {
    work = try Workspace()
    try work.makePlaintext()
    try await SampleStore.makeReplica(work.file("store.db"), of: work.file("plain.db"), key: TestKeys.first())
    digest = try #require(work.digest("plain.db", key: nil))
  }

  private func imageDigest(key: String) throws -> String? {
    let result = try work.run("query", "store.db", Sample.digestSQL, "--format", "csv", "--key-file", key)
    guard result.status == 0 else { return nil }
    return result.output.split(separator: "\n").last.map { Workspace.short(String($0)) }
  }

  /// Everything that a store is, as the `sqlcipher` command line sees it.
  private func container(_ key: String, settings: String = "") throws -> [String] {
    try SQLCipherShell.lines(
      work.file("store.db"), key: key, settings: settings,
      """
      PRAGMA application_id; PRAGMA user_version; PRAGMA integrity_check; SELECT group_concat(sql, ';') FROM sqlite_schema;
      SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite%' ORDER BY name;
      SELECT * FROM meta; SELECT position, epoch, page_count, hex(pages) FROM change;
      SELECT count(*), sum(length(data)), max(hex(data)) FROM head; SELECT count(*), max(hex(data)) FROM tail;
      """)
  }

  @Test func givesAStoreAnotherKeyAndProfileAndItStaysAStore() throws {
    let former = try container(TestKeys.firstHex)
    #expect(former.first == "\(0x414c_5053)")
    #expect(former.contains("head|1") && former.contains("meta|1"))
    let pages = try work.runWithFirstKey("rekey", "store.db", "--new-key-file", "second.key")
    pages.expectSuccess()
    #expect(pages.output.contains("verified"))
    #expect(try container(TestKeys.secondHex) == former)
    #expect(try imageDigest(key: "second.key") == digest)
    #expect(try imageDigest(key: "first.key") == nil)
    try work.run("verify", "store.db", "--key-file", "second.key").expectSuccess()
    for (profile, settings) in [("sqlcipher4-sha256", sha256Settings), ("sqlcipher4", "")] {
      let copied = try work.run("rekey", "store.db", "--cipher", profile, "--key-file", "second.key")
      copied.expectSuccess()
      #expect(copied.output.contains("compared row by row"))
      #expect(try container(TestKeys.secondHex, settings: settings) == former)
      #expect(try imageDigest(key: "second.key") == digest)
      try work.run("verify", "store.db", "--key-file", "second.key").expectSuccess()
    }
    #expect(try work.names(beginningWith: "store") == ["store.db"])
  }

  @Test(arguments: [["--new-key-file", "second.key"], ["--cipher", "sqlcipher4-sha256"]])
  func aReplicaWhosePullHasBegunKeepsItsKey(arguments: [String]) async throws {
    try await SampleStore.makeReplica(
      work.file("partial.db"), of: work.file("plain.db"), key: TestKeys.first(), pulledPageCount: 40)
    let command = ["rekey", "partial.db", "--key-file", "first.key"] + arguments
    let before = try work.folder.contents()
    try Tool.run(command, directory: work.folder.path)
      .expectFailure(75, saying: "first pull has not finished", "partial.db.albergue-bootstrap", hint: true)
    #expect(try work.folder.contents() == before)
    for name in try work.names(beginningWith: "partial.db.albergue-bootstrap") {
      try FileManager.default.removeItem(atPath: work.file(name))
    }
    try Tool.run(command, directory: work.folder.path).expectSuccess()
    #expect(try work.names(beginningWith: "partial") == ["partial.db"])
  }

  @Test(arguments: [["--new-key-file", "second.key"], ["--cipher", "sqlcipher4-sha256"]])
  func aReaderOfTheImageKeepsTheFileAsItIs(arguments: [String]) async throws {
    let command = ["rekey", "store.db", "--key-file", "first.key"] + arguments
    let before = try Bytes.read(work.file("store.db"))
    let reader = try await SampleStore.factory(TestKeys.first()).open(work.file("store.db"))
    // Between two queries, and in the middle of one.
    try Tool.run(command, directory: work.folder.path).expectFailure(75, hint: true)
    let work = work
    let rows = try await reader.run { session in
      var refusal: Subprocess?
      var count = 0
      try session.forEachRow("SELECT id FROM pilgrim") { _ in
        if count == 0 { refusal = try Tool.run(command, directory: work.folder.path) }
        count += 1
      }
      refusal?.expectFailure(75, hint: true)
      return count
    }
    #expect(rows == 400)
    #expect(try Bytes.read(work.file("store.db")) == before)
    await reader.close()
    try Tool.run(command, directory: work.folder.path).expectSuccess()
    #expect(try work.leftovers() == [])
  }

  @Test func readersWhileRotationsRunAreToldToWaitOrGetTheirRows() async throws {
    let work = work
    let digest = digest
    try work.write(
      "one 2026-01-01 active sqlcipher4 file:first.key\ntwo 2026-01-02 retiring sqlcipher4 file:second.key\n",
      to: "ring")
    let statuses = try await withThrowingTaskGroup(of: (String, Int32).self) { group in
      group.addTask {
        var last: Int32 = 0
        for round in 1...6 {
          last =
            try work.run("rekey", "store.db", "--keyring", "ring", "--to-key-id", round % 2 == 0 ? "one" : "two").status
          if last != 0, last != 75 { break }
        }
        return ("rekey", last)
      }
      for _ in 1...2 {
        group.addTask {
          var last: Int32 = 0
          for _ in 1...8 {
            let result = try work.run(
              "query", "store.db", Sample.digestSQL, "--format", "csv", "--keyring", "ring")
            last = result.status
            guard last == 0 else {
              if last != 75 { break }
              continue
            }
            let found = result.output.split(separator: "\n").last.map { Workspace.short(String($0)) }
            if found != digest { return ("query: other rows", 1) }
          }
          return ("query", last)
        }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(statuses.allSatisfy { $0.1 == 0 || $0.1 == 75 }, "\(statuses)")
    try work.run("verify", "store.db", "--keyring", "ring").expectSuccess()
    #expect(try work.leftovers() == [])
  }

  @Test(
    arguments: ["journal", "created", "rewritten", "verified", "synchronized", "log removed", "renamed"],
    [["--new-key-file", "second.key"], ["--cipher", "sqlcipher4-sha256"]])
  func aKilledRotationLeavesAStoreUnderOneKey(point: String, arguments: [String]) throws {
    let command = ["rekey", "store.db", "--key-file", "first.key"] + arguments
    let killed = try Tool.run(command, environment: ["ALBERGUE_CRASH_POINT": point], directory: work.folder.path)
    // A copy of rows passes fewer points.
    guard killed.status != 0 else { return }
    #expect(killed.status == 137)
    let key = try imageDigest(key: "first.key") == digest ? "first.key" : "second.key"
    #expect(try imageDigest(key: key) == digest)
    #expect(try work.leftovers() == [])
    try Tool.run(command, directory: work.folder.path).expectSuccess()
    let newKey = arguments[0] == "--cipher" ? "first.key" : "second.key"
    #expect(try imageDigest(key: newKey) == digest)
    try work.run("verify", "store.db", "--key-file", newKey).expectSuccess()
    #expect(try work.names(beginningWith: "store") == ["store.db"])
  }
}
