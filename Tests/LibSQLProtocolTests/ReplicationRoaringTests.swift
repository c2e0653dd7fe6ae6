import Mutation
import TestSupport
import Testing

@testable import LibSQLProtocol

@Suite("Page selectors")
struct ReplicationRoaringTests {
  private func decode(_ bytes: [UInt8]) throws -> PageSet { try RoaringBitmap.decode(bytes[...]) }

  @Test(arguments: 0..<40 as Range<UInt64>)
  func setsSurvive(seed: UInt64) throws {
    var random = ReplicationRandom(seed: seed)
    let pages = random.pages()
    #expect(try decode(RoaringBitmap.encode(pages)) == pages)
    let numbers = Set((0..<500).map { _ in UInt32(random.int(0...210_000)) })
    for number in numbers {
      #expect(pages.contains(number) == pages.ranges.contains { $0.contains(number) })
    }
    let sparse = PageSet(numbers: numbers)
    #expect(sparse.count == UInt64(numbers.count))
    #expect(try decode(RoaringBitmap.encode(sparse)) == sparse)
  }

  /// At 4096 numbers an array becomes a bitmap, at 65536 a container ends.
  @Test(arguments: [1, 4095, 4096, 4097, 65_535, 65_536, 65_537, 140_000] as [UInt32])
  func prefixesOfTheImageSurvive(count: UInt32) throws {
    let pages = PageSet([0...(count - 1)])
    let bytes = RoaringBitmap.encode(pages)
    #expect(try decode(bytes) == pages)
    #expect(pages.count == UInt64(count))
    #expect(pages.contains(count - 1))
    #expect(!pages.contains(count))
    // A container of n numbers takes 2 n bytes up to 4096, then 8192.
    let containers = (0..<((count + 65_535) / 65_536)).map { min(65_536, count - $0 * 65_536) }
    #expect(bytes.count == 8 + containers.reduce(0) { $0 + 8 + ($1 > 4096 ? 8192 : 2 * Int($1)) })
  }

  @Test func runContainersAreRead() throws {
    // One container, runs 3...5 and 100...100: cookie 12347 with count - 1 = 0, run flags 1, key 0, cardinality 4.
    let one: [UInt8] = [0x3B, 0x30, 0, 0, 0x01, 0, 0, 3, 0, 2, 0, 3, 0, 2, 0, 100, 0, 0, 0]
    #expect(try decode(one) == PageSet([3...5, 100...100]))
    // Four containers have offsets: runs in the first, arrays of one number in the others.
    var four: [UInt8] = [0x3B, 0x30, 3, 0, 0x01]
    for key in 0..<4 as Range<UInt8> { four += [key, 0, key == 0 ? 1 : 0, 0] }
    for offset in [37, 43, 45, 47] as [UInt8] { four += [offset, 0, 0, 0] }
    four += [1, 0, 8, 0, 1, 0] + [5, 0] + [6, 0] + [7, 0]
    #expect(try decode(four) == PageSet([8...9, 0x10005...0x10005, 0x20006...0x20006, 0x30007...0x30007]))
  }

  @Test(
    arguments: [
      ("no cookie", [0x39, 0x30, 0, 0, 0, 0, 0, 0]), ("too many containers", [0x3A, 0x30, 0, 0, 1, 0, 1, 0]),
      ("more containers than bytes", [0x3A, 0x30, 0, 0, 0, 0, 1, 0]),
      ("a wrong offset", [0x3A, 0x30, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 17, 0, 0, 0, 0, 0]),
      ("bytes after the end", [0x3A, 0x30, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 9]),
      ("an array out of order", [0x3A, 0x30, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 16, 0, 0, 0, 5, 0, 5, 0]),
      ("a run beyond its container", [0x3B, 0x30, 0, 0, 1, 0, 0, 1, 0, 1, 0, 0xFF, 0xFF, 1, 0]),
      ("runs that overlap", [0x3B, 0x30, 0, 0, 1, 0, 0, 3, 0, 2, 0, 1, 0, 1, 0, 2, 0, 1, 0]),
      ("another cardinality", [0x3B, 0x30, 0, 0, 1, 0, 0, 9, 0, 1, 0, 1, 0, 1, 0]),
    ] as [(String, [UInt8])])
  func whatContradictsItselfIsRefused(what: String, bytes: [UInt8]) {
    #expect(throws: WireFormatError.self, "\(what)") { try decode(bytes) }
  }

  @Test func aSelectorThatSelectsNothingIsRefused() throws {
    let nothing = ProtobufWriter.encode { $0.bytes(5, [0x3A, 0x30, 0, 0, 0, 0, 0, 0]) }
    #expect(throws: WireFormatError.self) { try PullUpdatesRequest(nothing[...]) }
    #expect(try PullUpdatesRequest([]).pages == nil)
    #expect(throws: WireFormatError.self) {
      try PullUpdatesRequest([UInt8](repeating: 0, count: 11)[...], sizeLimit: 10)
    }
  }

  @Test func rangesThatTouchAreOne() {
    #expect(PageSet([5...9, 0...2, 3...4, 20...30, 22...23]).ranges == [0...9, 20...30])
    #expect(PageSet([UInt32.max...UInt32.max, 0...0]).contains(.max))
    #expect(!PageSet().contains(0))
  }
}
