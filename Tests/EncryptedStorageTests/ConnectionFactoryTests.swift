import Foundation
import TestSupport
import Testing

@testable import EncryptedStorage
@testable import EncryptionKeys

@Suite("Connection factory")
struct ConnectionFactoryTests {
  let folder: TemporaryDirectory

  init() throws { folder = try TemporaryDirectory() }

  /// The code of the error that opening ends with; nil when it succeeds.
  private func codeOfOpening(
    _ path: String, _ factory: ConnectionFactory, _ access: ConnectionFactory.Access = .reader
  ) async -> EncryptedStorageError.Code? {
    do {
      await (try factory.open(path, access)).close()
      return nil
    } catch { return (error as? EncryptedStorageError)?.code }
  }

  @Test(arguments: CipherProfile.allCases, [false, true])
  func opensWhatItCreatedAndLeavesOneFile(profile: CipherProfile, withPassphrase: Bool) async throws {
    let path = folder.file("a.db")
    let key = try withPassphrase ? TestKeys.passphraseKey() : TestKeys.first()
    try await Sample.make(path, key: key, profile: profile)
    let connection = try await ConnectionFactory(key: key).open(path)
    #expect(try await connection.run { try $0.value("SELECT count(*) FROM pilgrim") } == 400)
    await connection.close()
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == ["a.db"])
    #expect(Bytes.mode(path) == 0o600)
  }

  @Test(arguments: CipherProfile.allCases)
  func givesANewFileTheReserveOfItsProfile(profile: CipherProfile) async throws {
    let path = folder.file("a.db")
    try await Sample.make(path, key: TestKeys.first(), profile: profile)
    let file = try RawDatabaseFile(path: path)
    let match = try #require(try KeyTrial.match(file, candidates: [TestKeys.first()]))
    let header = try #require(try StoredHeader.read(file, keys: match.keys))
    #expect(header.reserve == (profile == .sqlcipher4 ? 80 : 48))
    #expect(match.format == profile.format)
  }

  @Test(arguments: CipherProfile.allCases)
  func tellsAWrongKeyFromEverythingElse(profile: CipherProfile) async throws {
    let path = folder.file("a.db")
    try await Sample.make(path, key: TestKeys.first(), profile: profile)
    #expect(await codeOfOpening(path, ConnectionFactory(key: try TestKeys.second())) == .wrongKey)
    #expect(await codeOfOpening(path, ConnectionFactory(key: try TestKeys.passphraseKey())) == .wrongKey)
    #expect(await codeOfOpening(path, ConnectionFactory(candidates: [])) == .noKey)
  }

  @Test func refusesAnotherProfileThanTheOneAskedFor() async throws {
    let path = folder.file("a.db")
    try await Sample.make(path, key: TestKeys.first(), profile: .sqlcipher4)
    let pinned = ConnectionFactory(key: try TestKeys.first(), profile: .sqlcipher4SHA256)
    #expect(await codeOfOpening(path, pinned) == .profileMismatch)
    let right = ConnectionFactory(key: try TestKeys.first(), profile: .sqlcipher4)
    #expect(await codeOfOpening(path, right) == nil)
  }

  @Test func refusesAPlaintextDatabaseWithAKey() async throws {
    let path = folder.file("plain.db")
    #expect(try SQLCipherShell.run(path, "CREATE TABLE t (a);").status == 0)
    #expect(await codeOfOpening(path, ConnectionFactory(key: try TestKeys.first())) == .plaintext)
  }

  @Test func refusesWhatIsNoDatabase() async throws {
    let factory = ConnectionFactory(key: try TestKeys.first())
    try Bytes.write(Data(), to: folder.file("empty"))
    #expect(await codeOfOpening(folder.file("empty"), factory) == .notADatabase)
    try Bytes.write(Data(String(repeating: "dear diary, ", count: 1000).utf8), to: folder.file("text"))
    #expect(await codeOfOpening(folder.file("text"), factory) == .notADatabase)
    #expect(await codeOfOpening(folder.path, factory) == .notADatabase)
    #expect(await codeOfOpening(folder.file("missing"), factory) == .missing)
    #expect(await codeOfOpening(folder.file("missing/folder.db"), factory) == .missing)
    try Bytes.write(Data("Turso".utf8) + Data(repeating: 7, count: 8192), to: folder.file("turso"))
    #expect(await codeOfOpening(folder.file("turso"), factory) == .unsupportedFormat)
  }

  @Test(arguments: ["with space", "ñandú-中文-🙂", "percent%41", "file:name?mode=ro", "quote'\"", "-dash"])
  func opensFilesWithAnyName(name: String) async throws {
    let path = folder.file(name)
    try await Sample.make(path, key: TestKeys.first())
    #expect(await codeOfOpening(path, ConnectionFactory(key: try TestKeys.first())) == nil)
    #expect(Bytes.exists(path))
  }

  @Test func followsASymbolicLinkToTheRealFile() async throws {
    let path = folder.file("real.db")
    try await Sample.make(path, key: TestKeys.first())
    try FileManager.default.createSymbolicLink(atPath: folder.file("link.db"), withDestinationPath: path)
    let connection = try await ConnectionFactory(key: TestKeys.first()).open(folder.file("link.db"), .writer)
    try await connection.run { _ = try $0.execute("DELETE FROM pilgrim WHERE id = 1") }
    #expect(Bytes.exists(path + "-wal"))
    #expect(!Bytes.exists(folder.file("link.db-wal")))
    await connection.close()
  }

  @Test func createsNothingOverAnExistingFile() async throws {
    let path = folder.file("a.db")
    try Bytes.write(Data("precious".utf8), to: path)
    await #expect { try await ConnectionFactory(key: TestKeys.first()).create(path) } throws: {
      ($0 as? EncryptedStorageError)?.code == .exists
    }
    #expect(try Bytes.read(path) == Data("precious".utf8))
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["a.db"])
  }

  @Test func tellsADamagedFirstPageFromAWrongKey() async throws {
    let path = folder.file("a.db")
    try await Sample.make(path, key: TestKeys.first())
    try Bytes.flip(path, byte: 2000)
    #expect(await codeOfOpening(path, ConnectionFactory(key: try TestKeys.first())) == .damaged)
  }

  @Test func findsTheRightKeyAmongMany() async throws {
    let path = folder.file("a.db")
    try await Sample.make(path, key: TestKeys.second(), profile: .sqlcipher4SHA256)
    let keys = try [TestKeys.first(), TestKeys.raw("third", TestKeys.thirdHex), TestKeys.second()]
    #expect(await codeOfOpening(path, ConnectionFactory(candidates: keys)) == nil)
  }

  @Test func setsAndReadsBackEverySafetySetting() async throws {
    let path = folder.file("a.db")
    try await Sample.make(path, key: TestKeys.first())
    let connection = try await ConnectionFactory(key: TestKeys.first()).open(path, .writer)
    let settings = try await connection.run { session in
      try ["temp_store", "foreign_keys", "journal_mode", "synchronous", "wal_autocheckpoint", "secure_delete"]
        .map { try session.value("PRAGMA \($0)") }
    }
    #expect(settings == [2, 1, "wal", 2, 0, 1])
    #expect(try await connection.run { try $0.value("PRAGMA cipher_version") }.text?.hasPrefix("4.") == true)
    await connection.close()
  }

  @Test(arguments: [
    "PRAGMA key = 'x'", "PRAGMA rekey = 'x'", "PRAGMA hexkey = '00'", "PRAGMA hexrekey='00'", "PRAGMA textkey='x'",
    "EXPLAIN PRAGMA rekey = 'x'", "PRAGMA cipher_integrity_check", "PRAGMA cipher_page_size = 1024",
    "PRAGMA cipher_default_hmac_algorithm = HMAC_SHA1", "PRAGMA kdf_iter = 1", "PRAGMA temp_store = FILE",
    "PRAGMA temp_store_directory = '/tmp'", "PRAGMA journal_mode = OFF", "PRAGMA wal_checkpoint",
    "PRAGMA page_size = 8192", "PRAGMA main.page_size(1024)", "PRAGMA wal_autocheckpoint = 1",
    "PRAGMA writable_schema = ON", "PRAGMA secure_delete = OFF",
    "PRAGMA query_only = OFF", "ATTACH 'x.db' AS x", "ATTACH 'x.db' AS x KEY 'y'", "ATTACH 'file:' || 'y' AS x",
    "ATTACH ':memory:' AS x", "VACUUM INTO 'x.db'", "SELECT sqlcipher_export('x')", "PRAGMA main.KEY = 'x'",
  ])
  func refusesStatementsThatTouchKeysFilesOrSafety(sql: String) async throws {
    let path = folder.file("a.db")
    try await Sample.make(path, key: TestKeys.first())
    let connection = try await ConnectionFactory(key: TestKeys.first()).open(path, .writer)
    await #expect { try await connection.run { try $0.executeScript(sql) } } throws: {
      ($0 as? EncryptedStorageError)?.code == .denied
    }
    // The refusal changed nothing.
    #expect(try await connection.run { try $0.execute("DELETE FROM pilgrim WHERE id = 1") } == 1)
    await connection.close()
    #expect(await codeOfOpening(path, ConnectionFactory(key: try TestKeys.first())) == nil)
  }

  /// Zeros behind the magic say pages of no bytes.
  @Test func aPlaintextFileWithAHeaderOfZerosIsClassified() async throws {
    let folder = try TemporaryDirectory()
    let path = folder.file("zeros.db")
    try Bytes.write(Data(PageCodec.magic + [UInt8](repeating: 0, count: 4080)), to: path)
    let status = try await FileClassifier(keys: [TestKeys.first()]).run(path)
    #expect(status.kind == .plaintext && status.pageCount == nil)
  }

  @Test func stillAllowsVacuum() async throws {
    let path = folder.file("a.db")
    try await Sample.make(path, key: TestKeys.first(), profile: .sqlcipher4SHA256)
    let connection = try await ConnectionFactory(key: TestKeys.first()).open(path, .writer)
    try await connection.run { session in
      try session.execute("DELETE FROM pilgrim WHERE id > 10")
      try session.execute("VACUUM")
    }
    await connection.close()
    #expect(Bytes.size(path) < 200_000)
    #expect(try await FileClassifier(keys: [TestKeys.first()]).run(path).kind == .sqlcipher)
  }

  @Test func readersCannotWrite() async throws {
    let path = folder.file("a.db")
    try await Sample.make(path, key: TestKeys.first())
    let connection = try await ConnectionFactory(key: TestKeys.first()).open(path, .reader)
    await #expect { try await connection.run { try $0.execute("DELETE FROM pilgrim") } } throws: {
      ($0 as? EncryptedStorageError)?.code == .readOnly
    }
    await #expect { try await connection.run { try $0.checkpoint() } } throws: {
      ($0 as? EncryptedStorageError)?.code == .denied
    }
    await connection.close()
  }

  @Test func derivesAPassphraseOncePerProcessAndFile() async throws {
    let path = folder.file("a.db")
    let derivations = Locked(0)
    let key = try KeyMaterial(
      id: KeyID("counted"), passphrase: SecretBytes(copying: Array(TestKeys.passphrase.utf8)),
      derive: { _, salt, _ throws(KeyError) in
        derivations.withLock { $0 += 1 }
        return try EncryptionKey(SecretBytes(copying: salt.bytes + salt.bytes))
      })
    try await Sample.make(path, key: key)
    #expect(derivations.withLock { $0 } == 1)
    let factory = ConnectionFactory(key: key)
    for _ in 1...20 { await (try factory.open(path)).close() }
    #expect(derivations.withLock { $0 } == 1)
  }
}
