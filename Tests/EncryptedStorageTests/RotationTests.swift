import EncryptionKeys
import Foundation
import TestSupport
import Testing

@testable import EncryptedStorage

@Suite("Rotation")
struct RotationTests {
  let folder: TemporaryDirectory
  let path: String

  init() throws {
    folder = try TemporaryDirectory()
    path = folder.file("hostel.db")
  }

  private func rotation(from: KeyMaterial, to: KeyMaterial, profile: CipherProfile? = nil) -> Rotation {
    Rotation(factory: ConnectionFactory(key: from), to: to, profile: profile)
  }

  private func code(_ body: () async throws -> Void) async -> EncryptedStorageError.Code? {
    do {
      try await body()
      return nil
    } catch { return (error as? EncryptedStorageError)?.code }
  }

  @Test(arguments: CipherProfile.allCases)
  func givesEveryRowToTheNewKeyAndNothingToTheOld(profile: CipherProfile) async throws {
    try await Sample.make(path, key: TestKeys.first(), profile: profile)
    let digest = try await Sample.digest(path, key: TestKeys.first())
    let oldSalt = try Bytes.read(path).prefix(16)
    let outcome = try await rotation(from: TestKeys.first(), to: TestKeys.second()).run(path)
    #expect(outcome.method == .pages)
    #expect(outcome.fromKeyID.name == "first" && outcome.toKeyID.name == "second")
    #expect(try await Sample.digest(path, key: TestKeys.second()) == digest)
    #expect(await code { _ = try await ConnectionFactory(key: TestKeys.first()).open(path) } == .wrongKey)
    #expect(try Bytes.read(path).prefix(16) != oldSalt)
    #expect(try await FileClassifier(keys: [TestKeys.second()]).run(path).profile == profile.rawValue)
    #expect(try leftovers() == [])
  }

  @Test func leavesNoPageWithTheBytesItHad() async throws {
    try await Sample.make(path, key: TestKeys.first())
    let before = try Bytes.read(path)
    _ = try await rotation(from: TestKeys.first(), to: TestKeys.second()).run(path)
    let after = try Bytes.read(path)
    #expect(before.count == after.count)
    for start in stride(from: 0, to: before.count, by: 4096) {
      #expect(before[start..<(start + 64)] != after[start..<(start + 64)])
    }
  }

  @Test(arguments: [
    (CipherProfile.sqlcipher4, CipherProfile.sqlcipher4SHA256), (.sqlcipher4SHA256, .sqlcipher4),
  ])
  func changesTheProfileWithRowsSettingsAndReserve(from: CipherProfile, to: CipherProfile) async throws {
    try await Sample.make(
      path, key: TestKeys.first(), profile: from,
      sql: """
        PRAGMA user_version = 77; PRAGMA application_id = 88;
        \(Sample.sql)
        PRAGMA user_version = 77; PRAGMA application_id = 88;
        """)
    let digest = try await Sample.digest(path, key: TestKeys.first())
    let outcome = try await rotation(from: TestKeys.first(), to: TestKeys.second(), profile: to).run(path)
    #expect(outcome.method == .copy)
    #expect(try await Sample.digest(path, key: TestKeys.second()) == digest)
    let file = try RawDatabaseFile(path: path)
    let match = try #require(try KeyTrial.match(file, candidates: [TestKeys.second()]))
    let header = try #require(try StoredHeader.read(file, keys: match.keys))
    #expect(match.format == to.format)
    #expect(header.reserve == to.format.reserve)
    #expect(header.userVersion == 77 && header.applicationID == 88)
    #expect(try leftovers() == [])
  }

  @Test func changesOnlyTheProfileUnderTheSameKey() async throws {
    try await Sample.make(path, key: TestKeys.first())
    let outcome = try await rotation(
      from: TestKeys.first(), to: TestKeys.first(), profile: .sqlcipher4SHA256
    ).run(path)
    #expect(outcome.method == .copy)
    #expect(try await Sample.digest(path, key: TestKeys.first()) != nil)
  }

  @Test func rotatesBetweenRawKeysAndPassphrases() async throws {
    try await Sample.make(path, key: TestKeys.first())
    let digest = try await Sample.digest(path, key: TestKeys.first())
    _ = try await rotation(from: TestKeys.first(), to: TestKeys.passphraseKey()).run(path)
    #expect(try await Sample.digest(path, key: TestKeys.passphraseKey()) == digest)
    _ = try await rotation(from: TestKeys.passphraseKey(), to: TestKeys.second()).run(path)
    #expect(try await Sample.digest(path, key: TestKeys.second()) == digest)
  }

  @Test func saysWhenThereIsNothingToDo() async throws {
    try await Sample.make(path, key: TestKeys.second())
    let before = try Bytes.read(path)
    let outcome = try await rotation(from: TestKeys.first(), to: TestKeys.second()).run(path)
    #expect(outcome.method == .none)
    #expect(try Bytes.read(path) == before)
  }

  @Test func takesAlongWhatIsOnlyInTheLog() async throws {
    try await Sample.make(path, key: TestKeys.first())
    // A writer that dies leaves a log; a copy of both files is the same thing.
    let writer = try await ConnectionFactory(key: TestKeys.first()).open(path, .writer)
    try await writer.run { _ = try $0.execute("INSERT INTO pilgrim VALUES (1000, 'from the log', x'00')") }
    let copy = folder.file("copy.db")
    for suffix in ["", "-wal"] {
      try FileManager.default.copyItem(atPath: path + suffix, toPath: copy + suffix)
    }
    await writer.close()
    #expect(Bytes.size(copy + "-wal") > 0)
    _ = try await rotation(from: TestKeys.first(), to: TestKeys.second()).run(copy)
    #expect(!Bytes.exists(copy + "-wal"))
    let connection = try await ConnectionFactory(key: TestKeys.second()).open(copy)
    #expect(
      try await connection.run { try $0.value("SELECT name FROM pilgrim WHERE id = 1000") } == "from the log")
    await connection.close()
  }

  @Test func refusesWhileAConnectionOfThisProcessHasTheFileOpen() async throws {
    try await Sample.make(path, key: TestKeys.first())
    let before = try Bytes.read(path)
    let connection = try await ConnectionFactory(key: TestKeys.first()).open(path)
    #expect(
      await code { _ = try await rotation(from: TestKeys.first(), to: TestKeys.second()).run(path) } == .busy)
    // The rotation's own look at the file has not dropped the connection's locks.
    #expect(try await connection.run { try $0.value("SELECT count(*) FROM pilgrim") } == 400)
    await connection.close()
    #expect(try Bytes.read(path) == before)
    #expect(try leftovers() == [])
  }

  @Test func refusesWhileAnotherProgramHasTheFileOpenEvenIdle() async throws {
    try await Sample.make(path, key: TestKeys.first())
    // tail(1) holds no lock at all, like an idle connection in rollback mode.
    let holder = ChildProgram()
    holder.executableURL = URL(fileURLWithPath: "/usr/bin/tail")
    holder.arguments = ["-f", path]
    holder.setOutput(FileHandle.nullDevice)
    holder.setErrors(FileHandle.nullDevice)
    try holder.run()
    defer {
      kill(holder.processIdentifier, SIGKILL)
      holder.waitUntilExit()
    }
    while try !Self.hasOpen(holder.processIdentifier, path) { try await Task.sleep(for: .milliseconds(5)) }
    #expect(
      await code { _ = try await rotation(from: TestKeys.first(), to: TestKeys.second()).run(path) } == .busy)
    #expect(try await Sample.digest(path, key: TestKeys.first()) != nil)
  }

  @Test func refusesADamagedFileAndLeavesItAsItIs() async throws {
    try await Sample.make(path, key: TestKeys.first())
    try Bytes.flip(path, byte: 50 * 4096 + 9)
    let before = try Bytes.read(path)
    #expect(
      await code { _ = try await rotation(from: TestKeys.first(), to: TestKeys.second()).run(path) } == .damaged)
    #expect(
      await code {
        _ = try await rotation(from: TestKeys.first(), to: TestKeys.second(), profile: .sqlcipher4SHA256).run(path)
      } == .damaged)
    #expect(try Bytes.read(path) == before)
    #expect(try leftovers() == [])
  }

  @Test func refusesAWrongKeyWithoutTouchingTheFile() async throws {
    try await Sample.make(path, key: TestKeys.first())
    let before = try Bytes.read(path)
    let wrong = try TestKeys.raw("third", TestKeys.thirdHex)
    #expect(await code { _ = try await rotation(from: wrong, to: TestKeys.second()).run(path) } == .wrongKey)
    #expect(try Bytes.read(path) == before)
  }

  @Test func keepsTheModeOfTheFileAndFollowsLinks() async throws {
    try await Sample.make(path, key: TestKeys.first())
    try Bytes.setMode(path, 0o640)
    let link = folder.file("link.db")
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: path)
    _ = try await rotation(from: TestKeys.first(), to: TestKeys.second()).run(link)
    #expect(Bytes.mode(path) == 0o640)
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link) == path)
    #expect(try await Sample.digest(path, key: TestKeys.second()) != nil)
  }

  @Test func undoesEverythingWhenCancelled() async throws {
    try await Sample.make(path, key: TestKeys.first())
    let before = try Bytes.read(path)
    let rotation = try rotation(from: TestKeys.first(), to: TestKeys.second())
    let task = Task { [path] in
      withUnsafeCurrentTask { $0?.cancel() }
      return try await rotation.run(path)
    }
    #expect(await code { _ = try await task.value } == .cancelled)
    #expect(try Bytes.read(path) == before)
    #expect(try leftovers() == [])
  }

  @Test func settlesWhatAKilledRotationLeft() async throws {
    try await Sample.make(path, key: TestKeys.first())
    let temporary = path + ".abc" + TemporaryFile.suffix
    try Bytes.write(Data(repeating: 9, count: 5000), to: temporary)
    let journal = RotationJournal(temporaryName: "hostel.db.abc.albergue-tmp", fromKeyID: "first", toKeyID: "second")
    try Bytes.write(Data(journal.bytes), to: RotationJournal.path(for: path))
    #expect(try await FileClassifier(keys: [TestKeys.first()]).run(path).rotation == "interrupted")
    // A plain open undoes it.
    #expect(try await Sample.digest(path, key: TestKeys.first()) != nil)
    #expect(try leftovers() == [])
  }

  @Test func removesNothingThatAForgedJournalNames() async throws {
    try await Sample.make(path, key: TestKeys.first())
    let victim = folder.file("victim")
    try Bytes.write(Data("precious".utf8), to: victim)
    for name in ["victim", "../victim", "hostel.db.x/../victim", "hostel.db"] {
      try Bytes.write(
        Data("albergue-rotation: 1\ntemporary: \(name)\nfrom: a\nto: b\n".utf8), to: RotationJournal.path(for: path))
      #expect(try await Sample.digest(path, key: TestKeys.first()) != nil)
      #expect(try Bytes.read(victim) == Data("precious".utf8))
    }
  }

  // MARK: - Helpers

  /// What a rotation may not leave beside the file.
  private func leftovers() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.path).filter {
      $0.hasSuffix(TemporaryFile.suffix) || $0.hasSuffix(RotationJournal.suffix) || $0.hasSuffix("-journal")
    }
  }

  private static func hasOpen(_ process: Int32, _ path: String) throws -> Bool {
    let folder = "/proc/\(process)/fd"
    return try FileManager.default.contentsOfDirectory(atPath: folder).contains {
      (try? FileManager.default.destinationOfSymbolicLink(atPath: folder + "/" + $0)) == path
    }
  }
}
