import EncryptionKeys
import Foundation
import TestSupport
import Testing

@Suite("keygen")
struct KeygenCommandTests {
  let work: Workspace

  init() throws { work = try Workspace() }

  @Test func printsSixtyFourHexDigitsAndNothingElse() throws {
    let result = try work.run("keygen")
    result.expectSuccess()
    #expect(result.output.wholeMatch(of: /[0-9a-f]{64}\n/) != nil)
    #expect(try work.run("keygen").output != result.output)
  }

  @Test func printedKeyIsAKeyFile() throws {
    try work.write(try work.run("keygen").output, to: "new.key")
    try work.run("init", "a.db", "--key-file", "new.key").expectSuccess()
    try work.run("verify", "a.db", "--key-file", "new.key").expectSuccess()
  }

  @Test func keyringIsPrivateAndTheSecondKeyDemotesTheFirst() throws {
    let first = try work.run("keygen", "--keyring", "ring", "--id", "2026-a")
    first.expectSuccess()
    #expect(first.output == "added key 2026-a to ring; it is the active key now\n")
    #expect(Bytes.mode(work.file("ring")) == 0o600)
    try work.run("keygen", "--keyring", "ring", "--id", "2026-b", "--cipher", "sqlcipher4-sha256").expectSuccess()
    let keyring = try Keyring.load(path: work.file("ring"))
    #expect(keyring.active.id.name == "2026-b")
    #expect(keyring.active.profile == .sqlcipher4SHA256)
    #expect(try keyring.entry(id: "2026-a").state == .retiring)
    // The key itself is shown nowhere.
    let text = String(decoding: try Bytes.read(work.file("ring")), as: UTF8.self)
    for digits in text.matches(of: /[0-9a-f]{64}/) { #expect(!first.output.contains(digits.output)) }
  }

  @Test func refusesAnIdThatIsTakenAndLeavesTheKeyringAsItWas() throws {
    _ = try work.run("keygen", "--keyring", "ring", "--id", "a")
    let before = try Bytes.read(work.file("ring"))
    try work.run("keygen", "--keyring", "ring", "--id", "a").expectFailure(73, saying: "id a exists")
    #expect(try Bytes.read(work.file("ring")) == before)
    #expect(try work.names(beginningWith: "ring").allSatisfy { !$0.contains("tmp") })
  }

  @Test func anIdWithoutAKeyringIsAUsageError() throws {
    try work.run("keygen", "--id", "a").expectFailure(64, saying: "--id needs --keyring")
    try work.run("keygen", "--keyring", "ring", "--id", "a b").expectFailure(64, saying: "key id")
    #expect(try work.names(beginningWith: "ring") == [])
  }

  @Test func refusesAKeyringThatOthersCanReadOrThatIsBroken() throws {
    _ = try work.run("keygen", "--keyring", "ring", "--id", "a")
    try Bytes.setMode(work.file("ring"), 0o644)
    try work.run("keygen", "--keyring", "ring", "--id", "b").expectFailure(77, saying: "mode 0644", hint: true)
    try work.write("a 2026-01-01 active sqlcipher4\n", to: "broken")
    try work.run("keygen", "--keyring", "broken").expectFailure(77, saying: "line 1", "too few fields")
    try work.run("keygen", "--keyring", "no/such/ring").expectFailure(66)
  }

  @Test func twentyAtOnceMakeTwentyKeysAndOneActive() async throws {
    // Each process reads, changes and replaces the file; without a lock between them keys would be lost.
    let work = work
    try await withThrowingTaskGroup(of: Int32.self) { group in
      for number in 1...20 {
        group.addTask { try work.run("keygen", "--keyring", "ring", "--id", "key-\(number)").status }
      }
      for try await status in group { #expect(status == 0) }
    }
    let keyring = try Keyring.load(path: work.file("ring"))
    #expect(Set(keyring.entries.map(\.id.name)) == Set((1...20).map { "key-\($0)" }))
    #expect(keyring.entries.count { $0.state == .active } == 1)
  }

  @Test func saysWhenTheOutputCannotBeWritten() throws {
    let result = try Subprocess.run("sh", ["-c", "exec \"$0\" keygen > /dev/full", Tool.path])
    result.expectFailure(74, saying: "cannot write to standard output")
  }
}
