import EncryptedStorage
import Foundation
import PageStore
import TestSupport
import Testing

/// Readers and writers of one store at the same time, in threads and in processes.
@Suite("Slow: stores in use by many") struct SlowStoreConcurrencyTests {
  private let folder: TemporaryDirectory
  private let path: String

  init() throws {
    folder = try TemporaryDirectory()
    path = folder.file("store.db")
  }

  /// Waiting for a lock is no failure; waiting for ever is.
  private func factory(cacheKibibytes: Int = 64) throws -> ConnectionFactory {
    try Fixture.factory {
      $0.cacheKibibytes = cacheKibibytes
      $0.containerCacheKibibytes = 100
      $0.busyTimeout = .seconds(60)
    }
  }

  /// For readers: these never wait.
  private func impatientFactory() throws -> ConnectionFactory {
    try Fixture.factory {
      $0.cacheKibibytes = 64
      $0.busyTimeout = .zero
    }
  }

  private func makeReplica(imageCount: Int) async throws -> (PageStore, ImageSeries) {
    let series = try ImageSeries(making: imageCount, in: folder.file("series"), seed: 7)
    let store = try await PageStore.create(path, role: .replica, factory: factory())
    let bootstrap = try await store.beginBootstrap(series.target())
    try await bootstrap.append(ImageSeries.pages(series.image(0)))
    try await bootstrap.finish()
    return (store, series)
  }

  /// Checks in snapshots until it has seen so many versions: what it waits for is others' work, however fast they are.
  private static func watch(_ reader: Connection, versionCount: Int = 12) async throws -> [Int] {
    var versions: [Int] = []
    while versions.count < versionCount {
      let version = try await reader.transaction(.deferred) { try Bookkeeping.check($0) }
      if versions.last != version { versions.append(version) }
    }
    return versions
  }

  @Test(.timeLimit(.minutes(20))) func readersSeeOneCommitWhileAnotherThreadApplies() async throws {
    let (store, series) = try await makeReplica(imageCount: 40)
    let factory = try impatientFactory()
    let isOver = Locked(false)
    let applier = Task {
      var position = ImageSeries.firstPosition
      while !isOver.withLock({ $0 }) || position < ImageSeries.firstPosition + 90 {
        position = try await store.apply(series.batch(after: position)).position
      }
      return Int(position - ImageSeries.firstPosition)
    }
    let seen = try await withThrowingTaskGroup(of: [Int].self) { group in
      for _ in 0..<3 {
        let reader = try await factory.open(path)
        group.addTask {
          let versions = try await Self.watch(reader)
          await reader.close()
          return versions
        }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    isOver.withLock { $0 = true }
    let applied = try await applier.value
    await store.close()
    for versions in seen {
      // Later versions follow earlier ones, round and round.
      let steps = zip(versions, versions.dropFirst()).map { ($1 - $0 + series.count) % series.count }
      #expect(steps.reduce(0, +) <= applied)
    }
    #expect(try await StoreJudge.findings(path, factory) == [])
  }

  @Test(.timeLimit(.minutes(20))) func readersInProcessesSeeOneCommitWhileThisOneApplies() async throws {
    let (store, series) = try await makeReplica(imageCount: 40)
    let checkers = try (0..<2).map { _ in try StoreProcess(["check", path, "1000000"], folder: folder) }
    for checker in checkers { #expect(checker.line() == "ready") }
    try await withThrowingTaskGroup(of: String?.self) { group in
      for checker in checkers { group.addTask { try await BlockingWork.run { _ in try checker.failure() } } }
      var position = ImageSeries.firstPosition
      while position < ImageSeries.firstPosition + 80 || checkers.contains(where: { $0.lastLine == "ready" }) {
        position = try await store.apply(series.batch(after: position)).position
      }
      for checker in checkers { checker.stop() }
      for try await failure in group { #expect(failure == nil) }
    }
    await store.close()
  }

  @Test(.timeLimit(.minutes(20))) func readersHereSeeOneCommitWhileAnotherProcessApplies() async throws {
    let (store, _) = try await makeReplica(imageCount: 40)
    await store.close()
    let factory = try impatientFactory()
    let readers = [try await factory.open(path), try await factory.open(path)]
    let applier = try StoreProcess(["apply", path, folder.file("series"), "1000000"], folder: folder)
    async let failure = BlockingWork.run { _ in try applier.failure() }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for reader in readers { group.addTask { _ = try await Self.watch(reader) } }
      try await group.waitForAll()
    }
    applier.stop()
    #expect(try await failure == nil)
    for reader in readers { await reader.close() }
  }

  // MARK: - Writers

  private func makeCounter() async throws {
    let factory = try factory()
    try await PageStore.create(path, role: .primary, factory: factory).close()
    let maker = try await factory.open(path, .writer)
    try await maker.run {
      try $0.executeScript(Sample.sql + "CREATE TABLE counter (n INTEGER); INSERT INTO counter VALUES (0);")
    }
    await maker.close()
  }

  private static func increment(_ connection: Connection, _ step: Int) async throws {
    try await connection.run { session in
      switch step % 3 {
      case 0: try session.execute("UPDATE counter SET n = n + 1")
      case 1:
        try session.transaction(.immediate) { session in
          let former = try session.value("SELECT n FROM counter").integer ?? -1
          try session.execute("UPDATE counter SET n = ?", [.integer(former + 1)])
          try session.execute("UPDATE pilgrim SET note = zeroblob(?) WHERE id % 50 = ?", [.integer(former), 1])
        }
      default:
        // One of many pages, undone.
        try session.execute("BEGIN IMMEDIATE")
        try session.execute("UPDATE pilgrim SET note = zeroblob(3000)")
        try session.execute("ROLLBACK")
        try session.execute("UPDATE counter SET n = n + 1")
      }
    }
  }

  @Test func noIncrementOfManyWritersIsLost() async throws {
    try await makeCounter()
    let factory = try factory()
    let processes = try (0..<2).map { _ in try StoreProcess(["increment", path, "120"], folder: folder) }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<3 {
        let writer = try await factory.open(path, .writer)
        group.addTask {
          for step in 0..<120 { try await Self.increment(writer, step) }
          await writer.close()
        }
      }
      try await group.waitForAll()
    }
    for process in processes { #expect(try process.failure() == nil) }
    let reader = try await factory.open(path)
    #expect(try await reader.run { try $0.value("SELECT n FROM counter") } == 600)
    await reader.close()
    #expect(try await StoreJudge.findings(path, factory) == [])
  }

  /// After the commit the cursor goes on in what was committed, whatever others write, and nothing fails.
  @Test func aCursorThatIsOpenAcrossACommitReadsOnWhileOthersWrite() async throws {
    try await makeCounter()
    let factory = try factory(cacheKibibytes: 16)
    let isOver = Locked(false)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<2 {
        let writer = try await factory.open(path, .writer)
        group.addTask {
          var step = 0
          while !isOver.withLock({ $0 }) {
            try await Self.increment(writer, step)
            step += 1
          }
          await writer.close()
        }
      }
      let writer = try await factory.open(path, .writer)
      for number in 1...60 {
        try await writer.run { session in
          try session.execute("BEGIN IMMEDIATE")
          let counter = try session.value("SELECT n FROM counter").integer ?? -1
          var ids: [Int64] = []
          try session.forEachRow("SELECT id, name, (SELECT n FROM counter) FROM pilgrim ORDER BY id") { row in
            ids.append(row[0].integer ?? -1)
            if ids.count == 3 {
              try session.execute("UPDATE counter SET n = ?", [.integer(counter + 1)])
              try session.execute("UPDATE pilgrim SET note = zeroblob(2500) WHERE id > 100")
              try session.execute(number % 3 == 0 ? "ROLLBACK" : "COMMIT")
            }
            if ids.count == 200, number % 3 != 0 {
              // Still the own commit, in the snapshot that the cursor keeps.
              #expect(try session.value("SELECT n FROM counter") == .integer(counter + 1))
            }
          }
          #expect(ids == Array(1...400))
        }
      }
      await writer.close()
      isOver.withLock { $0 = true }
      try await group.waitForAll()
    }
    #expect(try await StoreJudge.findings(path, factory) == [])
  }
}
