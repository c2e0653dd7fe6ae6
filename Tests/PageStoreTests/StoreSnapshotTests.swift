import EncryptedStorage
import Foundation
import PageStore
import TestSupport
import Testing

@Suite struct StoreSnapshotTests {
  private let folder: TemporaryDirectory
  private let path: String
  private let factory: ConnectionFactory

  init() throws {
    folder = try TemporaryDirectory()
    path = folder.file("store.db")
    factory = try Fixture.factory { $0.waitsForDisk = false }
  }

  private func writer(_ sql: String = "CREATE TABLE a (n, note)") async throws -> Connection {
    try await PageStore.create(path, role: .primary, factory: factory).close()
    let writer = try await factory.open(path, .writer)
    try await writer.run { try $0.executeScript(sql) }
    return writer
  }

  private func numbers(_ pages: ChangedPages) -> [UInt32] { pages.pages(after: 0, limit: .max) }

  /// Every page of a snapshot, one after the other.
  private func image(_ snapshot: StoreSnapshot) async throws -> [UInt8] {
    let pages = try await snapshot.changedPages(since: 0)
    var bytes: [UInt8] = []
    var last: UInt32 = 0
    while case let run = pages.pages(after: last, limit: StoreSnapshot.runLength), let end = run.last {
      for page in try await snapshot.read(run) { bytes += page.bytes }
      last = end
    }
    return bytes
  }

  @Test func aCommitThatChangesTheSizeOfTheImageListsPageOne() async throws {
    let writer = try await writer("CREATE TABLE a (n, note); CREATE TABLE b (n); INSERT INTO b VALUES (1)")
    let pool = try await SnapshotPool.open(path, factory: factory)
    let before = try await pool.state().image
    // Grows by the pages of one row, and touches page 1 for nothing but its size.
    try await writer.run { try $0.executeScript("INSERT INTO a VALUES (1, zeroblob(100000))") }
    var snapshot = try await pool.snapshot()
    #expect(snapshot.state.image.pageCount > before.pageCount)
    var listed = numbers(try await snapshot.changedPages(since: before.position))
    #expect(listed.first == 1)
    #expect(snapshot.state.image.position == before.position + Int64(listed.count))
    let grown = snapshot.state.image
    await snapshot.close()
    try await writer.run { try $0.executeScript("UPDATE b SET n = n + 1") }
    snapshot = try await pool.snapshot()
    listed = numbers(try await snapshot.changedPages(since: grown.position))
    #expect(listed.count == 1 && listed.first != 1, "a commit without growth lists \(listed)")
    let updated = snapshot.state.image
    await snapshot.close()
    try await writer.run { try $0.executeScript("DELETE FROM a; VACUUM") }
    snapshot = try await pool.snapshot()
    #expect(snapshot.state.image.pageCount < grown.pageCount)
    #expect(numbers(try await snapshot.changedPages(since: updated.position)).first == 1)
    await snapshot.close()
    await pool.close()
    await writer.close()
    #expect(try await StoreJudge.findings(path, factory) == [])
  }

  @Test func aSnapshotIsADatabaseOfItsCommitWhateverIsWrittenMeanwhile() async throws {
    let writer = try await writer(Bookkeeping.schema)
    let pool = try await SnapshotPool.open(path, factory: factory)
    var generator = SeededGenerator(seed: 7)
    var snapshots: [StoreSnapshot] = []
    for version in 1...12 {
      let statements = Bookkeeping.change(to: version, &generator)
      try await writer.transaction { session in for statement in statements { try session.execute(statement) } }
      if version % 5 == 0 { try await writer.run { try $0.executeScript("VACUUM") } }
      if version % 4 == 0 { snapshots.append(try await pool.snapshot()) }
    }
    #expect(await pool.openCount == 3)
    for (index, snapshot) in snapshots.enumerated() {
      let bytes = try await image(snapshot)
      #expect(bytes.count == Int(snapshot.state.image.pageCount) * 4096)
      let file = folder.file("image-\(index).db")
      try Bytes.write(Data(bytes), to: file)
      #expect(
        try SQLCipherShell.lines(file, "PRAGMA integrity_check; SELECT version FROM state; PRAGMA page_count") == [
          "ok", "\((index + 1) * 4)", "\(snapshot.state.image.pageCount)",
        ])
      await snapshot.close()
      await #expect(throws: EncryptedStorageError.self) { try await snapshot.read([1]) }
    }
    #expect(await pool.openCount == 0)
    await pool.close()
    await writer.close()
  }

  @Test func generationsBeginAtTheEndOfCommitsAndTwoAreKept() async throws {
    let writer = try await writer()
    let pool = try await SnapshotPool.open(path, factory: factory)
    var state = try await pool.state()
    #expect(state.generations.map(\.number) == [1] && state.generation.basePosition == 0)
    var bases: [Int64] = [0]
    for _ in 0..<12 {
      try await writer.transaction { session in
        try session.execute("DELETE FROM a")
        try session.execute("INSERT INTO a VALUES (1, zeroblob(2000000))")
      }
      let former = state
      state = try await pool.state()
      #expect(state.identity == former.identity)
      if state.generation.number > former.generation.number {
        #expect(state.generation.basePosition == state.image.position)
        #expect(state.generation.number == former.generation.number + 1)
        bases.append(state.generation.basePosition)
      } else {
        #expect(state.image.position - state.generation.basePosition <= 1024)
      }
      #expect(state.generations.map(\.basePosition) == bases.suffix(2))
    }
    #expect(bases.count > 3)
    let number = state.generation.number
    await pool.close()
    await writer.close()
    let store = try await PageStore.open(path, factory: factory)
    let identity = try await store.state().remote
    #expect(identity == RemoteIdentity(name: state.identity, protocolName: "primary", generation: Int64(number)))
    await store.close()
    #expect(try await StoreJudge.findings(path, factory) == [])
  }

  @Test func aNewHistoryHasAnotherIdentityAndTheSameImage() async throws {
    let writer = try await writer(Sample.sql)
    let pool = try await SnapshotPool.open(path, factory: factory)
    let before = try await pool.snapshot()
    let store = try await PageStore.open(path, factory: factory)
    for number in [65, 129] as [UInt32] {
      try await store.beginNewHistory()
      let after = try await pool.state()
      #expect(after.identity != before.state.identity && after.image == before.state.image)
      #expect(after.generations.map(\.number) == [number - 1, number])
      #expect(after.generation.basePosition == after.image.position)
    }
    #expect(try await store.state().remote?.generation == 129)
    await before.close()
    await store.close()
    await pool.close()
    await writer.close()
    #expect(try await StoreJudge.findings(path, factory) == [])
  }

  @Test func aCommitOfNothingButCountersIsToldByPageOne() async throws {
    let writer = try await writer()
    let pool = try await SnapshotPool.open(path, factory: factory)
    let before = try await pool.state().image
    try await writer.run { _ = try $0.execute("PRAGMA user_version = 0") }
    let snapshot = try await pool.snapshot()
    #expect(snapshot.state.image.position == before.position + 1)
    #expect(numbers(try await snapshot.changedPages(since: before.position)) == [1])
    await snapshot.close()
    await pool.close()
    await writer.close()
  }

  @Test func moreSnapshotsThanAllowedWaitForTheirTurn() async throws {
    let writer = try await writer()
    let pool = try await SnapshotPool.open(path, factory: factory, countLimit: 2)
    let first = try await pool.snapshot()
    var second: StoreSnapshot? = try await pool.snapshot()
    #expect(second?.state == first.state)
    async let third = pool.snapshot()
    let cancelled = Task { try await pool.snapshot() }
    cancelled.cancel()
    await #expect(throws: EncryptedStorageError.self) { try await cancelled.value }
    // Nobody holds it any more: that is enough.
    second = nil
    let last = try await third
    #expect(try await last.read([1]).count == 1)
    await first.close()
    await first.close()
    await last.close()
    #expect(await pool.openCount == 0)
    await pool.close()
    await #expect(throws: EncryptedStorageError.self) { try await pool.snapshot() }
    await writer.close()
  }

  @Test func aReplicaIsNoPrimaryOfOthers() async throws {
    let pages = try Fixture.image(folder.file("plain.db"), Sample.sql)
    await (try Fixture.replica(path, pages, factory: factory)).close()
    do {
      _ = try await SnapshotPool.open(path, factory: factory)
      Issue.record("a replica was served")
    } catch let error as EncryptedStorageError { #expect(error.code == .denied) }
  }

  @Test(arguments: [1, 63, 64, 65, 127, 128, 300_000] as [UInt32])
  func aSetOfPagesGivesThemInBothDirections(pageCount: UInt32) {
    var all = ChangedPages.all(pageCount: pageCount)
    let expected = (1...pageCount).filter { $0 != 262_145 }
    #expect(all.count == expected.count)
    #expect(all.pages(after: 0, limit: .max) == expected)
    #expect(all.pages(before: .max, limit: .max) == expected)
    #expect(all.pages(before: UInt64(pageCount), limit: 3) == Array(expected.dropLast().suffix(3)))
    all.formIntersection { $0 % 3 == 0 }
    #expect(all.pages(after: 0, limit: .max) == expected.filter { $0 % 3 == 0 })
    #expect(all.count == expected.count { $0 % 3 == 0 })
    let former = all.pages(after: 0, limit: .max)
    all.fill(upTo: former.count + 2)
    #expect(all.count == min(expected.count, former.count + 2))
    #expect(former.allSatisfy { all.contains($0) })
    all.fill(upTo: .max)
    #expect(all.pages(after: 0, limit: .max) == expected)
  }
}
