import TestSupport
import Testing

@testable import EncryptedStorage
@testable import PageStore

@Suite struct BootstrapRefusalTests {
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
    store = try await PageStore.create(path, role: .replica, factory: factory)
  }

  private func target(position: Int64 = 100, pageCount: Int? = nil, name: String = "hostel") -> Bootstrap.Target {
    Bootstrap.Target(
      remote: RemoteIdentity(name: name, protocolName: "test", generation: 1), position: position,
      pageCount: UInt32(pageCount ?? pages.count))
  }

  private func expect<T>(_ code: EncryptedStorageError.Code, _ body: () async throws -> T) async {
    await #expect { _ = try await body() } throws: { ($0 as? EncryptedStorageError)?.code == code }
  }

  /// Nobody can open the image, and the store says why.
  private func expectUnpublished() async throws {
    await expect(.incomplete) { try await factory.open(path) }
    #expect(try await store.state().image == nil)
    await expect(.incomplete) {
      try await store.apply(
        PageBatch(remote: Fixture.remote, basePosition: 100, position: 101, pageCount: 1, pages: []))
    }
    #expect(try await store.pages(changedSince: 0) == [])
  }

  @Test func anImageIsThereOnlyWhenItIsWhole() async throws {
    try await expectUnpublished()
    let bootstrap = try await store.beginBootstrap(target())
    #expect(await bootstrap.missingPages() == [1...UInt32(pages.count)])
    try await expectUnpublished()
    // Backwards, and every other page first.
    let order = pages.reversed().filter { $0.number % 2 == 0 } + pages.reversed().filter { $0.number % 2 == 1 }
    for page in order.dropLast() { try await bootstrap.append([page]) }
    await expect(.incomplete) { try await bootstrap.finish() }
    try await expectUnpublished()
    #expect(await bootstrap.missingPages() == [1...1])
    try await bootstrap.append(order.suffix(1))
    #expect(await bootstrap.missingPages() == [])
    try await expectUnpublished()
    let state = try await bootstrap.finish(syncedAt: 77)
    #expect(state.position == 100)
    #expect(try await store.state().lastSync == 77)
    let reader = try await factory.open(path)
    #expect(try await reader.run { try $0.value("SELECT count(*) FROM pilgrim") } == 400)
    await reader.close()
    await expect(.exists) { try await store.beginBootstrap(target()) }
    await expect(.closed) { try await bootstrap.append([pages[1]]) }
    await expect(.closed) { try await bootstrap.finish() }
  }

  @Test func pagesThatCannotBePartOfTheImageAreRefused() async throws {
    let bootstrap = try await store.beginBootstrap(target())
    let bytes = pages[1].bytes
    for wrong in [
      Page(number: 0, bytes: bytes), Page(number: UInt32(pages.count + 1), bytes: bytes), Page(number: 2, bytes: []),
      Page(number: 2, bytes: bytes + [0]), Page(number: 1, bytes: bytes),
    ] {
      await expect(.invalidPages) { try await bootstrap.append([pages[2], wrong]) }
    }
    #expect(await bootstrap.missingPages() == [1...UInt32(pages.count)])
    await expect(.invalidPages) { try await store.beginBootstrap(target(pageCount: 0)) }
  }

  /// What is wrong with the image, by name, and the page that shows it.
  static let damages: [String: @Sendable ([Page]) -> Page] = [
    "page 1 is no b-tree": { pages in altered(pages[0], at: 100, [0]) },
    "the schema has cells that point nowhere": { pages in altered(pages[0], at: 103, [0xff, 0xff]) },
    "the schema format does not exist": { pages in altered(pages[0], at: 44, [0, 0, 0, 9]) },
    "the header says another page count": { pages in altered(pages[0], at: 28, [0, 0, 0, 1]) },
    "the root of a table is no b-tree": { pages in altered(pages[1], at: 0, [0]) },
    "a page is of another place": { pages in Page(number: 3, bytes: pages[7].bytes) },
    "a page is empty": { pages in Page(number: 2, bytes: [UInt8](repeating: 0, count: 4096)) },
  ]

  private static func altered(_ page: Page, at offset: Int, _ bytes: [UInt8]) -> Page {
    var all = page.bytes
    all.replaceSubrange(offset..<(offset + bytes.count), with: bytes)
    return Page(number: page.number, bytes: all)
  }

  @Test(arguments: damages.keys.sorted()) func anImageThatIsNotSoundStaysUnpublished(damage: String) async throws {
    let damaged = try #require(Self.damages[damage])
    let wrong = damaged(pages)
    let bootstrap = try await store.beginBootstrap(target())
    try await bootstrap.append(pages)
    try await bootstrap.append([wrong])
    await expect(.invalidPages) { try await bootstrap.finish() }
    try await expectUnpublished()
    // With the right page it can be finished.
    #expect(await bootstrap.missingPages() == [])
    try await bootstrap.append([pages[Int(wrong.number) - 1]])
    try await bootstrap.finish()
    #expect(try await StoreJudge.findings(path, factory) == [])
  }

  @Test func whatWasPulledIsDroppedOnlyForBytesThatAreOfNoUse() async throws {
    let unusable = EncryptedStorageError.Code.allCases.filter(StagingFile.saysUnusable)
    #expect(
      Set(unusable) == [
        .damaged, .wrongKey, .notADatabase, .plaintext, .profileMismatch, .unsupportedFormat, .statement,
      ])
    do {
      let bootstrap = try await store.beginBootstrap(target())
      try await bootstrap.append(Array(pages.prefix(30)))
    }
    let staging = path + StagingFile.suffix
    // A program that lets nobody else in.
    let other = try Opening.open(staging, Opening.Mode())
    try Opening.applyKey(try factory.matchingKey(of: OpenedFile(other), path: staging).keys, to: other)
    try Opening.run("PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE; SELECT count(*) FROM sqlite_schema", on: other)
    let impatient = try await PageStore.open(path, factory: try Fixture.factory { $0.busyTimeout = .zero })
    await expect(.busy) { try await impatient.beginBootstrap(target()) }
    other.close()
    let resumed = try await impatient.beginBootstrap(target())
    #expect(await resumed.missingPages() == [31...UInt32(pages.count)])
    await impatient.close()
    await store.close()
  }

  @Test func aBootstrapGoesOnWhenItsFileCouldNotBeOpenedAgainAfterAFailure() async throws {
    // Nobody but the one that publishes may have the replica open.
    await store.close()
    let impatient = try await PageStore.open(path, factory: try Fixture.factory { $0.busyTimeout = .zero })
    let bootstrap = try await impatient.beginBootstrap(target())
    try await bootstrap.append(pages)
    // Neither can the image be sealed, nor the file be opened again.
    let other = try factory.openSession(path + StagingFile.suffix, .writer, view: .container)
    try other.execute("BEGIN IMMEDIATE")
    await expect(.busy) { try await bootstrap.finish() }
    await expect(.busy) { try await bootstrap.append([pages[0]]) }
    #expect(await bootstrap.missingPages() == [1...UInt32(pages.count)])
    await expect(.busy) { try await bootstrap.finish() }
    try other.execute("ROLLBACK")
    other.close()
    #expect(await bootstrap.missingPages() == [])
    try await bootstrap.append([pages[0]])
    try await bootstrap.finish()
    #expect(try await impatient.state().isComplete)
    await expect(.closed) { try await bootstrap.append([pages[0]]) }
    await impatient.close()
  }
}
