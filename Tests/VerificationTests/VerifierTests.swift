import EncryptedStorage
import EncryptionKeys
import Foundation
import TestSupport
import Testing

@testable import Verification

@Suite("Verifier")
struct VerifierTests {
  let folder: TemporaryDirectory
  let path: String

  init() throws {
    folder = try TemporaryDirectory()
    path = folder.file("hostel.db")
  }

  private func verify(_ path: String? = nil, keys: [KeyMaterial]? = nil, isQuick: Bool = false) async throws
    -> VerificationReport
  {
    let factory = try ConnectionFactory(candidates: keys ?? [TestKeys.first()])
    return try await Verifier(factory: factory, isQuick: isQuick).run(path ?? self.path)
  }

  /// The kinds found, without repetition.
  private func kinds(_ report: VerificationReport) -> Set<VerificationReport.Finding.Kind> {
    Set(report.findings.map(\.kind))
  }

  @Test(arguments: CipherProfile.allCases)
  func findsNothingInASoundFile(profile: CipherProfile) async throws {
    try await Sample.make(path, key: TestKeys.first(), profile: profile)
    let report = try await verify()
    #expect(report.isClean)
    #expect(report.profile == profile.rawValue)
    #expect(report.pageCount == UInt32(Bytes.size(path) / 4096))
    #expect(report.databasePageCount == report.pageCount)
    #expect(report.checkedStructure)
  }

  @Test(arguments: CipherProfile.allCases)
  func findsOneFlippedBitInEveryRegionOfEveryKindOfPage(profile: CipherProfile) async throws {
    try await Sample.make(path, key: TestKeys.first(), profile: profile)
    let original = try Bytes.read(path)
    let reserve = profile.format.reserve
    let pageCount = original.count / 4096
    var generator = SeededGenerator(seed: 4096)
    // First and last byte of ciphertext, IV and MAC, and random places.
    var offsets = [16, 4095 - reserve, 4096 - reserve, 4096 - reserve + 15, 4096 - reserve + 16, 4095]
    for _ in 0..<20 { offsets.append(Int.random(in: 16..<4096, using: &generator)) }
    for offset in offsets {
      let page = Int.random(in: 1...pageCount, using: &generator)
      var damaged = original
      damaged[(page - 1) * 4096 + offset] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
      try Bytes.write(damaged, to: path)
      let report = try await verify(isQuick: true)
      #expect(report.findings.contains { $0.kind == .pageNotAuthentic && $0.page == UInt32(page) })
    }
  }

  @Test(arguments: CipherProfile.allCases)
  func listsTheDamageAlsoWhenItChecksTheStructure(profile: CipherProfile) async throws {
    // The structure check runs into the damaged page and fails; that is one finding more, not the end.
    try await Sample.make(path, key: TestKeys.first(), profile: profile)
    let original = try Bytes.read(path)
    for page in stride(from: 2, to: original.count / 4096, by: 9) {
      try Bytes.write(original, to: path)
      try Bytes.flip(path, byte: page * 4096 + 77)
      let report = try await verify()
      #expect(report.findings.contains { $0.kind == .pageNotAuthentic && $0.page == UInt32(page + 1) })
    }
  }

  @Test func takesAFlippedBitOfTheSaltForAnotherKey() async throws {
    try await Sample.make(path, key: TestKeys.first())
    for byte in 0..<16 {
      try Bytes.flip(path, byte: byte)
      await #expect { try await verify() } throws: { ($0 as? EncryptedStorageError)?.code == .wrongKey }
      try Bytes.flip(path, byte: byte)
    }
    #expect(try await verify().isClean)
  }

  @Test func findsTruncationAtAndInsideAPage() async throws {
    try await Sample.make(path, key: TestKeys.first())
    let original = try Bytes.read(path)
    try Bytes.write(original.dropLast(4096), to: path)
    #expect(kinds(try await verify(isQuick: true)).contains(.truncated))
    try Bytes.write(original.dropLast(100), to: path)
    #expect(kinds(try await verify(isQuick: true)).isSuperset(of: [.truncated, .partialPage]))
    try Bytes.write(original.prefix(4096), to: path)
    #expect(kinds(try await verify(isQuick: true)).contains(.truncated))
  }

  @Test func findsAZeroedPageAndPlaintext() async throws {
    try await Sample.make(path, key: TestKeys.first())
    var data = try Bytes.read(path)
    data.replaceSubrange((9 * 4096)..<(10 * 4096), with: Data(count: 4096))
    data.replaceSubrange((20 * 4096 + 100)..<(20 * 4096 + 116), with: Data("CREATE TABLE t (".utf8))
    try Bytes.write(data, to: path)
    let report = try await verify(isQuick: true)
    #expect(report.findings.contains { $0.kind == .pageZeroed && $0.page == 10 })
    #expect(report.findings.contains { $0.kind == .plaintext && $0.page == 21 })
  }

  @Test func findsSwappedPages() async throws {
    try await Sample.make(path, key: TestKeys.first())
    var data = try Bytes.read(path)
    let third = data.subdata(in: (2 * 4096)..<(3 * 4096))
    data.replaceSubrange((2 * 4096)..<(3 * 4096), with: data.subdata(in: (3 * 4096)..<(4 * 4096)))
    data.replaceSubrange((3 * 4096)..<(4 * 4096), with: third)
    try Bytes.write(data, to: path)
    let report = try await verify(isQuick: true)
    #expect(report.findings.compactMap(\.page) == [3, 4])
  }

  @Test func namesPagesUnderAnotherKeyOfTheKeyring() async throws {
    try await Sample.make(path, key: TestKeys.first())
    // What an interrupted in-place rekey leaves: the same salt, some pages under the new key.
    try MixedKeys.encrypt(pages: [7, 8, 30], of: path, from: TestKeys.first(), to: TestKeys.second())
    let report = try await verify(keys: [TestKeys.first(), TestKeys.second()], isQuick: true)
    #expect(report.findings.map(\.page) == [7, 8, 30])
    #expect(kinds(report) == [.pageOtherKey])
    let status = try await FileClassifier(keys: [TestKeys.first(), TestKeys.second()]).run(path)
    #expect(status.kind == .mixedKeys)
  }

  @Test func reportsAStructureThatIsAuthenticButWrong() async throws {
    try await Sample.make(path, key: TestKeys.first())
    // Another program may write an index that does not fit its table; every MAC is right.
    let result = try SQLCipherShell.run(
      path, key: TestKeys.firstHex,
      ".dbconfig defensive off\nPRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql = 'CREATE INDEX pilgrim_name ON pilgrim (note)' "
        + "WHERE name = 'pilgrim_name'; PRAGMA wal_checkpoint(TRUNCATE);")
    #expect(result.status == 0)
    #expect(kinds(try await verify()).contains(.structure))
    #expect(try await verify(isQuick: true).isClean)
  }

  @Test func reportsRowsWhoseParentsAreMissing() async throws {
    try await Sample.make(
      path, key: TestKeys.first(),
      sql: "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p (id)); PRAGMA foreign_keys=OFF;"
        + "INSERT INTO c VALUES (1), (2);")
    let report = try await verify()
    #expect(report.findings.map(\.kind) == [.foreignKey, .foreignKey])
  }

  @Test func doesNotFindAnOldVersionOfTheWholeFileOrOfAPagePutBack() async throws {
    // Stated honestly in docs/security/threat-model.md: nothing in the file alone can show it.
    try await Sample.make(path, key: TestKeys.first())
    let old = try Bytes.read(path)
    let writer = try await ConnectionFactory(key: TestKeys.first()).open(path, .writer)
    try await writer.run { _ = try $0.execute("UPDATE pilgrim SET note = zeroblob(length(note)) WHERE id = 200") }
    await writer.close()
    let new = try Bytes.read(path)
    try Bytes.write(old, to: path)
    #expect(try await verify().isClean)
    // A page of payload only: its old version is authentic at its place.
    let changed = (2..<(old.count / 4096)).filter {
      old[($0 * 4096)..<($0 * 4096 + 4096)] != new[($0 * 4096)..<($0 * 4096 + 4096)]
    }
    let page = try #require(changed.last)
    var mixed = new
    mixed.replaceSubrange((page * 4096)..<(page * 4096 + 4096), with: old[(page * 4096)..<(page * 4096 + 4096)])
    try Bytes.write(mixed, to: path)
    #expect(try await verify(isQuick: true).isClean)
  }

  @Test func reportIsOneJSONObjectWithEveryFinding() async throws {
    try await Sample.make(path, key: TestKeys.first())
    try Bytes.flip(path, byte: 5 * 4096)
    let json = try JSONEncoder().encode(try await verify(isQuick: true))
    let object = try #require(try JSONSerialization.jsonObject(with: json) as? [String: Any])
    let findings = try #require(object["findings"] as? [[String: Any]])
    #expect(findings.first?["kind"] as? String == "page-not-authentic")
    #expect(findings.first?["page"] as? Int == 6)
  }
}
