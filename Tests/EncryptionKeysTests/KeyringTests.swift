import Glibc
import Logging
import Testing

@testable import EncryptionKeys

@Suite("Keyrings")
struct KeyringTests {
  private static let active = "k1 2026-01-01 active sqlcipher4 raw:hex:\(Fixtures.hex)"

  private func load(_ text: String) throws -> Keyring {
    let folder = try TemporaryFolder()
    return try Keyring.load(path: folder.write(text, to: "keyring"))
  }

  @Test func readsFieldsBetweenCommentsAndBlankLines() throws {
    let keyring = try load(
      "# comment\n\n  \t\n\(Self.active)\r\n  # more\nold\t2024-02-29  retired \t sqlcipher4-sha256  env:A_1")
    #expect(keyring.entries.map(\.id.name) == ["k1", "old"])
    #expect(keyring.active.id.name == "k1")
    #expect(keyring.active.source == .raw)
    #expect(try keyring.active.material().bytes() == Fixtures.bytes)
    let old = try keyring.entry(id: "old")
    #expect(old.created == "2024-02-29")
    #expect(old.state == .retired)
    #expect(old.profile == .sqlcipher4SHA256)
    #expect(old.source == .environment("A_1"))
  }

  @Test(arguments: [
    ("env:NAME", KeySource.environment("NAME")), ("file:/run/a b", .file("/run/a b")),
    ("cred:name", .credential("name")),
    ("command:pass show 'a b'", .command(["pass", "show", "a b"])),
  ])
  func readsEveryKindOfSourceWithoutUsingIt(text: String, source: KeySource) throws {
    let keyring = try load("\(Self.active)\nk2 2026-01-01 retired sqlcipher4 \(text)\n")
    #expect(keyring.entries[1].source == source)
  }

  @Test(arguments: [
    ("k2 2026-01-01 retired sqlcipher4", "too few fields"), ("k2", "too few fields"),
    ("k;2 2026-01-01 retired sqlcipher4 env:A", "field id"),
    ("k2 2026-02-29 retired sqlcipher4 env:A", "field created"),
    ("k2 2026-13-01 retired sqlcipher4 env:A", "field created"),
    ("k2 26-01-01 retired sqlcipher4 env:A", "field created"),
    ("k2 2026-01-+1 retired sqlcipher4 env:A", "field created"),
    ("k2 2026-01-01 Active sqlcipher4 env:A", "field state"),
    ("k2 2026-01-01 retired sqlcipher5 env:A", "field profile"),
    ("k2 2026-01-01 retired aes256cbc env:A", "unauthenticated"),
    ("k2 2026-01-01 retired sqlcipher4 vault:A", "field source"),
    ("k2 2026-01-01 retired sqlcipher4 env:", "field source"),
    ("k2 2026-01-01 retired sqlcipher4 env:1A", "field source"),
    ("k2 2026-01-01 retired sqlcipher4 file:", "field source"),
    ("k2 2026-01-01 retired sqlcipher4 cred:../a", "field source"),
    ("k2 2026-01-01 retired sqlcipher4 cred:..", "field source"),
    ("k2 2026-01-01 retired sqlcipher4 command:", "field source"),
    ("k2 2026-01-01 retired sqlcipher4 command:'a", "field source"),
    ("k2 2026-01-01 retired sqlcipher4 command:raw:hex:\(Fixtures.hex)", "two kinds of source"),
    ("k2 2026-01-01 retired sqlcipher4 command: 'hex:\(Fixtures.hex)'", "two kinds of source"),
    ("k2 2026-01-01 retired sqlcipher4 file:hex:\(Fixtures.hex)", "two kinds of source"),
    ("k2 2026-01-01 retired sqlcipher4 cred:passphrase:peregrina", "two kinds of source"),
    ("k2 2026-01-01 retired sqlcipher4 env:A ", "whitespace"),
    ("k2 2026-01-01 retired sqlcipher4 raw:hex:00", "2 hex digits"),
    ("k2 2026-01-01 retired sqlcipher4 raw:abc", "prefix"),
    ("k1 2026-01-01 retired sqlcipher4 env:A", "used in line 2"),
    ("k2 2026-01-01 retired sqlcipher4 file:a\u{1}b", "control character"),
  ])
  func anErrorNamesLineAndField(line: String, expected: String) throws {
    let error = try keyError { _ = try load("# comment\n\(Self.active)\n\(line)\n") }
    #expect(error.code == .unusable)
    #expect(error.message.contains("line 3"), "\(error)")
    #expect(error.message.contains(expected), "\(error)")
  }

  @Test func oneVariableHoldsOneKey() throws {
    let line = "2026-01-01 retired sqlcipher4 env:A"
    let error = try keyError { _ = try load("\(Self.active)\nk2 \(line)\nk3 \(line)\n") }
    #expect(error.message.contains("line 3") && error.message.contains("variable A"))
  }

  @Test func needsExactlyOneActiveKey() throws {
    let second = "k2 2026-01-01 active sqlcipher4 env:A"
    #expect(
      try keyError { _ = try load("\(Self.active)\n\(second)\n") }.message.contains("2 active keys, in lines 1, 2"))
    #expect(try keyError { _ = try load("k2 2026-01-01 retired sqlcipher4 env:A\n") }.message.contains("no active key"))
    #expect(try keyError { _ = try load("") }.message.contains("no active key"))
  }

  @Test func anUnknownIdentifierIsMissingAndTheKnownAreListed() throws {
    let keyring = try load(Self.active)
    let error = try keyError { _ = try keyring.entry(id: "k9") }
    #expect(error.code == .missing)
    #expect(error.hint == "known: k1")
    #expect(try keyError { _ = try keyring.entry(id: Fixtures.hex) }.code == .usage)
  }

  @Test func refusesAKeyringThatOthersCanRead() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(Self.active, to: "keyring", mode: 0o644)
    #expect(try keyError { _ = try Keyring.load(path: path) }.code == .permission)
    #expect(try Keyring.load(path: path, options: KeyLoadingOptions(allowInsecurePermissions: true)).entries.count == 1)
  }

  @Test func aRelativeFileStartsAtTheKeyringsFolder() throws {
    let folder = try TemporaryFolder()
    try folder.write(Fixtures.base64 + "\n", to: "a.key")
    let path = try folder.write("k1 2026-01-01 active sqlcipher4 file:a.key\n", to: "keyring")
    #expect(try Keyring.load(path: path).active.material().bytes() == Fixtures.bytes)
  }

  @Test func aSourceIsReadWhenNeededAndOnce() throws {
    let folder = try TemporaryFolder()
    let script = try folder.write("echo x >> \"$1\"\necho \(Fixtures.hex)\n", to: "script")
    let path = try folder.write(
      "k1 2026-01-01 active sqlcipher4 command:sh \(script) \(folder("runs"))\n", to: "keyring")
    let keyring = try Keyring.load(path: path)
    #expect(!folder.names().contains("runs"))
    let first = try keyring.active.material()
    #expect(try keyring.entries[0].material() === first)
    #expect(try folder.read("runs") == "x\n")
  }

  @Test func aSourceThatFailsNamesTheLine() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("\nk1 2026-01-01 active sqlcipher4 file:absent\n", to: "keyring")
    let error = try keyError { _ = try Keyring.load(path: path).active.material() }
    #expect(error.code == .missing)
    #expect(error.message.contains("line 2") && error.message.contains(folder("absent")))
  }

  @Test func theExampleLoadsAndItsUnreachableSourcesStayUnread() throws {
    let repository = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    let folder = try TemporaryFolder()
    let path = try folder.write(TemporaryFolder.contents("/\(repository)/keys.example"), to: "keyring")
    let keyring = try Keyring.load(path: path)
    #expect(try keyring.active.material().bytes() == Fixtures.bytes)
    #expect(try keyring.entries[1].material().bytes() == (0x20..<0x40).map { UInt8($0) })
    #expect(try keyring.entries[2].material().isPassphrase)
    let kinds = Set(keyring.entries.map { "\($0.source)".prefix { $0 != ":" } })
    #expect(kinds == ["raw", "env", "file", "cred", "command"])
    #expect(Set(keyring.entries.map(\.profile)) == Set(CipherProfile.allCases))
    #expect(Set(keyring.entries.map(\.state)) == Set(KeyState.allCases))
  }
}

@Suite("Key sets")
struct KeySetTests {
  private func load(_ lines: [String], keyID: String? = nil, log: RecordingLog = RecordingLog()) throws -> KeySet {
    let folder = try TemporaryFolder()
    let path = try folder.write(lines.joined(separator: "\n") + "\n", to: "keyring")
    return try KeySources.load(
      KeySelection(keyID: keyID, keyringFile: path), options: KeyLoadingOptions(logger: log.logger))
  }

  private let old = "old 2025-01-01 retiring sqlcipher4-sha256 raw:passphrase:old"
  private let new = "new 2026-01-01 active sqlcipher4 raw:hex:\(Fixtures.hex)"

  @Test func thePrimaryKeyComesFirst() throws {
    let set = try load([old, new])
    #expect(set.primary.id.name == "new")
    #expect(set.primaryProfile == .sqlcipher4)
    #expect(try set.candidates().map(\.id.name) == ["new", "old"])
  }

  @Test func aKeyIdentifierChoosesThePrimaryKey() throws {
    let set = try load([new, old], keyID: "old")
    #expect(set.primary.id.name == "old")
    #expect(set.primaryProfile == .sqlcipher4SHA256)
    #expect(try set.candidates().map(\.id.name) == ["old", "new"])
  }

  @Test func aRetiredKeyThatIsGoneIsSkippedWithOneWarning() throws {
    let log = RecordingLog()
    let set = try load([new, "gone 2024-01-01 retired sqlcipher4 file:/nonexistent/key"], log: log)
    for _ in 0..<3 { #expect(try set.candidates().map(\.id.name) == ["new"]) }
    let warnings = log.messages.filter { $0.contains("gone") }
    #expect(warnings.count == 1)
    #expect(warnings.first?.hasPrefix("warning") == true)
  }

  @Test func aRetiringOrActiveKeyThatIsGoneIsAnError() throws {
    let retiring = try load([new, "gone 2024-01-01 retiring sqlcipher4 file:/nonexistent/key"])
    #expect(try keyError { _ = try retiring.candidates() }.code == .missing)
    let active = ["gone 2024-01-01 active sqlcipher4 file:/nonexistent/key", old]
    #expect(try keyError { _ = try load(active) }.code == .missing)
    let chosen = try load(active, keyID: "old")
    #expect(try keyError { _ = try chosen.candidates() }.code == .missing)
  }
}

@Suite("Calendar dates")
struct CalendarDateTests {
  @Test(arguments: [
    (0, "1970-01-01"), (-1, "1969-12-31"), (11_016, "2000-02-29"), (11_017, "2000-03-01"), (20_454, "2026-01-01"),
    (47_540, "2100-02-28"), (47_541, "2100-03-01"),
  ])
  func countsDays(days: Int, text: String) {
    #expect(CalendarDate(daysSince1970: days).description == text)
    #expect(CalendarDate(parsing: text) == CalendarDate(daysSince1970: days))
  }

  @Test func agreesWithTheCLibrary() {
    for days in stride(from: -40_000, to: 80_000, by: 37) {
      var seconds = time_t(days * 86_400)
      var fields = tm()
      gmtime_r(&seconds, &fields)
      let date = CalendarDate(daysSince1970: days)
      #expect(date.year == Int(fields.tm_year) + 1900 && date.month == Int(fields.tm_mon) + 1)
      #expect(date.day == Int(fields.tm_mday))
    }
  }
}
