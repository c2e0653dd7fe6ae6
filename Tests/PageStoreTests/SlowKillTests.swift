import EncryptedStorage
import Foundation
import PageStore
import TestSupport
import Testing

/// kill -9 at any moment. A line that the killed program wrote is a promise; what it was doing is done or not.
///
/// Set ALBERGUE_TEST_SEED to repeat a run, ALBERGUE_TEST_KILLS for more kills.
@Suite("Slow: stores of killed processes", .serialized)
struct SlowStoreKillTests {
  private static let seed =
    ProcessInfo.processInfo.environment["ALBERGUE_TEST_SEED"].flatMap { UInt64($0) } ?? .random(in: 0...999_999)
  private static let killCount = Int(DifferentialRun.setting("ALBERGUE_TEST_KILLS", 210))

  private let folder: TemporaryDirectory
  private let factory: ConnectionFactory

  init() throws {
    folder = try TemporaryDirectory()
    factory = try Fixture.factory()
  }

  /// Lets the program write some lines, and then work on for a moment that no line marks.
  private func killSomewhere(
    _ process: StoreProcess, lines: ClosedRange<Int>, microseconds: Int, _ generator: inout SeededGenerator
  ) {
    for _ in 0..<Int.random(in: lines, using: &generator) { guard process.line() != nil else { break } }
    let deadline = ContinuousClock.now + .microseconds(Int.random(in: 0...microseconds, using: &generator))
    while ContinuousClock.now < deadline {}
    process.kill()
  }

  @Test func anApplyIsWholeOrHasNotHappened() async throws {
    var generator = SeededGenerator(seed: Self.seed)
    let series = try ImageSeries(making: 40, in: folder.file("series"), seed: Self.seed)
    let path = folder.file("store.db")
    let store = try await PageStore.create(path, role: .replica, factory: factory)
    let bootstrap = try await store.beginBootstrap(series.target())
    try await bootstrap.append(ImageSeries.pages(series.image(0)))
    var position = try await bootstrap.finish().position
    await store.close()
    for number in 1...Self.killCount {
      let cause: Comment = "seed \(Self.seed), kill \(number) after position \(position)"
      let process = try StoreProcess(["apply", path, folder.file("series"), "1000"], folder: folder)
      killSomewhere(process, lines: 0...6, microseconds: 12_000, &generator)
      let promised = process.lastLine.flatMap { Int64($0) } ?? position
      let store = try await PageStore.open(path, factory: factory)
      let state = try await store.state()
      position = try #require(state.image?.position, cause)
      #expect(position == promised || position == promised + 1, cause)
      await store.close()
      let reader = try await factory.open(path)
      let version = try await reader.transaction(.deferred) { try Bookkeeping.check($0) }
      await reader.close()
      #expect(version == series.version(at: position), cause)
      #expect(try await StoreJudge.findings(path, factory) == [], cause)
    }
    #expect(position > ImageSeries.firstPosition + Int64(Self.killCount), "seed \(Self.seed)")
  }

  @Test func aBootstrapGoesOnWhereItWasKilled() async throws {
    var generator = SeededGenerator(seed: Self.seed &+ 1)
    let series = try ImageSeries(making: 9, in: folder.file("series"), seed: Self.seed)
    let path = folder.file("store.db")
    let target = try series.target(8)
    let image = ImageSeries.pages(try series.image(8))
    let pageCount = image.count
    var promised = pageCount
    var finishedCount = 0
    for number in 1...Self.killCount {
      let cause: Comment = "seed \(Self.seed), kill \(number), \(promised) pages missing before"
      let process = try StoreProcess(["bootstrap", path, folder.file("series"), "\(number)"], folder: folder)
      let isFirst = promised == pageCount
      killSomewhere(process, lines: 0...9, microseconds: isFirst ? 30_000 : 4000, &generator)
      let line = process.lastLine
      if let line, line.hasPrefix("missing "), let left = Int(line.dropFirst(8)) { promised = left }
      // Killed before it made the file.
      guard Bytes.exists(path) else { continue }
      let store = try await PageStore.open(path, factory: factory)
      let state = try await store.state()
      if state.isComplete {
        #expect(line == "finished" || promised <= 9, cause)
        #expect(state.image?.pageCount == UInt32(pageCount), cause)
        for page in image {
          let stored = try await store.page(page.number)
          #expect(stored == page, cause)
        }
        await store.close()
        let reader = try await factory.open(path)
        #expect(try await reader.transaction(.deferred) { try Bookkeeping.check($0) } == 8, cause)
        await reader.close()
        #expect(try await StoreJudge.findings(path, factory) == [], cause)
        finishedCount += 1
        promised = pageCount
        #expect(!Bytes.exists(path + ".albergue-bootstrap"), cause)
        for suffix in ["", "-wal", "-shm", "-writer.lock"] {
          try? FileManager.default.removeItem(atPath: path + suffix)
        }
        continue
      }
      #expect(line != "finished", cause)
      await #expect(throws: EncryptedStorageError.self, cause) { try await factory.open(path) }
      if Bytes.exists(path + ".albergue-bootstrap") {
        let missing = try await store.beginBootstrap(target).missingPages().reduce(0) { $0 + $1.count }
        #expect(missing <= promised, cause)
      }
      await store.close()
    }
    #expect(finishedCount > 3, "seed \(Self.seed)")
  }

  @Test func aCommitOfAWriterIsWholeOrHasNotHappened() async throws {
    var generator = SeededGenerator(seed: Self.seed &+ 2)
    let path = folder.file("store.db")
    try await PageStore.create(path, role: .primary, factory: factory).close()
    let maker = try await factory.open(path, .writer)
    try await maker.run { try $0.executeScript(Bookkeeping.schema) }
    await maker.close()
    var version = 0
    for number in 1...Self.killCount {
      let cause: Comment = "seed \(Self.seed), kill \(number) after version \(version)"
      let process = try StoreProcess(["write", path, "1000", "\(number)"], folder: folder)
      killSomewhere(process, lines: 0...6, microseconds: 30_000, &generator)
      let promised = process.lastLine.flatMap { Int($0) } ?? version
      let reader = try await factory.open(path)
      version = try await reader.transaction(.deferred) { try Bookkeeping.check($0) }
      await reader.close()
      #expect(version == promised || version == promised + 1, cause)
      #expect(try await StoreJudge.findings(path, factory) == [], cause)
    }
    #expect(version > Self.killCount, "seed \(Self.seed)")
  }
}
