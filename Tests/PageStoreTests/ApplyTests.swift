import EncryptedStorage
import PageStore
import TestSupport
import Testing

@Suite struct ApplyTests {
  private let folder: TemporaryDirectory
  private let path: String
  private let factory: ConnectionFactory
  private let pages: [Page]
  private let store: PageStore

  init() async throws {
    folder = try TemporaryDirectory()
    path = folder.file("store.db")
    factory = try Fixture.factory()
    pages = try Fixture.image(folder.file("plain.db"), Sample.sql)
    store = try await Fixture.replica(path, pages, factory: factory)
  }

  private var pageCount: UInt32 { UInt32(pages.count) }

  private func batch(
    _ pages: [Page], remote: RemoteIdentity = Fixture.remote, from base: Int64 = 100, to position: Int64 = 101,
    pageCount: UInt32? = nil
  ) -> PageBatch {
    PageBatch(
      remote: remote, basePosition: base, position: position, pageCount: pageCount ?? self.pageCount, pages: pages)
  }

  private func expectRefusal(_ batch: PageBatch, _ code: EncryptedStorageError.Code) async throws {
    let before = try await store.state()
    await #expect { try await store.apply(batch, syncedAt: 5) } throws: { ($0 as? EncryptedStorageError)?.code == code }
    #expect(try await store.state() == before)
    for page in pages { #expect(try await store.page(page.number) == page) }
    #expect(try await store.pages(changedSince: 100) == [])
  }

  private func page(_ number: UInt32, _ byteCount: Int = 4096) -> Page {
    Page(number: number, bytes: [UInt8](repeating: 7, count: byteCount))
  }

  @Test(
    arguments: [
      (99, 101), (101, 102), (0, 101), (100, 100), (100, 99), (100, -1), (Int64.max, Int64.min),
    ] as [(Int64, Int64)])
  func aBatchThatDoesNotFollowIsRefused(base: Int64, position: Int64) async throws {
    try await expectRefusal(batch([page(2)], from: base, to: position), .positionMismatch)
  }

  @Test func pagesOfAnotherHistoryAreRefused() async throws {
    let own = Fixture.remote
    for other in [
      RemoteIdentity(name: "other", protocolName: own.protocolName, generation: own.generation),
      RemoteIdentity(name: own.name, protocolName: "other", generation: own.generation),
      RemoteIdentity(name: own.name, protocolName: own.protocolName, generation: own.generation + 1),
      RemoteIdentity(name: own.name, protocolName: own.protocolName, generation: own.generation - 1),
    ] {
      try await expectRefusal(batch([page(2)], remote: other), .remoteMismatch)
    }
  }

  @Test func pagesThatCannotBePartOfTheImageAreRefused() async throws {
    for wrong in [page(2, 4095), page(2, 4097), page(2, 0), page(0), page(pageCount + 1), page(.max)] {
      try await expectRefusal(batch([page(3), wrong]), .invalidPages)
    }
    try await expectRefusal(batch([], pageCount: 0), .invalidPages)
    try await expectRefusal(batch([page(1)]), .invalidPages)
    var otherSize = try #require(pages.first?.bytes)
    otherSize[16] = 0x20
    try await expectRefusal(batch([Page(number: 1, bytes: otherSize)]), .invalidPages)
  }

  @Test func aHeaderThatSaysAnotherSizeIsRefusedUnlessItIsNotValid() async throws {
    var first = try #require(pages.first?.bytes)
    first[31] &+= 1
    // As a batch that was cut, or put together wrongly.
    try await expectRefusal(batch([Page(number: 1, bytes: first)]), .invalidPages)
    try await expectRefusal(batch([pages[0]], pageCount: pageCount - 1), .invalidPages)
    // Written by a program that does not keep the number: the counters differ, and it counts for nothing.
    first[27] &+= 1
    try await store.apply(batch([Page(number: 1, bytes: first)]))
    let reader = try await factory.open(path)
    #expect(try await reader.run { try $0.value("PRAGMA page_count") } == .integer(Int64(pageCount)))
    await reader.close()
    // Of several with one number only the last counts.
    let stale = Page(number: 1, bytes: [UInt8](first[..<24] + pages[0].bytes[24..<31] + [0xff] + first[32...]))
    try await store.apply(batch([stale, pages[0]], from: 101, to: 102))
  }

  @Test func anImageThatGrowsNeedsAllOfItsNewPages() async throws {
    let end = pageCount + 3
    try await expectRefusal(batch([page(end)], pageCount: end), .invalidPages)
    try await expectRefusal(batch([page(end), page(end - 1)], pageCount: end), .invalidPages)
    try await expectRefusal(batch([page(end), page(end), page(end - 1)], pageCount: end), .invalidPages)
    try await store.apply(batch([page(end), page(end - 2), page(end - 1)], pageCount: end))
    #expect(try await store.state().image?.pageCount == end)
    #expect(try await StoreJudge.containerFindings(path, factory) == [])
  }

  @Test func ofPagesWithOneNumberTheLastCounts() async throws {
    let last = Page(number: 9, bytes: [UInt8](repeating: 8, count: 4096))
    try await store.apply(batch([page(9), page(8), last]))
    #expect(try await store.page(9) == last)
    #expect(try await store.page(8) == page(8))
    #expect(try await store.pages(changedSince: 100) == [8, 9])
  }

  @Test func whatLiesBeyondTheEndIsRemoved() async throws {
    let smaller = try Fixture.image(folder.file("plain.db"), "DELETE FROM pilgrim WHERE id > 40; VACUUM;")
    #expect(smaller.count < pages.count / 2)
    let reader = try await factory.open(path)
    try await store.apply(batch(smaller, pageCount: UInt32(smaller.count)))
    #expect(try await store.page(UInt32(smaller.count) + 1) == nil)
    #expect(
      try await reader.run { try [$0.value("PRAGMA integrity_check"), $0.value("SELECT count(*) FROM pilgrim")] }
        == ["ok", 40])
    // And comes back with other content.
    let larger = try Fixture.image(
      folder.file("plain.db"), "INSERT INTO pilgrim SELECT id + 100, name, zeroblob(9000) FROM pilgrim;")
    #expect(larger.count > smaller.count)
    try await store.apply(batch(larger, from: 101, to: 109, pageCount: UInt32(larger.count)))
    #expect(
      try await reader.run { try [$0.value("PRAGMA integrity_check"), $0.value("SELECT count(*) FROM pilgrim")] }
        == ["ok", 80])
    await reader.close()
    #expect(try await StoreJudge.findings(path, factory) == [])
  }

  @Test func aReaderKeepsItsSnapshotWhileTheImageShrinks() async throws {
    let smaller = try Fixture.image(folder.file("plain.db"), "DELETE FROM pilgrim WHERE id > 40; VACUUM;")
    let reader = try await factory.open(path)
    try await reader.run { session in
      try session.execute("BEGIN")
      #expect(try session.value("SELECT count(*) FROM pilgrim") == 400)
    }
    try await store.apply(batch(smaller, pageCount: UInt32(smaller.count)))
    let later = try await factory.open(path)
    #expect(try await later.run { try $0.value("SELECT count(*) FROM pilgrim") } == 40)
    try await reader.run { session in
      #expect(try session.value("PRAGMA integrity_check") == "ok")
      #expect(try session.value("SELECT sum(length(note) > 0) FROM pilgrim") == 400)
      try session.execute("COMMIT")
      #expect(try session.value("SELECT count(*) FROM pilgrim") == 40)
    }
    await reader.close()
    await later.close()
  }

  @Test func aPrimaryTakesNoPages() async throws {
    let path = folder.file("primary.db")
    let primary = try await PageStore.create(path, role: .primary, factory: factory)
    await #expect { try await primary.apply(batch([page(2)])) } throws: {
      ($0 as? EncryptedStorageError)?.code == .denied
    }
    await #expect {
      try await primary.beginBootstrap(.init(remote: Fixture.remote, position: 1, pageCount: 3))
    } throws: { ($0 as? EncryptedStorageError)?.code == .denied }
    await primary.close()
  }

  @Test func aReplicaTakesNoStatementsThatWrite() async throws {
    await #expect { try await factory.open(path, .writer) } throws: {
      ($0 as? EncryptedStorageError)?.code == .denied
    }
    let reader = try await factory.open(path)
    await #expect { try await reader.run { try $0.execute("DELETE FROM pilgrim") } } throws: {
      [.denied, .readOnly].contains(($0 as? EncryptedStorageError)?.code)
    }
    await reader.close()
  }
}
