import EncryptedStorage
import Foundation
import PageStore
import TestSupport
import Testing

/// `pages(changedSince:)` against a model that remembers everything.
@Suite struct ChangeLogTests {
  private let folder: TemporaryDirectory
  private let path: String
  private let factory: ConnectionFactory

  init() throws {
    folder = try TemporaryDirectory()
    path = folder.file("store.db")
    factory = try Fixture.factory { $0.waitsForDisk = false }
  }

  /// Rows of the change log.
  private func rowCount() async throws -> Int64 {
    let container = try await factory.openContainer(path, .reader)
    let count = try await container.run { try $0.value("SELECT count(*) FROM change").integer ?? -1 }
    await container.close()
    return count
  }

  /// At which position each page changed last.
  private struct Model {
    let basePosition: Int64
    var lastChange: [UInt32: Int64] = [:]
    var pageCount: UInt32

    mutating func apply(_ batch: PageBatch) {
      for page in batch.pages { lastChange[page.number] = batch.position }
      pageCount = batch.pageCount
      lastChange = lastChange.filter { $0.key <= pageCount }
    }

    func pages(changedSince position: Int64) -> [UInt32] {
      guard position >= basePosition else { return Array(1...pageCount) }
      return lastChange.filter { $0.value > position }.keys.sorted()
    }
  }

  /// Image pages may hold anything here, but for page 1, which stays.
  private func randomBatch(_ model: Model, from position: Int64, _ generator: inout SeededGenerator) -> PageBatch {
    let change = Int.random(in: 0...9, using: &generator)
    var pageCount = model.pageCount
    if change == 0 { pageCount = UInt32.random(in: 20...max(21, pageCount), using: &generator) }
    if change == 1 { pageCount += UInt32.random(in: 1...60, using: &generator) }
    let count = Int.random(in: 0...12, using: &generator)
    var numbers = Set((0..<count).map { _ in UInt32.random(in: 2...pageCount, using: &generator) })
    if change > 5 { numbers = Set(2...pageCount) }
    if pageCount > model.pageCount { numbers.formUnion((model.pageCount + 1)...pageCount) }
    let byte = UInt8.random(in: 0...255, using: &generator)
    return PageBatch(
      remote: Fixture.remote, basePosition: position,
      position: position + Int64.random(in: 1...5, using: &generator), pageCount: pageCount,
      pages: numbers.shuffled(using: &generator).map { Page(number: $0, bytes: [UInt8](repeating: byte, count: 4096)) })
  }

  @Test(arguments: [1, 2, 3] as [UInt64]) func theStoreKnowsWhichPagesAppliesHaveChanged(seed: UInt64) async throws {
    var generator = SeededGenerator(seed: seed)
    let pages = try Fixture.image(folder.file("plain.db"), Sample.sql + "DELETE FROM pilgrim WHERE id > 30; VACUUM;")
    var store = try await Fixture.replica(path, pages, factory: factory)
    var model = Model(basePosition: 100, pageCount: UInt32(pages.count))
    var positions: [Int64] = [100]
    var listedCount = 0
    for number in 1...240 {
      let batch = randomBatch(model, from: positions[positions.count - 1], &generator)
      try await store.apply(batch)
      model.apply(batch)
      positions.append(batch.position)
      listedCount += batch.pages.count
      if number % 60 == 0 {
        await store.close()
        store = try await PageStore.open(path, factory: factory)
      }
      for position in [-1, 0, 99, 100, batch.position - 1, batch.position, batch.position + 9]
        + (0..<3).map({ _ in Int64.random(in: 90...batch.position, using: &generator) })
      {
        let found = try await store.pages(changedSince: position)
        #expect(found == model.pages(changedSince: position), "seed \(seed), after \(number), since \(position)")
      }
    }
    // Enough for rows to be dropped in between.
    #expect(listedCount > 5000)
    #expect(try await rowCount() < 200, "the log was never compacted")
    await store.close()
  }

  /// The pages of the image as they are stored, page 1 as readers see it left out.
  private func storedPages() async throws -> [UInt32: [UInt8]] {
    let container = try await factory.openContainer(path, .reader)
    let pages = try await container.run { container in
      try container.query("SELECT page, head.data, tail.data FROM head JOIN tail USING (page)") {
        (UInt32($0[0].integer ?? 0), ($0[1].blob ?? []) + ($0[2].blob ?? []))
      }
    }
    await container.close()
    return Dictionary(uniqueKeysWithValues: pages)
  }

  @Test func theStoreKnowsWhichPagesCommitsHaveChanged() async throws {
    let store = try await PageStore.create(path, role: .primary, factory: factory)
    let writer = try await factory.open(path, .writer)
    try await writer.run { session in
      try session.executeScript("PRAGMA auto_vacuum=INCREMENTAL; VACUUM; PRAGMA cache_size=5;")
      try session.executeScript(Bookkeeping.schema)
    }
    var generator = SeededGenerator(seed: 5)
    var history: [(position: Int64, pages: [UInt32: [UInt8]])] = []
    for version in 1...40 {
      let statements = Bookkeeping.change(to: version, &generator)
      try await writer.transaction { session in for statement in statements { try session.execute(statement) } }
      try await writer.run { session in
        if version % 9 == 0 { try session.execute("VACUUM") }
        if version % 4 == 0 { try session.execute("PRAGMA incremental_vacuum(7)") }
        try session.execute("BEGIN IMMEDIATE")
        try session.execute("UPDATE ledger SET note = zeroblob(4000)")
        try session.execute("ROLLBACK")
      }
      let state = try #require(try await store.state().image)
      let pages = try await storedPages()
      #expect(pages.count == Int(state.pageCount))
      for (position, former) in history {
        let listed = Set(try await store.pages(changedSince: position))
        let changed = pages.filter { former[$0.key] != $0.value }.keys
        #expect(listed.isSuperset(of: changed), "since \(position), at \(state.position)")
        #expect(listed.isSubset(of: pages.keys), "since \(position), at \(state.position)")
      }
      #expect(try await store.pages(changedSince: state.position) == [])
      if version % 3 == 0 { history.append((state.position, pages)) }
    }
    await writer.close()
    await store.close()
  }

  /// A writer looks at the size of the log after every 1024 commits.
  @Test func theLogOfAPrimaryStaysBoundedAndComplete() async throws {
    let store = try await PageStore.create(path, role: .primary, factory: factory)
    let writer = try await factory.open(path, .writer)
    try await writer.run { session in
      try session.executeScript(
        "CREATE TABLE a (n, note); CREATE TABLE b (n); INSERT INTO a VALUES (0, zeroblob(9000))")
      try session.execute("INSERT INTO b VALUES (0)")
    }
    let start = try #require(try await store.state().image?.position)
    let before = try await storedPages()
    try await writer.run { session in
      for number in 0..<2600 {
        // Every page of the row changes.
        let note = "replace(hex(zeroblob(2250)), '00', printf('%04d', \(number)))"
        try session.execute(number % 7 == 0 ? "UPDATE b SET n = n + 1" : "UPDATE a SET n = n + 1, note = \(note)")
      }
      try session.execute("UPDATE a SET n = -1")
    }
    let last = try #require(try await store.state().image)
    try await writer.run { _ = try $0.execute("UPDATE b SET n = -1") }
    let after = try await storedPages()
    #expect(try await rowCount() < 2000)
    let changed = after.filter { before[$0.key] != $0.value }.keys
    #expect(Set(try await store.pages(changedSince: start)).isSuperset(of: changed))
    // The newest commit has changed the one page of b.
    #expect(try await store.pages(changedSince: last.position).count == 1)
    #expect(try await store.pages(changedSince: 0) == Array(1...last.pageCount))
    await writer.close()
    await store.close()
    #expect(try await StoreJudge.findings(path, factory) == [])
  }
}
