import EncryptionKeys
import Foundation
import TestSupport
import Testing

@testable import EncryptedStorage

/// Pages that are authentic and wrong: what a bug, or somebody with the key, can have written. Recovery must end, must not
/// trap, and must make a sound file of whatever it finds.
@Suite("Recovery of hostile pages", .timeLimit(.minutes(20)))
struct RecoveryHostileTests {
  let bench: RecoveryBench

  init() throws { bench = try RecoveryBench() }

  /// Goal: no input traps. Method: change bytes of decrypted pages, most of them in headers and cell pointers.
  @Test(arguments: 0..<40 as Range<UInt64>)
  func endsInASoundFileWhateverThePagesHold(seed: UInt64) async throws {
    var generator = SeededGenerator(seed: seed)
    let file = try (seed % 2 == 0 ? HostelFile.standard : HostelFile.smallPages).get()
    let share = seed % 4 == 0 ? 1 : 6
    let pages = (1...file.pageCount).filter { _ in Int.random(in: 0..<share, using: &generator) == 0 }
    let data = try file.rewriting(pages: pages, under: TestKeys.first()) { content in
      let isHeaderOnly = Bool.random(using: &generator)
      for _ in 0..<Int.random(in: 1...30, using: &generator) {
        let position = Int.random(in: 0..<(isHeaderOnly ? 40 : content.count), using: &generator)
        content[position] =
          [0, 1, 2, 5, 10, 13, 0x7f, 0xff, .random(in: 0...255, using: &generator)].randomElement(using: &generator)
          ?? 0
      }
    }
    // Page 1 stays in every second run, so that the schema leads into the damage.
    let kept = seed % 3 == 0 ? data : file.data.prefix(file.pageSize) + data.dropFirst(file.pageSize)
    try Bytes.write(kept, to: bench.source)
    _ = try await bench.recover()
    _ = try bench.content()
  }

  /// Interior pages that lead back to the root, or all to the same child.
  @Test func endsOnCycles() async throws {
    let file = try HostelFile.smallPages.get()
    let interior = file.pages.filter { $0.kind == "internal" }
    let root = try #require(interior.first { $0.name == "stay" && $0.path == "/" })
    let data = try file.rewriting(pages: interior.map(\.number).filter { $0 > 1 }, under: TestKeys.first()) { content in
      let target = UInt32(root.number)
      content.replaceSubrange(8..<12, with: withUnsafeBytes(of: target.bigEndian) { Array($0) })
    }
    try Bytes.write(data, to: bench.source)
    _ = try await bench.recover()
    _ = try bench.content()
  }

  /// Every overflow chain is made to go on to itself.
  @Test func endsOnOverflowChainsThatAreRings() async throws {
    let file = try HostelFile.standard.get()
    let overflow = file.pageNumbers { $0.kind == "overflow" }
    var data = file.data
    for page in overflow {
      var changed = file
      changed = try HostelFile(copying: changed, data: data)
      data = try changed.rewriting(pages: [page], under: TestKeys.first()) { content in
        content.replaceSubrange(0..<4, with: withUnsafeBytes(of: UInt32(page).bigEndian) { Array($0) })
      }
    }
    try Bytes.write(data, to: bench.source)
    let outcome = try await bench.recover()
    let pilgrim = try #require(outcome.tables.first { $0.name == "pilgrim" })
    #expect(pilgrim.recoveredRowCount == 250 - file.rowCount(of: "pilgrim", on: Set(overflow)))
    #expect(pilgrim.recoveredRowCount + pilgrim.unreadableRowCount == 250)
  }

  /// The checksums of a log have no key, and the MAC of a page does not cover how large the database is: whoever can write
  /// to the folder can say any size. Recovery takes time and memory for what is there.
  @Test func endsWhenALogClaimsAnySize() async throws {
    let file = try HostelFile.standard.get()
    try Bytes.write(file.data, to: bench.source)
    try Bytes.write(Self.log(of: file.data[4096..<8192], page: 2, pageCount: .max - 1), to: bench.source + "-wal")
    let outcome = try await bench.recover()
    // Nor does the lock-byte page count.
    #expect(outcome.pageCount == .max - 1 && outcome.lostPageCount == Int(UInt32.max) - 2 - file.pageCount)
    #expect(outcome.lostPages.prefix(2) == [UInt32(file.pageCount + 1), UInt32(file.pageCount + 2)])
    #expect(outcome.lostPages.count == Recovery.Outcome.lostPagesMax)
    try bench.content().expect(file, without: [])
  }

  /// A log with one frame. Source: https://www.sqlite.org/fileformat2.html#the_write_ahead_log
  private static func log(of page: Data, page number: UInt32, pageCount: UInt32) -> Data {
    func bytes(_ numbers: UInt32...) -> [UInt8] {
      numbers.flatMap { number in withUnsafeBytes(of: number.bigEndian) { Array($0) } }
    }
    var sums = WriteAheadLog.Checksum()
    let header = bytes(0x377F_0683, 3_007_000, UInt32(page.count), 0, 1, 2)
    sums.update(header.span.bytes, bigEndian: true)
    var log = header + bytes(sums.first, sums.second)
    sums.update(bytes(number, pageCount).span.bytes, bigEndian: true)
    sums.update([UInt8](page).span.bytes, bigEndian: true)
    log += bytes(number, pageCount, 1, 2, sums.first, sums.second) + page
    return Data(log)
  }

  @Test func findsTheOnlyPageThatIsLeft() async throws {
    let file = try HostelFile.standard.get()
    let leaf = try #require(file.pages.last { $0.name == "stay" && $0.kind == "leaf" })
    let others = (1...file.pageCount).filter { $0 != leaf.number }
    try Bytes.write(file.data.flippingABit(inPages: others, pageSize: 4096), to: bench.source)
    let outcome = try await bench.recover()
    #expect(outcome.lostPageCount == others.count && outcome.orphanRowCount == leaf.cellCount)
    try bench.content().expect(file, without: Set(others))
  }

  /// Random bytes over many stored pages: as far from authentic as can be.
  @Test(arguments: 100..<112 as Range<UInt64>)
  func endsWithGarbageInMostPages(seed: UInt64) async throws {
    var generator = SeededGenerator(seed: seed)
    let file = try HostelFile.standard.get()
    var data = file.data
    var lost = Set<Int>()
    for page in 1...file.pageCount where Int.random(in: 0..<4, using: &generator) > 0 {
      lost.insert(page)
      for offset in 16..<file.pageSize {
        data[(page - 1) * file.pageSize + offset] = .random(in: 0...255, using: &generator)
      }
    }
    try Bytes.write(data.prefix(Int.random(in: (data.count / 2)...data.count, using: &generator)), to: bench.source)
    let outcome = try await bench.recover()
    #expect(outcome.lostPageCount >= lost.count / 2)
    _ = try bench.content()
  }
}

extension HostelFile {
  /// The same description of other stored bytes.
  init(copying other: HostelFile, data: Data) throws {
    self.data = data
    pageSize = other.pageSize
    pages = other.pages
    rows = other.rows
    strayRows = other.strayRows
  }
}
