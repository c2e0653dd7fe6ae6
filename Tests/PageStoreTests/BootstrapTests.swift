import EncryptedStorage
import EncryptionKeys
import TestSupport
import Testing

@testable import PageStore

@Suite struct BootstrapTests {
  private let folder: TemporaryDirectory
  private let path: String

  init() throws {
    folder = try TemporaryDirectory()
    path = folder.file("store.db")
  }

  private func target(_ pages: [Page], position: Int64 = 7) -> Bootstrap.Target {
    Bootstrap.Target(remote: Fixture.remote, position: position, pageCount: UInt32(pages.count))
  }

  /// A database of exactly so many pages.
  private func image(pageCount: Int, _ name: String = "plain.db") throws -> [Page] {
    let sql =
      pageCount == 1
      ? "PRAGMA user_version = 3;"
      : """
      CREATE TABLE t (id INTEGER PRIMARY KEY, b BLOB);
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < \(pageCount * 2))
        INSERT INTO t SELECT i, randomblob(3000) FROM n;
      """
    return Array(try Fixture.image(folder.file(name), sql).prefix(pageCount))
  }

  /// Images whose content SQLite would not accept, to look at the container alone.
  private func noise(pageCount: Int) throws -> [Page] {
    let first = try image(pageCount: 1, "first.db")
    return first
      + (2...max(2, pageCount)).prefix(pageCount - 1).map { number in
        Page(number: UInt32(number), bytes: (0..<4096).map { UInt8(truncatingIfNeeded: $0 &* number &+ $0 >> 8) })
      }
  }

  @Test(arguments: CipherProfile.allCases, [1, 2, 29, 30, 31, 299, 300, 301, 302, 601, 9001])
  func theContainerIsAWholeDatabase(_ profile: CipherProfile, _ pageCount: Int) async throws {
    let pages = try noise(pageCount: pageCount)
    let factory = try Fixture.factory(profile)
    let store = try await PageStore.create(path, role: .replica, factory: factory)
    let bootstrap = try await store.beginBootstrap(target(pages))
    try await bootstrap.append(pages)
    // The noise is no database; the container is one before that is found out.
    if pageCount > 1 {
      await #expect(throws: EncryptedStorageError.self) { try await bootstrap.finish() }
    } else {
      try await bootstrap.finish()
    }
    let container = pageCount > 1 ? path + StagingFile.suffix : path
    let staging = try factory.openSession(container, .reader, view: .container)
    #expect(try staging.value("PRAGMA integrity_check") == "ok")
    #expect(try staging.value("SELECT count(*) FROM head JOIN tail USING (page)") == .integer(Int64(pageCount)))
    var next = 0
    var isEqual = true
    try staging.forEachRow("SELECT page, head.data, tail.data FROM head JOIN tail USING (page) ORDER BY page") { row in
      isEqual =
        isEqual && row[0] == .integer(Int64(next + 1))
        && (row[1].blob ?? []) + (row[2].blob ?? []) == pages[next].bytes
      next += 1
    }
    #expect(isEqual && next == pageCount)
    staging.close()
    await store.close()
  }

  @Test(arguments: [1, 2, 31, 450]) func pagesMayComeInAnyOrderAndMoreThanOnce(_ pageCount: Int) async throws {
    var random = SeededGenerator(seed: UInt64(pageCount))
    let pages = try image(pageCount: pageCount * 2)
    // The image has as many pages as its database; what is asked for is only about how many.
    let stale = pages.map { Page(number: $0.number, bytes: [UInt8](repeating: 9, count: 4096)) }.dropFirst()
    let store = try await PageStore.create(path, role: .replica, factory: try Fixture.factory())
    let whole = try Fixture.pages(of: folder.file("plain.db"))
    let bootstrap = try await store.beginBootstrap(target(whole))
    var rest = (Array(stale) + whole[...]).filter { $0.number != 1 }
    rest = rest.prefix(stale.count).shuffled(using: &random) + rest.dropFirst(stale.count).shuffled(using: &random)
    while !rest.isEmpty {
      let count = Int.random(in: 1...40, using: &random)
      try await bootstrap.append(Array(rest.prefix(count)))
      rest = Array(rest.dropFirst(count))
    }
    #expect(await bootstrap.missingPages() == [1...1])
    await #expect { try await bootstrap.finish() } throws: { ($0 as? EncryptedStorageError)?.code == .incomplete }
    try await bootstrap.append([whole[0]])
    try await bootstrap.finish(syncedAt: 1_700_000_000)
    for page in whole { #expect(try await store.page(page.number) == page) }
    #expect(try await store.state().lastSync == 1_700_000_000)
    let reader = try await Fixture.factory().open(path)
    #expect(try await reader.run { try $0.value("PRAGMA integrity_check") } == "ok")
    await reader.close()
    await store.close()
    #expect(try folder.contents().keys.filter { !$0.hasSuffix("plain.db") } == ["store.db"])
  }

  @Test func goesOnWhereItStopped() async throws {
    let pages = try image(pageCount: 300)
    let whole = try Fixture.pages(of: folder.file("plain.db"))
    let store = try await PageStore.create(path, role: .replica, factory: try Fixture.factory())
    do {
      let bootstrap = try await store.beginBootstrap(target(whole))
      try await bootstrap.append(Array(pages[0..<100] + pages[250..<260]))
    }
    let resumed = try await store.beginBootstrap(target(whole))
    #expect(await resumed.missingPages() == [101...250, 261...UInt32(whole.count)])
    try await resumed.append(Array(whole[100...]))
    try await resumed.finish()
    #expect(try await store.state().image?.position == 7)
    await store.close()
  }

  @Test func nothingIsWrittenOnceTheImageIsPublished() async throws {
    _ = try image(pageCount: 20)
    let whole = try Fixture.pages(of: folder.file("plain.db"))
    let store = try await PageStore.create(path, role: .replica, factory: try Fixture.factory())
    do {
      let bootstrap = try await store.beginBootstrap(target(whole))
      try await bootstrap.append(whole)
      try await bootstrap.finish()
      await #expect { try await bootstrap.append(whole) } throws: { ($0 as? EncryptedStorageError)?.code == .closed }
      await #expect { try await bootstrap.finish() } throws: { ($0 as? EncryptedStorageError)?.code == .closed }
    }
    #expect(try await store.state().isComplete)
    await store.close()
  }

  @Test func aBootstrapThatFailedItsCheckIsNotTrustedLater() async throws {
    _ = try image(pageCount: 50)
    var pages = try Fixture.pages(of: folder.file("plain.db"))
    let good = pages
    pages[5] = Page(number: 6, bytes: [UInt8](repeating: 1, count: 4096))
    let store = try await PageStore.create(path, role: .replica, factory: try Fixture.factory())
    do {
      let bootstrap = try await store.beginBootstrap(target(pages))
      try await bootstrap.append(pages)
      await #expect(throws: EncryptedStorageError.self) { try await bootstrap.finish() }
    }
    let again = try await store.beginBootstrap(target(good))
    #expect(await again.missingPages() == [1...UInt32(good.count)])
    try await again.append(good)
    try await again.finish()
    await store.close()
  }

  @Test func refusesAnImageThatNoStoreCanHold() async throws {
    let store = try await PageStore.create(path, role: .replica, factory: try Fixture.factory())
    let target = Bootstrap.Target(remote: Fixture.remote, position: 1, pageCount: 4_294_000_000)
    await #expect { try await store.beginBootstrap(target) } throws: {
      ($0 as? EncryptedStorageError)?.code == .invalidPages
    }
    await store.close()
  }

  @Test func beginsAnewForAnotherImage() async throws {
    let pages = try image(pageCount: 50)
    let store = try await PageStore.create(path, role: .replica, factory: try Fixture.factory())
    do {
      let bootstrap = try await store.beginBootstrap(target(pages))
      try await bootstrap.append(pages)
    }
    let other = try await store.beginBootstrap(target(pages, position: 8))
    #expect(await other.missingPages() == [1...50])
    await store.close()
  }

  @Test func oneProcessFillsAReplicaAtATime() async throws {
    let pages = try image(pageCount: 10)
    let store = try await PageStore.create(path, role: .replica, factory: try Fixture.factory())
    let bootstrap = try await store.beginBootstrap(target(pages))
    await #expect { try await store.beginBootstrap(target(pages)) } throws: {
      ($0 as? EncryptedStorageError)?.code == .busy
    }
    #expect(await bootstrap.missingPages() == [1...10])
    await store.close()
  }

  @Test func anImageThatIsNotSoundStaysUnpublished() async throws {
    var pages = try image(pageCount: 200)
    pages = try Fixture.pages(of: folder.file("plain.db"))
    pages[5] = Page(number: 6, bytes: [UInt8](repeating: 1, count: 4096))
    let factory = try Fixture.factory()
    let store = try await PageStore.create(path, role: .replica, factory: factory)
    let bootstrap = try await store.beginBootstrap(target(pages))
    try await bootstrap.append(pages)
    await #expect { try await bootstrap.finish() } throws: {
      ($0 as? EncryptedStorageError)?.code == .invalidPages
    }
    #expect(throws: EncryptedStorageError.self) { try factory.openSession(path, .reader) }
    #expect(try await !store.state().isComplete)
    await store.close()
  }
}

@Suite struct BulkLayoutTests {
  @Test(arguments: [1, 2, 30, 31, 300, 301, 90_000, 90_001, 262_144, 262_145, 262_146, 300_000, 3_000_000])
  func everyPageHasOnePlace(_ pageCount: Int) {
    let layout = BulkLayout(pageCount: UInt32(pageCount))
    var used = Set<UInt32>()
    for index in 0..<layout.storedPageCount
    where index < 2000 || index % 997 == 0 || index > layout.storedPageCount - 50 {
      let page = layout.page(at: index)
      #expect(page != 262_145 && page >= 1 && page <= UInt32(pageCount))
      #expect(layout.index(of: page) == index)
    }
    for leaf in 0..<layout.heads.leafCount { used.insert(layout.leaf(leaf, of: layout.heads)) }
    for leaf in 0..<layout.tails.leafCount { used.insert(layout.leaf(leaf, of: layout.tails)) }
    let interior =
      layout.interiorPages(of: layout.heads) { $0 }
      + layout.interiorPages(of: layout.tails) { layout.lastTail(onLeaf: $0) }
    for page in interior {
      used.insert(page.number)
      #expect((2...300).contains(page.children.count))
    }
    #expect(used.count == layout.heads.leafCount + layout.tails.leafCount + interior.count)
    #expect(used.union([1, 2, 3, 4, 5]).max() == layout.containerPageCount)
    #expect(!used.contains(262_145))
    let lockByte = layout.containerPageCount >= 262_145 ? 1 : 0
    #expect(used.union([1, 2, 3, 4, 5]).count + lockByte == Int(layout.containerPageCount))
  }
}
