import EncryptedStorage
import EncryptionKeys
import Foundation
import PageStore
import TestSupport
import Testing

/// Every way not to open a store has an error of its own; the state can be read without opening it.
@Suite struct StoreOpeningTests {
  private let folder: TemporaryDirectory
  private let path: String

  init() async throws {
    folder = try TemporaryDirectory()
    path = folder.file("store.db")
    _ = try SQLCipherShell.lines(folder.file("plain.db"), Sample.sql)
    try await SampleStore.makeReplica(path, of: folder.file("plain.db"), key: TestKeys.first())
  }

  private func code(_ body: () async throws -> Void) async -> EncryptedStorageError.Code? {
    do {
      try await body()
      return nil
    } catch { return (error as? EncryptedStorageError)?.code }
  }

  @Test func eachWayNotToOpenItHasItsOwnError() async throws {
    let path = path
    let mounting = ConnectionFactory.Configuration.mountingPageStores
    let second = ConnectionFactory(key: try TestKeys.second(), configuration: mounting)
    let none = ConnectionFactory(candidates: [], configuration: mounting)
    let plain = ConnectionFactory(key: try TestKeys.first())
    let first = SampleStore.factory(try TestKeys.first())
    #expect(await code { _ = try await second.open(path) } == .wrongKey)
    #expect(await code { _ = try await none.open(path) } == .noKey)
    #expect(await code { _ = try await plain.open(path) } == .pageStore)
    #expect(await code { _ = try await first.open(path, .writer) } == .denied)
    let other = SampleStore.factory(try TestKeys.first(), .sqlcipher4SHA256)
    #expect(await code { _ = try await other.open(path) } == .profileMismatch)
    let partial = folder.file("partial.db")
    try await SampleStore.makeReplica(
      partial, of: folder.file("plain.db"), key: TestKeys.first(), pulledPageCount: 9)
    #expect(await code { _ = try await first.open(partial) } == .incomplete)
    let ordinary = folder.file("ordinary.db")
    try await Sample.make(ordinary, key: TestKeys.first())
    #expect(await code { _ = try await PageStore.open(ordinary, factory: first) } == .notADatabase)
    #expect(await code { _ = try await PageStore.create(path, role: .replica, factory: first) } == .exists)
    // None of these left anything beside the files.
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    #expect(
      names == [
        "ordinary.db", "partial.db", "partial.db.albergue-bootstrap", "partial.db.albergue-bootstrap.lock", "plain.db",
        "store.db",
      ])
  }

  @Test func aCopyOfAStoreIsOfTheDatabaseInsideWhenStoresAreMounted() async throws {
    let (key, target) = (try TestKeys.first(), folder.file("copy.db"))
    let path = path
    #expect(
      await code { _ = try await DatabaseCopy(sourceKeys: [key], target: .plaintext).run(from: path, to: target) }
        == .pageStore)
    #expect(!Bytes.exists(target))
    let copy = DatabaseCopy(sourceKeys: [key], target: .plaintext, configuration: .mountingPageStores)
    let outcome = try await copy.run(from: path, to: target)
    #expect(outcome.tableCount == 1)
    let expected = try SQLCipherShell.lines(folder.file("plain.db"), Sample.digestSQL)
    #expect(try SQLCipherShell.lines(target, Sample.digestSQL) == expected)
  }

  @Test func aCopyIsOneSnapshotWhileThePrimaryIsWritten() async throws {
    let primary = folder.file("primary.db")
    try await SampleStore.makePrimary(
      primary, key: TestKeys.first(),
      sql:
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b BLOB); INSERT INTO t VALUES (1, 0, randomblob(9000)), (2, 0, NULL);"
    )
    let writer = try await SampleStore.factory(try TestKeys.first()).open(primary, .writer)
    let writing = Task {
      while !Task.isCancelled {
        try await writer.transaction { try $0.executeScript("UPDATE t SET a = a + 1, b = randomblob(9000)") }
      }
    }
    let copy = DatabaseCopy(sourceKeys: [try TestKeys.first()], target: .plaintext, configuration: .mountingPageStores)
    for number in 1...5 {
      let target = folder.file("copy\(number).db")
      _ = try await copy.run(from: primary, to: target)
      #expect(
        try SQLCipherShell.lines(target, "SELECT count(DISTINCT a) FROM t; PRAGMA integrity_check;") == ["1", "ok"])
    }
    writing.cancel()
    _ = await writing.result
    await writer.close()
  }

  @Test func theStoredStateIsThatOfTheStore() async throws {
    let store = try await PageStore.open(path, factory: SampleStore.factory(try TestKeys.first()))
    #expect(try await StoreState.stored(in: path, keys: [TestKeys.first()]) == store.state())
    let page = try #require(try await store.page(7))
    var position = SampleStore.position
    for _ in 1...40 {
      // The state is in the log, and now and then in the file.
      try await store.apply(
        PageBatch(
          remote: SampleStore.remote, basePosition: position, position: position + 3,
          pageCount: try #require(try await store.state().image?.pageCount), pages: [page]))
      position += 3
      #expect(try await StoreState.stored(in: path, keys: [TestKeys.first()]).image?.position == position)
    }
    await store.close()
    #expect(try await StoreState.stored(in: path, keys: [TestKeys.first()]).image?.position == position)
  }

  @Test func theStoredStateNeedsOnePathThroughALongListOfChanges() async throws {
    _ = try SQLCipherShell.lines(
      path, key: TestKeys.firstHex,
      """
      INSERT INTO change SELECT 1000 + value, 9, 99, randomblob(400) FROM generate_series(1, 3000); PRAGMA wal_checkpoint(TRUNCATE);
      """)
    // Every page but the first and the last hundred fails its MAC: those in between hold most of the list.
    var data = try Bytes.read(path)
    let inner = try SQLCipherShell.lines(path, key: TestKeys.firstHex, "SELECT rootpage FROM sqlite_schema;")
    let kept = Set(inner.compactMap(Int.init)).union([1])
    let count = data.count / 4096
    for page in (count - 250)..<(count - 100) where !kept.contains(page + 1) { data[page * 4096 + 77] ^= 1 }
    try Bytes.write(data, to: path)
    #expect(try await StoreState.stored(in: path, keys: [TestKeys.first()]).image?.position == 4000)
  }

  @Test func theStoredStateIsOfOneCommitWhileTheStoreIsWritten() async throws {
    let primary = folder.file("primary.db")
    try await SampleStore.makePrimary(
      primary, key: TestKeys.first(), sql: "CREATE TABLE t (a); INSERT INTO t VALUES (1);")
    let writer = try await SampleStore.factory(try TestKeys.first()).open(primary, .writer)
    let writing = Task {
      while !Task.isCancelled {
        for _ in 1...30 { try await writer.transaction { try $0.executeScript("UPDATE t SET a = a + 1") } }
        _ = try await writer.run { try $0.checkpoint() }
      }
    }
    var last: Int64 = 0
    var readCount = 0
    for _ in 1...60 {
      do {
        let state = try await StoreState.stored(in: primary, keys: [TestKeys.first()])
        let position = try #require(state.image?.position)
        #expect(position >= last)
        last = position
        readCount += 1
      } catch let error as EncryptedStorageError where error.code == .busy { continue }
    }
    #expect(readCount > 0)
    writing.cancel()
    _ = await writing.result
    await writer.close()
  }
}
