import Glibc
import Testing

@testable import EncryptionKeys

@Suite("Appending to a keyring")
struct KeyringAppendTests {
  @Test func makesAFileForItsOwnerOnly() throws {
    let folder = try TemporaryFolder()
    let id = try Keyring.appendKey(path: folder("keyring"), profile: .sqlcipher4SHA256, created: "2026-03-01")
    #expect(id.name == "k-2026-03-01")
    #expect(folder.permissions("keyring") == 0o600)
    #expect(folder.names() == ["keyring"])
    let keyring = try Keyring.load(path: folder("keyring"))
    #expect(keyring.active.id == id)
    #expect(keyring.active.profile == .sqlcipher4SHA256)
    #expect(keyring.active.created == "2026-03-01")
    #expect(try !keyring.active.material().isPassphrase)
  }

  @Test func defaultsToTodayInUTC() throws {
    let folder = try TemporaryFolder()
    let before = CalendarDate.today().description
    let id = try Keyring.appendKey(path: folder("keyring"))
    #expect([before, CalendarDate.today().description].contains(String(id.name.dropFirst(2))))
  }

  @Test func keepsEveryOtherByteAndRetiresTheFormerKey() throws {
    let folder = try TemporaryFolder()
    let before =
      "# caf\u{e9}\t \r\n\n old\t2025-01-01   retired sqlcipher4  env:A\nk1  2026-01-01\tactive  sqlcipher4 raw:hex:"
    let after = "\(Fixtures.hex)\n   # active at the end"
    try folder.write(before + after, to: "keyring")
    _ = try Keyring.appendKey(path: folder("keyring"), id: "k2", created: "2026-03-01")
    let text = try folder.read("keyring")
    let expected = before.split(separator: "\tactive").joined(separator: "\tretiring") + after + "\n"
    #expect(text.hasPrefix(expected + "k2  2026-03-01  active  sqlcipher4  raw:hex:"))
    let keyring = try Keyring.load(path: folder("keyring"))
    #expect(keyring.active.id.name == "k2")
    #expect(keyring.entries.map(\.state) == [.retired, .retiring, .active])
    #expect(try keyring.entries[1].material().bytes() == Fixtures.bytes)
  }

  @Test func numbersFurtherKeysOfADay() throws {
    let folder = try TemporaryFolder()
    let ids = try (0..<3).map { _ in try Keyring.appendKey(path: folder("keyring"), created: "2026-03-01").name }
    #expect(ids == ["k-2026-03-01", "k-2026-03-01-2", "k-2026-03-01-3"])
  }

  @Test func refusesAnIdentifierThatIsTakenAndChangesNothing() throws {
    let folder = try TemporaryFolder()
    _ = try Keyring.appendKey(path: folder("keyring"), id: "k1")
    let before = try folder.read("keyring")
    let error = try keyError { _ = try Keyring.appendKey(path: folder("keyring"), id: "k1") }
    #expect(error.code == .exists)
    #expect(error.code.exitCode == 73)
    #expect(try folder.read("keyring") == before)
  }

  @Test(arguments: [("garbage\n", KeyError.Code.unusable), ("k1 2026-01-01 retired sqlcipher4 env:A\n", .unusable)])
  func leavesAKeyringWithErrorsAlone(text: String, code: KeyError.Code) throws {
    let folder = try TemporaryFolder()
    try folder.write(text, to: "keyring")
    #expect(try keyError { _ = try Keyring.appendKey(path: folder("keyring")) }.code == code)
    #expect(try folder.read("keyring") == text)
    #expect(folder.names() == ["keyring"])
  }

  @Test func refusesAWrongDateAndAMissingFolder() throws {
    let folder = try TemporaryFolder()
    #expect(try keyError { _ = try Keyring.appendKey(path: folder("a"), created: "today") }.code == .usage)
    #expect(try keyError { _ = try Keyring.appendKey(path: folder("absent/a")) }.code == .missing)
    #expect(folder.names().isEmpty)
  }

  @Test func refusesAKeyringThatOthersCanRead() throws {
    let folder = try TemporaryFolder()
    try folder.write("", to: "keyring", mode: 0o644)
    #expect(try keyError { _ = try Keyring.appendKey(path: folder("keyring")) }.code == .permission)
  }

  @Test func refusesToGrowPastWhatAReaderReads() throws {
    let folder = try TemporaryFolder()
    _ = try Keyring.appendKey(path: folder("keyring"))
    let full = try folder.read("keyring") + "#" + String(repeating: " ", count: 65_400 - 200) + "\n"
    try folder.write(full, to: "keyring")
    #expect(throws: KeyError.self) {
      for _ in 0..<8 { _ = try Keyring.appendKey(path: folder("keyring")) }
    }
    #expect(try Keyring.load(path: folder("keyring")).entries.count > 0)
  }

  @Test func replacesTheFileBehindASymbolicLink() throws {
    let folder = try TemporaryFolder()
    _ = try Keyring.appendKey(path: folder("real"), id: "k1")
    #expect(symlink("real", folder("link")) == 0)
    _ = try Keyring.appendKey(path: folder("link"), id: "k2")
    var status = stat()
    #expect(lstat(folder("link"), &status) == 0)
    #expect(status.st_mode & S_IFMT == S_IFLNK)
    #expect(try Keyring.load(path: folder("real")).entries.map(\.id.name) == ["k1", "k2"])
  }

  @Test func clearsAwayWhatAnInterruptedWriterLeft() throws {
    let folder = try TemporaryFolder()
    try folder.write("half", to: "keyring.abc123.albergue-tmp")
    _ = try Keyring.appendKey(path: folder("keyring"))
    #expect(folder.names() == ["keyring"])
  }

  @Test(.timeLimit(.minutes(20)))
  func losesNoKeyToConcurrentThreads() async throws {
    let folder = try TemporaryFolder()
    let names = try await withThrowingTaskGroup(of: String.self) { group in
      for _ in 0..<8 {
        group.addTask { try Keyring.appendKey(path: folder("keyring"), created: "2026-03-01").name }
      }
      return try await group.reduce(into: Set<String>()) { $0.insert($1) }
    }
    let keyring = try Keyring.load(path: folder("keyring"))
    #expect(Set(keyring.entries.map(\.id.name)) == names)
    #expect(names.count == 8)
    #expect(keyring.entries.filter { $0.state == .retiring }.count == 7)
  }

  // A lock of this process must also hold against others: two children append while this process does.
  @Test(.timeLimit(.minutes(20)))
  func losesNoKeyToConcurrentProcesses() async throws {
    let folder = try TemporaryFolder()
    let path = folder("keyring")
    async let first: Void = Self.appendInAChild(path: path, prefix: "a")
    async let second: Void = Self.appendInAChild(path: path, prefix: "b")
    for number in 0..<10 { _ = try Keyring.appendKey(path: path, id: "c\(number)") }
    _ = await (first, second)
    let ids = Set(try Keyring.load(path: path).entries.map(\.id.name))
    #expect(ids == Set(["a", "b", "c"].flatMap { prefix in (0..<10).map { "\(prefix)\($0)" } }))
  }

  private static func appendInAChild(path: String, prefix: String) async {
    await #expect(processExitsWith: .success) { [path = path as String, prefix = prefix as String] in
      for number in 0..<10 { _ = try Keyring.appendKey(path: path, id: "\(prefix)\(number)") }
    }
  }

  @Test(.timeLimit(.minutes(20)))
  func saysBusyWhenTheLockIsHeldForTooLong() throws {
    let folder = try TemporaryFolder()
    let holder = open(folder.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    defer { close(holder) }
    #expect(flock(holder, LOCK_EX) == 0)
    let error = try keyError { _ = try Keyring.appendKey(path: folder("keyring")) }
    #expect(error.code == .busy)
    #expect(error.code.exitCode == 75)
  }
}
