import EncryptionKeys
import Foundation
import TestSupport
import Testing

@testable import EncryptedStorage

/// Programs that are not ours judge our files, and we read theirs.
@Suite("Interoperability")
struct InteroperabilityTests {
  let folder: TemporaryDirectory
  let path: String

  init() throws {
    folder = try TemporaryDirectory()
    path = folder.file("a.db")
  }

  /// What the command line has to be told about a profile, besides the key.
  private static func settings(_ profile: CipherProfile) -> String {
    "PRAGMA cipher_hmac_algorithm = HMAC_\(profile.format.mac.rawValue.uppercased());"
  }

  @Test(arguments: CipherProfile.allCases, [false, true])
  func theCommandLineReadsAndWritesOurFiles(profile: CipherProfile, withPassphrase: Bool) async throws {
    let key = try withPassphrase ? TestKeys.passphraseKey() : TestKeys.first()
    try await Sample.make(path, key: key, profile: profile)
    let digest = try await Sample.digest(path, key: key)
    let lines = try SQLCipherShell.lines(
      path, key: withPassphrase ? nil : TestKeys.firstHex, passphrase: withPassphrase ? TestKeys.passphrase : nil,
      settings: Self.settings(profile),
      "PRAGMA cipher_integrity_check; PRAGMA integrity_check; \(Sample.digestSQL); INSERT INTO pilgrim VALUES (999, 'x', x'');"
    )
    #expect(lines == ["ok", digest])
    let connection = try await ConnectionFactory(key: key, profile: profile).open(path)
    #expect(try await connection.run { try $0.value("SELECT count(*) FROM pilgrim") } == 401)
    await connection.close()
  }

  @Test(arguments: [1024, 4096, 8192, 65536], ["SHA512", "SHA256"])
  func weReadAndRotateFilesOfTheCommandLine(pageSize: Int, mac: String) async throws {
    let result = try SQLCipherShell.run(
      path, key: TestKeys.firstHex,
      settings: "PRAGMA cipher_page_size = \(pageSize); PRAGMA cipher_hmac_algorithm = HMAC_\(mac);", Sample.sql)
    #expect(result.status == 0)
    // HMAC set after the key: the file declares a larger reserve than its codec uses, which is legal.
    let digest = try await Sample.digest(path, key: TestKeys.first())
    _ = try await Rotation(factory: ConnectionFactory(key: TestKeys.first()), to: TestKeys.second()).run(path)
    #expect(try await Sample.digest(path, key: TestKeys.second()) == digest)
    #expect(
      try SQLCipherShell.lines(
        path, key: TestKeys.secondHex,
        settings: "PRAGMA cipher_page_size = \(pageSize); PRAGMA cipher_hmac_algorithm = HMAC_\(mac);",
        "PRAGMA cipher_integrity_check; PRAGMA integrity_check; \(Sample.digestSQL);") == ["ok", digest])
  }

  @Test func aPassphraseOfTheCommandLineIsOurPassphrase() async throws {
    let result = try SQLCipherShell.run(path, passphrase: TestKeys.passphrase, Sample.sql)
    #expect(result.status == 0)
    #expect(try await Sample.digest(path, key: TestKeys.passphraseKey()) != nil)
  }

  @Test(arguments: CipherProfile.allCases)
  func theIndependentCheckerAgreesOnEveryPage(profile: CipherProfile) async throws {
    try await Sample.make(path, key: TestKeys.first(), profile: profile)
    #expect(try Judges.check(path, key: TestKeys.firstHex, profile).status == 0)
    _ = try await Rotation(factory: ConnectionFactory(key: TestKeys.first()), to: TestKeys.second()).run(path)
    #expect(try Judges.check(path, key: TestKeys.secondHex, profile).status == 0)
    #expect(try Judges.check(path, key: TestKeys.firstHex, profile).status != 0)
    // Flawed pages are the same for both.
    var generator = SeededGenerator(seed: 99)
    let pageCount = Bytes.size(path) / 4096
    let damaged = Set((0..<12).map { _ in Int.random(in: 2...pageCount, using: &generator) })
    for page in damaged { try Bytes.flip(path, byte: (page - 1) * 4096 + Int.random(in: 0..<4096, using: &generator)) }
    let theirs = try Judges.check(path, key: TestKeys.secondHex, profile)
    #expect(theirs.output.contains("'bad': [\(damaged.sorted().map(String.init).joined(separator: ", "))]"))
    let match = try #require(try KeyTrial.match(RawDatabaseFile(path: path), candidates: [TestKeys.second()]))
    let ours = try PageScan(path: path, keys: match.keys).run()
    #expect(ours.flaws.map { Int($0.page) } == damaged.sorted())
  }

  @Test func weReadVerifyAndRotateFilesOfTheNewestSQLCipher() async throws {
    // The PyPI wheel sqlcipher3 brings SQLCipher 4.19 with its own SQLite, far from the system's 4.6.
    let script = """
      import sqlcipher3, sys
      c = sqlcipher3.connect(sys.argv[1])
      c.execute(\"PRAGMA key=\\"x'\(TestKeys.firstHex)'\\"\")
      c.execute("PRAGMA journal_mode=WAL")
      c.executescript(sys.stdin.read())
      c.commit()
      print(c.execute("PRAGMA cipher_version").fetchone()[0])
      """
    let result = try Judges.python(["-c", script, path], input: Sample.sql)
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.output.hasPrefix("4."))
    let digest = try await Sample.digest(path, key: TestKeys.first())
    #expect(digest != nil)
    _ = try await Rotation(factory: ConnectionFactory(key: TestKeys.first()), to: TestKeys.second()).run(path)
    let reading = """
      import sqlcipher3, sys
      c = sqlcipher3.connect(sys.argv[1])
      c.execute(\"PRAGMA key=\\"x'\(TestKeys.secondHex)'\\"\")
      print(c.execute(sys.argv[2]).fetchone()[0])
      print(c.execute("PRAGMA integrity_check").fetchone()[0])
      """
    let read = try Judges.python(["-c", reading, path, Sample.digestSQL])
    #expect(read.output == "\(digest ?? "")\nok\n")
  }
}
