import EncryptedStorage
import EncryptionKeys
import Foundation
import PageStore
import TestSupport
import Testing

@testable import Verification

/// Damage is done by the `sqlcipher` command line, with the key: every MAC is right, only the store is wrong.
@Suite("Verifier on page stores")
struct StoreVerificationTests {
  let folder: TemporaryDirectory
  let path: String
  let pageCount: UInt32

  init() async throws {
    folder = try TemporaryDirectory()
    path = folder.file("store.db")
    _ = try SQLCipherShell.lines(folder.file("plain.db"), Sample.sql)
    pageCount = UInt32(Bytes.size(folder.file("plain.db")) / 4096)
    try await SampleStore.makeReplica(path, of: folder.file("plain.db"), key: TestKeys.first())
  }

  private func verify(isQuick: Bool = false) async throws -> VerificationReport {
    try await Verifier(factory: ConnectionFactory(key: TestKeys.first()), isQuick: isQuick).run(path)
  }

  private func damage(_ sql: String) throws {
    let result = try SQLCipherShell.run(path, key: TestKeys.firstHex, sql + "\nPRAGMA wal_checkpoint(TRUNCATE);")
    try #require(result.status == 0, "\(result.errors)")
  }

  private func kinds(_ report: VerificationReport) -> Set<VerificationReport.Finding.Kind> {
    Set(report.findings.map(\.kind))
  }

  // MARK: - Sound stores

  @Test func findsNothingInASoundReplicaAndSaysWhereItStands() async throws {
    let report = try await verify()
    #expect(report.isClean, "\(report.findings)")
    #expect(report.checkedStructure && report.checkedImage)
    #expect(report.store?.image?.position == SampleStore.position)
    #expect(report.store?.image?.pageCount == pageCount)
    let quick = try await verify(isQuick: true)
    #expect(quick.isClean && !quick.checkedStructure && !quick.checkedImage)
    #expect(quick.store == report.store)
    #expect(try folder.contents().keys.sorted() == ["plain.db", "store.db"])
  }

  @Test(arguments: CipherProfile.allCases)
  func findsNothingInAPrimaryThatGrewAndShrank(profile: CipherProfile) async throws {
    let primary = folder.file("primary.db")
    try await SampleStore.makePrimary(primary, key: TestKeys.first(), profile: profile)
    let factory = SampleStore.factory(try TestKeys.first(), profile)
    let writer = try await factory.open(primary, .writer)
    try await writer.run { session in
      for id in 1...50 { try session.execute("DELETE FROM pilgrim WHERE id = ?", [.integer(Int64(id * 7))]) }
      try session.executeScript("DELETE FROM pilgrim WHERE id > 200; VACUUM; CREATE TABLE stay (id INTEGER, note);")
    }
    // While it is being written, too.
    let report = try await Verifier(factory: factory).run(primary)
    #expect(report.isClean, "\(report.findings)")
    #expect(report.checkedImage)
    await writer.close()
    #expect(try await Verifier(factory: factory).run(primary).isClean)
  }

  @Test func findsNothingWhileBatchesAreApplied() async throws {
    let store = try await PageStore.open(path, factory: SampleStore.factory(try TestKeys.first()))
    let pages = try SampleStore.pages(of: folder.file("plain.db"))
    let pageCount = pageCount
    let applying = Task {
      var position = SampleStore.position
      while !Task.isCancelled {
        let changed = (0..<20).map { pages[(Int(position) + $0 * 7) % pages.count] }
        try await store.apply(
          PageBatch(
            remote: SampleStore.remote, basePosition: position, position: position + 1, pageCount: pageCount,
            pages: changed))
        position += 1
      }
    }
    var positions: [Int64] = []
    for round in 1...10 {
      let report = try await verify(isQuick: round.isMultiple(of: 2))
      #expect(report.isClean, "\(report.findings)")
      positions.append(report.store?.image?.position ?? -1)
    }
    #expect(positions == positions.sorted() && positions.last ?? 0 > SampleStore.position)
    applying.cancel()
    _ = await applying.result
    await store.close()
    #expect(try await verify().isClean)
  }

  @Test func anEmptyPrimaryIsSound() async throws {
    let primary = folder.file("primary.db")
    let factory = SampleStore.factory(try TestKeys.first())
    try await PageStore.create(primary, role: .primary, factory: factory).close()
    #expect(try await Verifier(factory: factory).run(primary).isClean)
  }

  @Test(arguments: [0, 30]) func anUnfinishedPullIsNoDamage(pulledPageCount: Int) async throws {
    let partial = folder.file("partial.db")
    try await SampleStore.makeReplica(
      partial, of: folder.file("plain.db"), key: TestKeys.first(), pulledPageCount: pulledPageCount)
    let factory = ConnectionFactory(key: try TestKeys.first())
    let report = try await Verifier(factory: factory).run(partial)
    #expect(report.isClean, "\(report.findings)")
    #expect(report.store?.isComplete == false)
    #expect(!report.checkedImage)
    // What is there is checked.
    _ = try SQLCipherShell.lines(partial, key: TestKeys.firstHex, "INSERT INTO head VALUES (3, zeroblob(3977));")
    #expect(kinds(try await Verifier(factory: factory).run(partial)) == [.storePageBeyondEnd])
  }

  // MARK: - Damage without the key

  /// Root pages of the tables, an inner page of a table, leaves of all of them, and the schema.
  @Test func findsAFlippedBitInEveryKindOfPageOfTheContainer() async throws {
    try damage("INSERT INTO change VALUES (200, 9, \(pageCount), zeroblob(0)); UPDATE change SET pages = x'00000001';")
    let places = try SQLCipherShell.lines(
      path, key: TestKeys.firstHex, "SELECT rootpage FROM sqlite_schema WHERE rootpage > 0;"
    ).compactMap { UInt32($0) }
    let containerPageCount = UInt32(Bytes.size(path) / 4096)
    let original = try Bytes.read(path)
    for page in Set([1] + places + stride(from: 2, through: containerPageCount, by: 37)).sorted() {
      try Bytes.write(original, to: path)
      try Bytes.flip(path, byte: Int(page - 1) * 4096 + 1000, bit: 3)
      for isQuick in [true, false] {
        let report = try await verify(isQuick: isQuick)
        #expect(
          report.findings.contains { $0.kind == .pageNotAuthentic && $0.page == page }, "\(page): \(report.findings)")
      }
    }
    try Bytes.write(original, to: path)
  }

  // MARK: - Damage with the key

  @Test(arguments: [true, false]) func findsAPageThatLacksItsTail(isQuick: Bool) async throws {
    try damage("DELETE FROM tail WHERE page = 20;")
    let report = try await verify(isQuick: isQuick)
    #expect(report.findings.contains { $0.kind == .storePageOrphaned && $0.page == 20 })
    #expect(kinds(report) == (isQuick ? [.storePageOrphaned] : [.storePageOrphaned, .imageStructure]))
  }

  @Test func findsAPageThatLacksItsHead() async throws {
    try damage("DELETE FROM head WHERE page = \(pageCount);")
    let report = try await verify(isQuick: true)
    #expect(report.findings.map(\.kind) == [.storePageOrphaned])
    #expect(report.findings.first?.page == pageCount)
  }

  @Test func findsMissingPages() async throws {
    try damage("DELETE FROM head WHERE page IN (1, 5, 6, 7); DELETE FROM tail WHERE page IN (1, 5, 6, 7);")
    let report = try await verify(isQuick: true)
    #expect(report.findings.map(\.kind) == [.storePageMissing, .storePageMissing])
    #expect(report.findings.map(\.page) == [1, 5])
    #expect(report.findings.map(\.detail) == ["page 1 is missing", "pages 5 to 7 are missing"])
    #expect(kinds(try await verify()).isSuperset(of: [.storePageMissing, .imageStructure]))
  }

  @Test func findsAPageBeyondTheEnd() async throws {
    try damage(
      """
      INSERT INTO head SELECT 100000, data FROM head WHERE page = 2; INSERT INTO tail SELECT 0, data FROM tail WHERE page = 2;
      """)
    let report = try await verify()
    #expect(report.findings.map(\.kind) == [.storePageBeyondEnd, .storePageBeyondEnd])
    #expect(report.findings.map(\.page) == [0, 100_000])
  }

  @Test func findsHalvesOfTheWrongSize() async throws {
    try damage("UPDATE head SET data = zeroblob(3976) WHERE page = 4; UPDATE tail SET data = x'' WHERE page = 9;")
    let report = try await verify(isQuick: true)
    #expect(report.findings.map(\.kind) == [.storePageSize, .storePageSize])
    #expect(report.findings.map(\.page) == [4, 9])
  }

  @Test func findsAPageCountThatIsTooLargeOrTooSmall() async throws {
    try damage("UPDATE change SET page_count = \(pageCount + 2);")
    let larger = try await verify()
    #expect(larger.findings.contains { $0.kind == .storePageMissing && $0.page == pageCount + 1 })
    try damage("UPDATE change SET page_count = \(pageCount - 2);")
    let smaller = try await verify()
    #expect(smaller.findings.contains { $0.kind == .storePageBeyondEnd && $0.page == pageCount - 1 })
    #expect(kinds(smaller).contains(.imageStructure))
  }

  @Test(arguments: [
    "DELETE FROM meta;", "DELETE FROM change;", "UPDATE meta SET protocol = NULL;",
    "UPDATE meta SET role = 'primary';", "UPDATE meta SET base_position = 9223372036854775807;",
    "UPDATE change SET pages = x'000102';", "UPDATE change SET pages = x'0000000500000004';",
    "UPDATE change SET pages = x'00ffffff';", "UPDATE change SET epoch = -1;",
    "UPDATE change SET page_count = 4294967296;", "UPDATE change SET page_count = 0;",
    "INSERT INTO change SELECT position + 1, epoch, page_count, x'' FROM change;",
    "DROP TABLE tail;", "ALTER TABLE change RENAME COLUMN epoch TO era;",
    "PRAGMA ignore_check_constraints = ON; INSERT INTO meta SELECT 2, role, remote, protocol, generation, base_position, "
      + "base_page_count, complete, boot, last_sync FROM meta;",
  ])
  func findsAStateThatContradictsItself(sql: String) async throws {
    try damage(sql)
    for isQuick in [true, false] {
      let report = try await verify(isQuick: isQuick)
      #expect(kinds(report).contains(.storeState), "\(report.findings)")
    }
  }

  @Test(arguments: [
    "UPDATE meta SET remote = NULL, protocol = NULL, generation = NULL;", "UPDATE meta SET protocol = 'v2';",
    "UPDATE meta SET generation = 2;", "DELETE FROM generation;", "DROP TABLE generation;",
    "UPDATE generation SET base_position = 1000000;", "UPDATE generation SET base_position = -1;",
    "INSERT INTO generation VALUES (2, 0); UPDATE meta SET generation = 2;",
    "INSERT INTO generation VALUES (3, 2); UPDATE meta SET generation = 3;",
    "INSERT INTO generation VALUES (2, 2), (3, 3); UPDATE meta SET generation = 3;",
  ])
  func findsAPrimaryWhoseGenerationsContradictItsState(sql: String) async throws {
    let primary = folder.file("primary.db")
    try await SampleStore.makePrimary(primary, key: TestKeys.first())
    let result = try SQLCipherShell.run(primary, key: TestKeys.firstHex, sql)
    try #require(result.status == 0, "\(result.errors)")
    let report = try await Verifier(factory: ConnectionFactory(key: TestKeys.first()), isQuick: true).run(primary)
    #expect(kinds(report) == [.storeState], "\(report.findings)")
  }

  @Test func findsThatPageOneIsNoHeader() async throws {
    try damage("UPDATE head SET data = zeroblob(3977) WHERE page = 1;")
    #expect(try await verify(isQuick: true).findings.map(\.kind) == [.imageHeader])
    #expect(kinds(try await verify()) == [.imageHeader, .imageStructure])
    // A page size of 8192.
    try damage(
      "UPDATE head SET data = CAST(x'53514c69746520666f726d61742033002000' || zeroblob(3959) AS BLOB) WHERE page = 1;")
    #expect(kinds(try await verify(isQuick: true)) == [.imageHeader])
  }

  @Test func findsThatTheDatabaseInsideIsNotSound() async throws {
    // Two whole, authentic pages that changed places.
    try damage(
      """
      UPDATE head SET page = -1 WHERE page = 5; UPDATE head SET page = 5 WHERE page = 3; UPDATE head SET page = 3 WHERE page = -1;
      UPDATE tail SET page = -1 WHERE page = 5; UPDATE tail SET page = 5 WHERE page = 3; UPDATE tail SET page = 3 WHERE page = -1;
      """)
    #expect(try await verify(isQuick: true).isClean)
    let report = try await verify()
    #expect(kinds(report) == [.imageStructure])
  }

  @Test func findsRowsInsideWhoseParentsAreMissing() async throws {
    let image = folder.file("orphans.db")
    _ = try SQLCipherShell.lines(
      image, "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p (id)); INSERT INTO c VALUES (1);")
    let store = folder.file("orphans-store.db")
    try await SampleStore.makeReplica(store, of: image, key: TestKeys.first())
    let report = try await Verifier(factory: ConnectionFactory(key: TestKeys.first())).run(store)
    #expect(report.findings.map(\.kind) == [.imageForeignKey])
  }

  @Test func aStoreOfALaterVersionIsNotJudged() async throws {
    try damage("PRAGMA user_version = 2;")
    await #expect { try await verify() } throws: { ($0 as? EncryptedStorageError)?.code == .unsupportedFormat }
  }

  @Test func doesNotFindThatAnOldVersionOfTheWholeStoreWasPutBack() async throws {
    let old = try Bytes.read(path)
    try damage("UPDATE change SET position = 101;")
    try Bytes.write(old, to: path)
    #expect(try await verify().isClean)
  }
}
