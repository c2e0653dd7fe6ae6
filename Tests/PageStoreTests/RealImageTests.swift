import CSQLCipher
import EncryptedStorage
import Foundation
import PageStore
import TestSupport
import Testing

/// Images made by the `sqlcipher` command line: what remotes and other programs may send.
@Suite struct RealImageTests {
  private let folder: TemporaryDirectory
  private let path: String
  private let plain: String
  private let factory: ConnectionFactory

  init() throws {
    folder = try TemporaryDirectory()
    path = folder.file("store.db")
    plain = folder.file("plain.db")
    factory = try Fixture.factory()
  }

  private static let content = """
    CREATE TABLE guest (country TEXT, number INTEGER, note BLOB, PRIMARY KEY (country, number)) WITHOUT ROWID;
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
      INSERT INTO guest SELECT 'ES' || (i % 7), i, zeroblob(i * 11 % 5000) FROM n;
    CREATE VIRTUAL TABLE search USING fts5 (body);
    INSERT INTO search SELECT name FROM pilgrim;
    DELETE FROM pilgrim WHERE id % 5 = 0;
    """

  /// How an image comes about, by name.
  static let kinds: [String: String] = [
    "reserve 0": Sample.sql + content,
    "reserve 28": ".filectrl reserve_bytes 28\n" + Sample.sql + content + "VACUUM;",
    "reserve 48": ".filectrl reserve_bytes 48\n" + Sample.sql + content + "VACUUM;",
    "reserve 80": ".filectrl reserve_bytes 80\n" + Sample.sql + content + "VACUUM;",
    "write-ahead log": "PRAGMA journal_mode=WAL; " + Sample.sql + content,
    "auto_vacuum": "PRAGMA auto_vacuum=FULL; " + Sample.sql + content,
    "incremental auto_vacuum": "PRAGMA auto_vacuum=INCREMENTAL; " + Sample.sql + content,
    "UTF-16": "PRAGMA encoding='UTF-16be'; " + Sample.sql + content,
    "one page": "PRAGMA user_version=42;",
    "one page, write-ahead log": "PRAGMA journal_mode=WAL; PRAGMA user_version=42;",
  ]

  @Test(arguments: kinds.keys.sorted()) func anImageReadsAsItsDatabase(kind: String) async throws {
    let pages = try Fixture.image(plain, try #require(Self.kinds[kind]))
    let header = try #require(pages.first?.bytes)
    if let reserve = kind.split(separator: " ").last.flatMap({ UInt8($0) }) { #expect(header[20] == reserve) }
    if kind.hasSuffix("log") { #expect(header[18...19] == [2, 2]) }
    let store = try await Fixture.replica(path, pages, factory: factory)
    for page in pages { #expect(try await store.page(page.number) == page) }
    #expect(try await store.page(UInt32(pages.count) + 1) == nil)
    let reader = try await factory.open(path)
    let (queries, lines) = try await reader.run { session in
      let queries = try DatabaseDump.queries(session)
      return (queries, try DatabaseDump.lines(session, queries))
    }
    #expect(lines.contains("ok"))
    let script = queries.map { $0 + ";" }.joined(separator: "\n")
    #expect(try SQLCipherShell.run(plain, script).output.split(separator: "\n").map(String.init) == lines)
    await reader.close()
    #expect(try await StoreJudge.findings(path, factory) == [])
    await store.close()
  }

  /// What SQLite asks a file for, of the fields that are shown otherwise than they are stored.
  @Test func readersSeeAHeaderInRollbackModeWithTheCountersOfTheStore() async throws {
    let pages = try Fixture.image(plain, "PRAGMA journal_mode=WAL; " + Sample.sql)
    let store = try await Fixture.replica(path, pages, factory: factory)
    let stored = try #require(pages.first?.bytes)
    func number(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
      bytes[offset..<(offset + 4)].reduce(0) { $0 << 8 | UInt32($1) }
    }
    for change in 0..<3 {
      let state = try #require(try await store.state().image)
      #expect(state.epoch == number(stored, 24) &+ UInt32(change))
      let shown = try await shownFirstPage()
      #expect(shown[18...19] == [1, 1])
      #expect(number(shown, 24) == state.epoch)
      #expect(number(shown, 28) == state.pageCount)
      #expect(number(shown, 92) == state.epoch)
      let shownElsewhere = Set(18..<20).union(24..<32).union(92..<96)
      #expect(shown.indices.filter { !shownElsewhere.contains($0) && shown[$0] != stored[$0] } == [])
      #expect(try await store.page(1)?.bytes == stored)
      try await store.apply(
        PageBatch(
          remote: Fixture.remote, basePosition: state.position, position: state.position + 5,
          pageCount: state.pageCount, pages: []))
    }
    await store.close()
  }

  /// Page 1 as the mount gives it to the pager of a connection.
  private func shownFirstPage() async throws -> [UInt8] {
    let reader = try await factory.open(path)
    let bytes = try await reader.run { session in
      var file: UnsafeMutablePointer<sqlite3_file>?
      let database = try #require(session.databasePointer)
      #expect(sqlite3_file_control(database, "main", SQLITE_FCNTL_FILE_POINTER, &file) == SQLITE_OK)
      let read = try #require(file?.pointee.pMethods?.pointee.xRead)
      var bytes = [UInt8](repeating: 0, count: 4096)
      #expect(read(file, &bytes, 4096, 0) == SQLITE_OK)
      return bytes
    }
    await reader.close()
    return bytes
  }

  @Test func anImageOfAnotherPageSizeIsRefused() async throws {
    for pageSize in [1024, 8192] {
      let name = folder.file("plain-\(pageSize).db")
      _ = try SQLCipherShell.lines(name, "PRAGMA page_size=\(pageSize); " + Sample.sql)
      let path = folder.file("store-\(pageSize).db")
      let store = try await PageStore.create(path, role: .replica, factory: factory)
      let pages = try Fixture.pages(of: name)
      let bootstrap = try await store.beginBootstrap(
        .init(remote: Fixture.remote, position: 1, pageCount: UInt32(pages.count)))
      await #expect { try await bootstrap.append(pages) } throws: {
        ($0 as? EncryptedStorageError)?.code == .invalidPages
      }
      await #expect { try await factory.open(path) } throws: { ($0 as? EncryptedStorageError)?.code == .incomplete }
      await store.close()
    }
  }
}

/// 300 MB, in the pieces in which a remote would send it.
@Suite struct SlowLargeImageTests {
  @Test func aLargeImageReadsAsItsDatabase() async throws {
    let folder = try TemporaryDirectory()
    let plain = folder.file("plain.db")
    let path = folder.file("store.db")
    _ = try SQLCipherShell.lines(
      plain,
      """
      PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;
      CREATE TABLE pilgrim (id INTEGER PRIMARY KEY, name TEXT NOT NULL, note BLOB);
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 140000)
        INSERT INTO pilgrim SELECT i, 'peregrina ' || (i * 7919 % 1000003), randomblob(1500 + i % 1000) FROM n;
      CREATE INDEX pilgrim_name ON pilgrim (name);
      """)
    let pageCount = UInt32(Bytes.size(plain) / 4096)
    #expect(pageCount > 73_000)
    let factory = try Fixture.factory { $0.waitsForDisk = false }
    let store = try await PageStore.create(path, role: .replica, factory: factory)
    let bootstrap = try await store.beginBootstrap(.init(remote: Fixture.remote, position: 1, pageCount: pageCount))
    let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: plain))
    var next: UInt32 = 1
    while let part = try file.read(upToCount: 2000 * 4096), !part.isEmpty {
      let first = next
      next += UInt32(part.count / 4096)
      try await bootstrap.append(
        (first..<next).map { number in
          let start = part.startIndex + Int(number - first) * 4096
          return Page(number: number, bytes: [UInt8](part[start..<(start + 4096)]))
        })
    }
    #expect(await bootstrap.missingPages().isEmpty)
    try await bootstrap.finish()
    await store.close()
    let digest =
      "SELECT count(*), sum(id), sum(length(note)), max(name), sum(unicode(substr(hex(note), 9, 1))) FROM pilgrim"
    let reader = try await factory.open(path)
    let row = try await reader.run { try $0.query(digest) { $0.values.map { $0.text ?? "\($0.integer ?? -1)" } }.first }
    #expect(try SQLCipherShell.lines(plain, digest + ";").first == row?.joined(separator: "|"))
    #expect(
      try await reader.run { try $0.value("SELECT count(*) FROM pilgrim WHERE name > 'peregrina 5'") }.integer ?? 0
        > 1000)
    await reader.close()
    // The container is little larger than the image, and its log is empty.
    #expect(Bytes.size(path) < Bytes.size(plain) / 100 * 105)
    #expect(Bytes.size(path + "-wal") == 0)
  }
}
