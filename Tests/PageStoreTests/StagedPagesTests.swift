import CSQLCipher
import EncryptedStorage
import Foundation
import TestSupport
import Testing

@testable import PageStore

/// Pages of a new file, as the check before its publication reads them.
@Suite struct StagedPagesTests {
  private let folder: TemporaryDirectory
  private let path: String
  private let factory: ConnectionFactory
  private let pages: [Page]

  /// Several runs of pages, the last of them not whole, and several leaves of tails.
  private static let rowCount = 1500

  init() throws {
    folder = try TemporaryDirectory()
    path = folder.file("store.db")
    factory = try Fixture.factory()
    pages = try Fixture.image(
      folder.file("plain.db"),
      """
      CREATE TABLE t (id INTEGER PRIMARY KEY, b BLOB);
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < \(Self.rowCount))
        INSERT INTO t SELECT i, randomblob(3000) FROM n;
      """)
  }

  private var layout: BulkLayout { BulkLayout(pageCount: UInt32(pages.count)) }

  private func stored() async throws -> (store: PageStore, bootstrap: Bootstrap) {
    let store = try await PageStore.create(path, role: .replica, factory: factory)
    let bootstrap = try await store.beginBootstrap(
      Bootstrap.Target(remote: Fixture.remote, position: 7, pageCount: UInt32(pages.count)))
    try await bootstrap.append(pages)
    return (store, bootstrap)
  }

  private func staged() throws -> StagedPages {
    let staging = path + StagingFile.suffix
    let match = try factory.matchingKey(of: RawDatabaseFile(path: staging), path: staging)
    return try StagedPages(StagedPages.Source(path: staging, keys: match.keys, layout: layout))
  }

  private func read(_ number: UInt32, _ staged: StagedPages) -> (result: Int32, bytes: [UInt8]) {
    let buffer = PageBuffer(byteCount: 4096)
    return buffer.withMutableSpan(0..<4096) { span in
      let result = staged.read(number, into: &span)
      return (result, span.bytes.bytes(at: 0, count: 4096))
    }
  }

  /// Flips one bit of a page of the new file.
  private func alter(_ containerPage: UInt32) throws {
    let file = try FileHandle(forUpdating: URL(fileURLWithPath: path + StagingFile.suffix))
    let offset = UInt64(containerPage - 1) * 4096 + 2000
    try file.seek(toOffset: offset)
    let byte = try #require(try file.read(upToCount: 1)?.first)
    try file.seek(toOffset: offset)
    try file.write(contentsOf: Data([byte ^ 1]))
    try file.close()
  }

  @Test func inWhateverOrderTheyAreReadPagesAreThoseThatWereWritten() async throws {
    let (store, bootstrap) = try await stored()
    let numbers = pages.map(\.number)
    var random = SeededGenerator(seed: 5)
    var backAndForth: [UInt32] = []
    for start in 0..<20 {
      backAndForth += [numbers[start * 70], numbers[numbers.count - 1 - start]]
      backAndForth += numbers[(start * 40)..<(start * 40 + 30)].reversed()
    }
    let orders: [[UInt32]] = [
      numbers, numbers.reversed(), numbers.shuffled(using: &random), backAndForth, numbers + numbers,
    ]
    for order in orders {
      let staged = try staged()
      let wrong = order.filter { number in
        let (result, bytes) = read(number, staged)
        return result != SQLITE_OK || bytes != pages[Int(number) - 1].bytes
      }
      #expect(wrong == [])
      #expect(read(UInt32(pages.count + 1), staged).result == SQLITE_NOTFOUND)
    }
    try await bootstrap.finish()
    await store.close()
  }

  @Test func anAlteredPageIsReadAsNoDatabaseAloneAndAmongOthers() async throws {
    let (store, bootstrap) = try await stored()
    try alter(layout.leaf(700, of: layout.heads))
    let alone = try staged()
    #expect(read(701, alone).result == SQLITE_NOTADB)
    #expect(read(900, alone).result == SQLITE_OK)
    let among = try staged()
    #expect(pages.contains { read($0.number, among).result == SQLITE_NOTADB })
    _ = bootstrap
    await store.close()
  }

  @Test(arguments: [false, true], [35, 701, 1201])
  func anAlteredPageIsFoundBeforeTheImageIsPublished(isTail: Bool, page: UInt32) async throws {
    let (store, bootstrap) = try await stored()
    let index = layout.index(of: page)
    try alter(
      isTail
        ? layout.leaf(index / BulkLayout.tailsPerLeaf, of: layout.tails) : layout.leaf(index, of: layout.heads))
    await #expect(throws: EncryptedStorageError.self) { try await bootstrap.finish() }
    #expect(try await store.state().isComplete == false)
    // Written anew it can be published.
    try await bootstrap.append(pages)
    try await bootstrap.finish()
    #expect(try await StoreJudge.findings(path, factory) == [])
    await store.close()
  }
}
