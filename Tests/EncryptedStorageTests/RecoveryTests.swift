import EncryptionKeys
import Foundation
import TestSupport
import Testing

@testable import EncryptedStorage

@Suite("Recovery")
struct RecoveryTests {
  let bench: RecoveryBench

  init() throws { bench = try RecoveryBench() }

  // MARK: - Every page is authentic

  @Test func rewritesASoundFileUnderTheNewKey() async throws {
    let file = try HostelFile.standard.get()
    try Bytes.write(file.data, to: bench.source)
    let outcome = try await bench.recover()
    #expect(outcome.method == .pages && outcome.lostPages == [] && outcome.notes == [])
    #expect(outcome.authenticPageCounts == [try KeyID("first"): file.pageCount])
    try bench.content().expect(file, without: [])
  }

  /// What an interrupted in-place rekey leaves: some pages under another key, the salt the same.
  @Test(arguments: [1 as UInt64, 2, 3])
  func bringsPagesOfTwoKeysUnderOne(seed: UInt64) async throws {
    let file = try HostelFile.standard.get()
    var generator = SeededGenerator(seed: seed)
    let moved = (1...file.pageCount).filter { _ in Bool.random(using: &generator) }
    try Bytes.write(try file.rewriting(pages: moved, under: TestKeys.raw("other", TestKeys.thirdHex)), to: bench.source)
    let outcome = try await bench.recover(
      keys: [TestKeys.first(), TestKeys.raw("other", TestKeys.thirdHex)])
    #expect(outcome.method == .pages && outcome.lostPageCount == 0)
    #expect(outcome.authenticPageCounts[try KeyID("other")] == moved.count)
    #expect(outcome.authenticPageCounts[try KeyID("first")] == file.pageCount - moved.count)
    try bench.content().expect(file, without: [])
  }

  @Test func ignoresBytesAfterTheLastPage() async throws {
    let file = try HostelFile.standard.get()
    try Bytes.write(file.data + Data(repeating: 7, count: 5000), to: bench.source)
    let outcome = try await bench.recover()
    #expect(outcome.method == .pages && Int(outcome.pageCount) == file.pageCount && outcome.notes.count == 1)
    try bench.content().expect(file, without: [])
  }

  /// `PRAGMA rekey` cannot leave this, but a half-restored backup can: nothing of it is taken as it is.
  @Test func savesRowsWhenAuthenticPagesMakeNoSoundDatabase() async throws {
    let file = try HostelFile.standard.get()
    let root = try #require(file.pages.first { $0.name == "stay" && $0.path == "/" })
    // The right-most child of the root becomes the schema page.
    let data = try file.rewriting(pages: [root.number], under: TestKeys.first()) { page in
      page.replaceSubrange(8..<12, with: [0, 0, 0, 1])
    }
    try Bytes.write(data, to: bench.source)
    let outcome = try await bench.recover()
    #expect(outcome.method == .rows && outcome.lostPageCount == 0 && outcome.notes.count >= 1)
    try bench.content().expect(file, without: [])
  }

  @Test func savesRowsWhenThePageSizeOrTheProfileDiffers() async throws {
    let file = try HostelFile.smallPages.get()
    try Bytes.write(file.data, to: bench.source)
    let outcome = try await bench.recover(profile: .sqlcipher4)
    #expect(outcome.method == .rows && outcome.lostPageCount == 0 && outcome.orphanRowCount == 0)
    try bench.content().expect(file, without: [])
    #expect(
      try SQLCipherShell.lines(
        bench.target, key: TestKeys.secondHex,
        "PRAGMA encoding; PRAGMA user_version; PRAGMA application_id; SELECT count(*) FROM sqlite_schema; SELECT count(*) FROM beds;"
      ) == ["UTF-16le", "42", "1234", "7", "40"])
  }

  // MARK: - Pages are lost

  @Test func losesOnlyTheRowsOfALeaf() async throws {
    let file = try HostelFile.standard.get()
    let leaf = try #require(file.pages.first { $0.name == "stay" && $0.kind == "leaf" })
    try Bytes.write(file.data.flippingABit(inPages: [leaf.number], pageSize: 4096), to: bench.source)
    let outcome = try await bench.recover()
    #expect(outcome.method == .rows && outcome.lostPages == [UInt32(leaf.number)] && outcome.orphanRowCount == 0)
    let stay = try #require(outcome.tables.first { $0.name == "stay" })
    #expect(stay.recoveredRowCount == 3000 - leaf.cellCount && stay.refusedRowCount == 0)
    try bench.content().expect(file, without: [leaf.number])
  }

  @Test func losesOnlyTheRowOfAnOverflowPage() async throws {
    let file = try HostelFile.standard.get()
    let overflow = try #require(file.pages.last { $0.kind == "overflow" })
    try Bytes.write(file.data.flippingABit(inPages: [overflow.number], pageSize: 4096), to: bench.source)
    let outcome = try await bench.recover()
    let pilgrim = try #require(outcome.tables.first { $0.name == "pilgrim" })
    #expect(pilgrim.recoveredRowCount == 249 && pilgrim.unreadableRowCount == 1)
    try bench.content().expect(file, without: [overflow.number])
  }

  @Test func losesNoRowWithAnInteriorPageOfATableWithRowids() async throws {
    for file in [try HostelFile.standard.get(), try HostelFile.smallPages.get()] {
      for page in file.pages where page.kind == "internal" && HostelFile.rowidTables.contains(page.name) {
        let bench = try RecoveryBench()
        try Bytes.write(file.data.flippingABit(inPages: [page.number], pageSize: file.pageSize), to: bench.source)
        let outcome = try await bench.recover()
        // One gap, and only one table that fits: the rows are put where they belong.
        #expect(outcome.orphanRowCount == 0 && !outcome.schemaLost, "page \(page.number) of \(page.name)")
        try bench.content().expect(file, without: [page.number])
      }
    }
  }

  @Test func losesOnlyTheCellsOfAnInteriorPageOfATableWithoutRowids() async throws {
    let file = try HostelFile.standard.get()
    let page = try #require(file.pages.first { $0.kind == "internal" && $0.name == "credential" })
    try Bytes.write(file.data.flippingABit(inPages: [page.number], pageSize: 4096), to: bench.source)
    let outcome = try await bench.recover()
    #expect(outcome.tables.first { $0.name == "credential" }?.recoveredRowCount == 2500 - page.cellCount)
    try bench.content().expect(file, without: [page.number])
  }

  @Test func needsNoIndexPageAtAll() async throws {
    let file = try HostelFile.standard.get()
    let pages = file.pageNumbers { $0.name == "pilgrim_name" || $0.name == "stay_once" }
    try Bytes.write(file.data.flippingABit(inPages: pages, pageSize: 4096), to: bench.source)
    let outcome = try await bench.recover()
    #expect(outcome.orphanRowCount == 0 && outcome.notes == [])
    try bench.content().expect(file, without: [])
  }

  @Test func putsEveryRowIntoLostAndFoundWhenPageOneIsLost() async throws {
    let file = try HostelFile.standard.get()
    try Bytes.write(file.data.flippingABit(inPages: [1], pageSize: 4096), to: bench.source)
    let outcome = try await bench.recover()
    #expect(outcome.method == .rows && outcome.schemaLost && outcome.tables.isEmpty && outcome.lostPages == [1])
    let content = try bench.content()
    #expect(Set(content.strayRows) == file.strayRows)
    content.expect(file, without: [1])
    let roots = try SQLCipherShell.lines(
      bench.target, key: TestKeys.secondHex,
      "SELECT DISTINCT rootpgno FROM lost_and_found WHERE id IS NOT NULL ORDER BY 1;")
    #expect(
      roots
        == file.pages.filter { HostelFile.rowidTables.contains($0.name) && $0.path == "/" }.map { "\($0.number)" }
        .sorted())
  }

  @Test func findsTheSchemaOnOtherPagesWhenPageOneIsLost() async throws {
    let file = try HostelFile.smallPages.get()
    try #require(file.pages.contains { $0.name == "sqlite_schema" && $0.number > 1 })
    try Bytes.write(file.data.flippingABit(inPages: [1], pageSize: 1024), to: bench.source)
    let outcome = try await bench.recover()
    #expect(outcome.schemaLost && outcome.tables.count == 3)
    try bench.content().expect(file, without: [1])
  }

  @Test(arguments: [0.3, 0.7])
  func savesWhatIsLeftOfATruncatedFile(share: Double) async throws {
    let file = try HostelFile.standard.get()
    let kept = Int(Double(file.pageCount) * share)
    try Bytes.write(file.data.prefix(kept * 4096 + 1000), to: bench.source)
    let outcome = try await bench.recover()
    #expect(Int(outcome.pageCount) == file.pageCount && outcome.lostPageCount == file.pageCount - kept)
    try bench.content().expect(file, without: Set((kept + 1)...file.pageCount))
  }

  /// The heart of the matter, as a property: for any damage, exactly the rows on lost pages are lost, and none is altered.
  @Test(.timeLimit(.minutes(20)), arguments: 0..<24 as Range<UInt64>)
  func losesExactlyWhatIsOnDamagedPages(seed: UInt64) async throws {
    var generator = SeededGenerator(seed: seed)
    let file = try (seed % 2 == 0 ? HostelFile.standard : HostelFile.smallPages).get()
    let candidates = file.pageNumbers { !$0.name.hasPrefix("sqlite_") }
    let count = Int.random(in: 1...(seed % 3 == 0 ? candidates.count / 2 : 12), using: &generator)
    let lost = Set(candidates.shuffled(using: &generator).prefix(count))
    var data = file.data
    for page in lost {
      let range = ((page - 1) * file.pageSize)..<(page * file.pageSize)
      switch Int.random(in: 0..<3, using: &generator) {
      case 0: data.replaceSubrange(range, with: Data(repeating: 0, count: file.pageSize))
      case 1: data.replaceSubrange(range, with: Data(range.map { _ in UInt8.random(in: 0...255, using: &generator) }))
      default: data[Int.random(in: range, using: &generator)] ^= 1
      }
    }
    try Bytes.write(data, to: bench.source)
    let outcome = try await bench.recover()
    #expect(outcome.lostPages == lost.sorted().map(UInt32.init))
    try bench.content().expect(file, without: lost)
  }

  // MARK: - Failure

  @Test func leavesNothingBehindWithoutTheRightKey() async throws {
    try Bytes.write(try HostelFile.standard.get().data, to: bench.source)
    #expect(await bench.code { _ = try await bench.recover(keys: [TestKeys.second()]) } == .wrongKey)
    #expect(await bench.code { _ = try await bench.recover(keys: []) } == .noKey)
    try Bytes.write(Data("SQLite format 3\0 and so on".utf8), to: bench.source)
    #expect(await bench.code { _ = try await bench.recover() } == .plaintext)
  }

  @Test func overwritesNothing() async throws {
    try Bytes.write(try HostelFile.standard.get().data, to: bench.source)
    try Bytes.write(Data("mine".utf8), to: bench.target)
    #expect(await bench.code { _ = try await bench.recover() } == .exists)
    #expect(try Bytes.read(bench.target) == Data("mine".utf8))
  }

  @Test func stopsWhenTheTaskIsCancelled() async throws {
    try Bytes.write(try HostelFile.standard.get().data.flippingABit(inPages: [3], pageSize: 4096), to: bench.source)
    let bench = bench
    let task = Task { await bench.code { _ = try await bench.recover() } }
    task.cancel()
    #expect(await task.value == .cancelled)
  }
}
