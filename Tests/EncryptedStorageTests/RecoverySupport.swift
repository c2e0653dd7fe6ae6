import EncryptionKeys
import Foundation
import TestSupport
import Testing

@testable import EncryptedStorage

/// A database whose every row, and every page's use, is known before it is damaged.
struct HostelFile: Sendable {
  /// One page as SQLite's `dbstat` table describes it, which is not ours.
  struct Page: Sendable {
    let name: String
    let number: Int
    let kind: String
    let cellCount: Int
    let path: String
  }

  /// The stored bytes of a sound file.
  let data: Data
  let pageSize: Int
  let pages: [Page]
  /// Rows by table, each as one line.
  let rows: [String: Set<String>]
  /// Rows of the tables with rowids as they look in `lost_and_found`.
  let strayRows: Set<String>

  static let rowidTables = ["pilgrim", "stay"]
  static let tables = rowidTables + ["credential"]

  static let sql = """
    CREATE TABLE pilgrim (id INTEGER PRIMARY KEY, name TEXT NOT NULL, note BLOB);
    CREATE TABLE stay (pilgrim INTEGER NOT NULL, bed TEXT, price REAL, day TEXT);
    CREATE TABLE credential (code TEXT, country TEXT, stamp INTEGER, PRIMARY KEY (country, code)) WITHOUT ROWID;
    CREATE INDEX pilgrim_name ON pilgrim (name);
    CREATE UNIQUE INDEX stay_once ON stay (pilgrim, day);
    CREATE VIEW beds AS SELECT DISTINCT bed FROM stay;
    CREATE TRIGGER no_delete BEFORE DELETE ON stay BEGIN SELECT raise(ABORT, 'no'); END;
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 250)
      INSERT INTO pilgrim SELECT i * 3, 'peregrina-ñ-' || i, randomblob(100 + (i * 37) % 5000) FROM n;
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
      INSERT INTO stay (rowid, pilgrim, bed, price, day) SELECT i * 2, i, 'bed ' || (i % 40), i + 0.5, 'day ' || i FROM n;
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
      INSERT INTO credential SELECT 'code-' || i, 'land ' || (i % 7), i FROM n;
    PRAGMA user_version = 42;
    PRAGMA application_id = 1234;
    """

  /// A row of a table as one line; values are quoted, so that types show.
  static let lineSQL = [
    "pilgrim": "SELECT id || '|' || quote(name) || '|' || quote(note) FROM pilgrim",
    "stay": "SELECT rowid || '|' || pilgrim || '|' || quote(bed) || '|' || quote(price) || '|' || quote(day) FROM stay",
    "credential": "SELECT quote(country) || '|' || quote(code) || '|' || stamp FROM credential",
  ]

  static let strayLinesSQL = """
    SELECT id || '|NULL|' || quote(name) || '|' || quote(note) FROM pilgrim;
    SELECT rowid || '|' || pilgrim || '|' || quote(bed) || '|' || quote(price) || '|' || quote(day) FROM stay;
    """

  static let standard: Result<HostelFile, any Error> = Result { try HostelFile(pageSize: 4096) }
  static let smallPages: Result<HostelFile, any Error> = Result { try HostelFile(pageSize: 1024, encoding: "UTF-16le") }

  /// Made by the `sqlcipher` command line under `TestKeys.first()`.
  init(pageSize: Int, encoding: String = "UTF-8", sql: String = sql) throws {
    let folder = try TemporaryDirectory()
    let file = folder.file("hostel.db")
    let settings = Self.settings(pageSize)
    _ = try SQLCipherShell.lines(
      file, key: TestKeys.firstHex, settings: settings + "PRAGMA encoding='\(encoding)';", "BEGIN;" + sql + "COMMIT;")
    func lines(_ sql: String) throws -> [String] {
      try SQLCipherShell.lines(file, key: TestKeys.firstHex, settings: settings, sql)
    }
    pages = try lines("SELECT name, pageno, pagetype, ncell, path FROM dbstat;").map { line in
      let parts = line.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
      return Page(
        name: parts[0], number: try #require(Int(parts[1])), kind: parts[2], cellCount: try #require(Int(parts[3])),
        path: parts[4])
    }
    rows = try Self.lineSQL.mapValues { Set(try lines($0 + ";")) }
    strayRows = Set(try lines(Self.strayLinesSQL))
    data = try Bytes.read(file)
    self.pageSize = pageSize
  }

  static func settings(_ pageSize: Int) -> String { pageSize == 4096 ? "" : "PRAGMA cipher_page_size=\(pageSize);" }

  var pageCount: Int { data.count / pageSize }

  func pageNumbers(_ isWanted: (Page) -> Bool) -> [Int] { pages.filter(isWanted).map(\.number) }

  /// How many rows of a table are, wholly or in part, on the given pages.
  func rowCount(of table: String, on lost: Set<Int>) -> Int {
    var cells = Set<String>()
    for page in pages where page.name == table && lost.contains(page.number) {
      if page.kind == "overflow" {
        cells.insert(String(page.path.prefix { $0 != "+" }))
      } else if page.kind == "leaf" || table == "credential" {
        for cell in 0..<page.cellCount {
          let digits = String(cell, radix: 16)
          cells.insert(page.path + String(repeating: "0", count: 3 - digits.count) + digits)
        }
      }
    }
    return cells.count
  }
}

/// What a recovered file holds, read by the `sqlcipher` command line.
struct RecoveredContent {
  let rows: [String: [String]]
  /// Rows of `lost_and_found` that have a rowid.
  let strayRows: [String]
  /// Those that have none, and three values.
  let strayRecords: [String]

  init(_ path: String, keyHex: String) throws {
    func lines(_ sql: String) throws -> [String] { try SQLCipherShell.lines(path, key: keyHex, sql) }
    #expect(try lines("PRAGMA integrity_check;") == ["ok"])
    #expect(try lines("PRAGMA cipher_integrity_check;") == [])
    let tables = try lines("SELECT name FROM sqlite_schema WHERE type = 'table';")
    rows = try HostelFile.lineSQL.filter { tables.contains($0.key) }.mapValues { try lines($0 + ";") }
    guard tables.contains("lost_and_found") else {
      strayRows = []
      strayRecords = []
      return
    }
    let columnCount = try #require(
      Int(try lines("SELECT count(*) - 4 FROM pragma_table_info('lost_and_found');").first ?? ""))
    var stray: [String] = []
    var records: [String] = []
    for count in 1...columnCount {
      let values = (0..<count).map { "quote(c\($0))" }
      // The lines of the tables show integers and the key without quotes, which quote() does not add to numbers.
      stray += try lines(
        "SELECT id || '|' || \(values.joined(separator: " || '|' || ")) FROM lost_and_found "
          + "WHERE nfield = \(count) AND id IS NOT NULL;")
      guard count == 3 else { continue }
      records = try lines(
        "SELECT \(values.joined(separator: " || '|' || ")) FROM lost_and_found WHERE nfield = 3 AND id IS NULL;")
    }
    strayRows = stray
    strayRecords = records
  }

  /// Nothing may be invented, altered or doubled, and nothing lost but what was on the `lost` pages.
  func expect(_ file: HostelFile, without lost: Set<Int>, sourceLocation: SourceLocation = #_sourceLocation) {
    for table in HostelFile.tables {
      let found = rows[table] ?? []
      #expect(Set(found).count == found.count, "\(table): a row twice", sourceLocation: sourceLocation)
      #expect(
        Set(found).isSubset(of: file.rows[table] ?? []), "\(table): a row that never was",
        sourceLocation: sourceLocation)
    }
    #expect(Set(strayRows).count == strayRows.count, "lost_and_found: a row twice", sourceLocation: sourceLocation)
    let total = file.rows.values.reduce(0) { $0 + $1.count }
    let lostCount = HostelFile.tables.reduce(0) { $0 + file.rowCount(of: $1, on: lost) }
    let records = Set(strayRecords).intersection(file.rows["credential"] ?? [])
    let named = rows.values.reduce(0) { $0 + $1.count }
    let known = Set(strayRows).intersection(file.strayRows)
    #expect(named + known.count + records.count == total - lostCount, sourceLocation: sourceLocation)
  }
}

/// A damaged copy of a hostel file, and where it is recovered to.
struct RecoveryBench {
  let folder: TemporaryDirectory
  let source: String
  let target: String

  init() throws {
    folder = try TemporaryDirectory()
    source = folder.file("damaged.db")
    target = folder.file("saved.db")
  }

  /// Recovers under `TestKeys.second()`, and checks that the source is untouched and nothing else is left behind.
  func recover(keys: [KeyMaterial]? = nil, profile: CipherProfile = .sqlcipher4) async throws -> Recovery.Outcome {
    let before = try folder.contents()
    let given = if let keys { keys } else { [try TestKeys.first()] }
    let recovery = Recovery(keys: given, target: try TestKeys.second(), profile: profile)
    do {
      let outcome = try await recovery.run(from: source, to: target)
      var after = try folder.contents()
      #expect(after.removeValue(forKey: "saved.db") != nil)
      #expect(after == before)
      return outcome
    } catch {
      #expect(try folder.contents() == before)
      throw error
    }
  }

  func content() throws -> RecoveredContent { try RecoveredContent(target, keyHex: TestKeys.secondHex) }

  func code(_ body: () async throws -> Void) async -> EncryptedStorageError.Code? {
    do {
      try await body()
      return nil
    } catch { return (error as? EncryptedStorageError)?.code }
  }
}

extension Data {
  /// The data with one bit of each of the pages flipped.
  func flippingABit(inPages pages: some Sequence<Int>, pageSize: Int) -> Data {
    var copy = self
    for page in pages { copy[(page - 1) * pageSize + 100] ^= 0x10 }
    return copy
  }
}

extension HostelFile {
  /// The stored file with some pages decrypted, changed, and encrypted again: authentic, and perhaps not what it was.
  func rewriting(
    pages: some Sequence<Int>, under key: KeyMaterial, _ change: (inout [UInt8]) -> Void = { _ in }
  ) throws -> Data {
    let salt = try #require(Salt(Array(data.prefix(16))))
    let format = CipherFormat(pageSize: pageSize, mac: .sha512, derivation: .sqlcipher4)
    let old = try PageCodec(PageKeys(format: format, salt: salt, material: TestKeys.first()))
    let new = try PageCodec(PageKeys(format: format, salt: salt, material: key))
    var copy = data
    let vector = [UInt8](repeating: 9, count: 16)
    let buffer = PageBuffer(byteCount: pageSize)
    for page in pages {
      let range = ((page - 1) * pageSize)..<(page * pageSize)
      try buffer.withMutableSpan(0..<pageSize) { span in
        Self.store(Array(copy[range]), in: &span)
        try old.decrypt(&span, number: UInt32(page))
      }
      var content = buffer.withSpan(0..<pageSize) { $0.bytes(at: 0, count: pageSize) }
      change(&content)
      try buffer.withMutableSpan(0..<pageSize) { span in
        Self.store(content, in: &span)
        let vectorSpan = vector.span
        try new.encrypt(&span, number: UInt32(page), initializationVector: vectorSpan.bytes)
      }
      copy.replaceSubrange(range, with: buffer.withSpan(0..<pageSize) { $0.bytes(at: 0, count: pageSize) })
    }
    return copy
  }

  private static func store(_ bytes: [UInt8], in span: inout MutableRawSpan) {
    for (offset, byte) in bytes.enumerated() { span.storeBytes(of: byte, toByteOffset: offset, as: UInt8.self) }
  }
}
