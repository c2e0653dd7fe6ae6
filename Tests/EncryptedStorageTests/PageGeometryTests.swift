import TestSupport
import Testing

@testable import EncryptedStorage

@Suite("Page geometry")
struct PageGeometryTests {
  @Test func findsPagesBeyondFourGibibytes() {
    let geometry = PageGeometry(pageSize: 4096)
    #expect(geometry.offset(of: 1) == 0)
    #expect(geometry.offset(of: 1_048_577) == 4_294_967_296)
    #expect(geometry.offset(of: 1_310_721) == 5_368_709_120)
    #expect(geometry.offset(of: .max) == 4_294_967_294 * 4096)
    #expect(PageGeometry(pageSize: 65536).offset(of: .max) == 4_294_967_294 * 65536)
  }

  @Test(arguments: [(1024, 1_048_577), (4096, 262_145), (65536, 16385)] as [(Int, UInt32)])
  func knowsTheLockBytePage(pageSize: Int, page: UInt32) {
    let geometry = PageGeometry(pageSize: pageSize)
    #expect(geometry.lockBytePage == page)
    #expect(geometry.offset(of: page) <= 0x4000_0000)
    #expect(geometry.offset(of: page + 1) > 0x4000_0000)
  }

  @Test func countsWholePagesAndWhatIsLeft() {
    let geometry = PageGeometry(pageSize: 4096)
    #expect(geometry.pageCount(ofBytes: 0) == 0)
    #expect(geometry.pageCount(ofBytes: 4095) == 0)
    #expect(geometry.pageCount(ofBytes: 5_368_709_121) == 1_310_720)
    #expect(geometry.trailingByteCount(ofBytes: 5_368_709_121) == 1)
  }

  @Test func coversEveryPageOnceWhateverTheCount() throws {
    for count: UInt32 in [1, 2, 127, 128, 129, 300, 4095] {
      let seen = Seen()
      try ParallelChunks.forEach(
        pageCount: count, pageSize: 4096, cancellation: Cancellation(), operation: "test", makeWorker: { () },
        work: { _, pages in seen.add(pages) })
      #expect(seen.pages == Array(1...count))
    }
  }

  @Test func stopsAllWorkersAtTheFirstError() {
    let failure = EncryptedStorageError(.inputOutput, operation: "test", detail: "page 500")
    #expect {
      try ParallelChunks.forEach(
        pageCount: 1_000_000, pageSize: 4096, cancellation: Cancellation(), operation: "test", makeWorker: { () },
        work: { (_, pages) throws(EncryptedStorageError) in if pages.contains(500) { throw failure } })
    } throws: {
      ($0 as? EncryptedStorageError)?.detail == "page 500"
    }
  }
}

/// Collects page numbers from several threads.
private final class Seen: Sendable {
  private let ranges = Locked<[ClosedRange<UInt32>]>([])
  func add(_ range: ClosedRange<UInt32>) { ranges.withLock { $0.append(range) } }
  var pages: [UInt32] { ranges.withLock { $0 }.flatMap(Array.init).sorted() }
}
