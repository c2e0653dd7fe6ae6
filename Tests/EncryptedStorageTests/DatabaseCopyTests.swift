import EncryptionKeys
import Foundation
import TestSupport
import Testing

@testable import EncryptedStorage

@Suite("Database copy")
struct DatabaseCopyTests {
  let folder: TemporaryDirectory
  let source: String
  let target: String

  init() throws {
    folder = try TemporaryDirectory()
    source = folder.file("source.db")
    target = folder.file("target.db")
  }

  /// Everything a schema can hold that a careless copy loses.
  static let awkwardSchema = #"""
    PRAGMA page_size = 1024; PRAGMA encoding = 'UTF-16le'; PRAGMA auto_vacuum = INCREMENTAL;
    PRAGMA user_version = -7; PRAGMA application_id = 2147483647;
    CREATE TABLE plain (a, b); INSERT INTO plain (rowid, a) VALUES (5, 'five'), (100, 'hundred'), (-3, 'minus');
    CREATE TABLE sequence (id INTEGER PRIMARY KEY AUTOINCREMENT, v); INSERT INTO sequence VALUES (900, 'x');
    DELETE FROM sequence;
    CREATE TABLE "without" (k TEXT, n REAL, PRIMARY KEY (k DESC, n)) WITHOUT ROWID;
    INSERT INTO "without" VALUES ('b', 1), ('a', 2.5), ('ñ', -0.0);
    CREATE TABLE generated (a INT, b INT AS (a * 2) STORED, c TEXT AS (a || '!') VIRTUAL); INSERT INTO generated VALUES (4);
    CREATE TABLE strict (a INTEGER NOT NULL, b ANY) STRICT; INSERT INTO strict VALUES (1, x'00ff');
    CREATE TABLE "odd ""name""" ("sel ect" TEXT DEFAULT ('a;b'), "rowid" TEXT); INSERT INTO "odd ""name""" VALUES ('q', 'r');
    CREATE TABLE descending (id INTEGER PRIMARY KEY DESC, v); INSERT INTO descending VALUES (2, 'two'), (1, 'one');
    CREATE TABLE parent (id INTEGER PRIMARY KEY); CREATE TABLE child (p REFERENCES parent (id) DEFERRABLE);
    PRAGMA foreign_keys = OFF; INSERT INTO child VALUES (42);
    CREATE TABLE checked (a CHECK (a > 0)); PRAGMA ignore_check_constraints = ON; INSERT INTO checked VALUES (-1);
    CREATE TABLE affinity (t TEXT, i INTEGER, r REAL, n NUMERIC, b BLOB);
    INSERT INTO affinity VALUES (1, '2', 3, '4.0', '5'), ('1', 'x', 'y', 'z', x'');
    CREATE TABLE empty (a);
    CREATE VIRTUAL TABLE search USING fts5 (text); INSERT INTO search VALUES ('camino frances'), ('camino del norte');
    CREATE VIRTUAL TABLE area USING rtree (id, x1, x2); INSERT INTO area VALUES (1, 0, 2);
    CREATE INDEX partial ON plain (a) WHERE a IS NOT NULL; CREATE UNIQUE INDEX expression ON plain (lower(a), b);
    CREATE VIEW looking AS SELECT * FROM plain JOIN "without" ON a <> k;
    CREATE TRIGGER watching AFTER INSERT ON plain BEGIN DELETE FROM empty; SELECT RAISE (ABORT, 'no; more'); END;
    ANALYZE;
    """#

  private func copy(_ from: String, _ keys: [KeyMaterial], _ to: DatabaseCopy.Target) async throws {
    _ = try await DatabaseCopy(sourceKeys: keys, target: to).run(from: from, to: target)
  }

  private func code(_ body: () async throws -> Void) async -> EncryptedStorageError.Code? {
    do {
      try await body()
      return nil
    } catch { return (error as? EncryptedStorageError)?.code }
  }

  @Test(arguments: CipherProfile.allCases)
  func keepsAnAwkwardSchemaThereAndBack(profile: CipherProfile) async throws {
    #expect(try SQLCipherShell.run(source, Self.awkwardSchema).status == 0)
    let dump = try SQLCipherShell.lines(source, ".dump")
    try await copy(source, [], .encrypted(TestKeys.first(), profile))
    // The command line, not we, compares; the row that the CHECK refuses is in both.
    let settings = "PRAGMA cipher_hmac_algorithm = HMAC_\(profile.format.mac.rawValue.uppercased());"
    let copied = try SQLCipherShell.lines(target, key: TestKeys.firstHex, settings: settings, ".dump")
    #expect(copied.sorted() == dump.sorted())
    let facts = """
      PRAGMA user_version; PRAGMA application_id; PRAGMA encoding; PRAGMA auto_vacuum;
      SELECT rowid, a FROM plain; SELECT * FROM sqlite_sequence; SELECT * FROM search WHERE search MATCH 'norte';
      SELECT id FROM area WHERE x1 < 1; SELECT * FROM sqlite_stat1 ORDER BY 1, 2; SELECT rowid, id FROM descending;
      """
    let expected = try SQLCipherShell.lines(source, facts)
    #expect(try SQLCipherShell.lines(target, key: TestKeys.firstHex, settings: settings, facts) == expected)
    let back = folder.file("back.db")
    _ = try await DatabaseCopy(sourceKeys: [TestKeys.first()], target: .plaintext).run(from: target, to: back)
    #expect(try SQLCipherShell.lines(back, facts) == expected)
    #expect(try SQLCipherShell.lines(back, "PRAGMA integrity_check") == ["CHECK constraint failed in checked"])
  }

  @Test func convertsASQLCipher3File() async throws {
    let result = try SQLCipherShell.run(
      source, passphrase: TestKeys.passphrase, settings: "PRAGMA cipher_compatibility = 3;", Sample.sql)
    #expect(result.status == 0)
    #expect(try await FileClassifier(keys: [TestKeys.passphraseKey()]).run(source).kind == .legacy)
    #expect(
      await code { _ = try await ConnectionFactory(key: TestKeys.passphraseKey()).open(source) } == .unsupportedFormat)
    try await copy(source, [TestKeys.passphraseKey()], .encrypted(TestKeys.first(), .sqlcipher4))
    #expect(try await Sample.digest(target, key: TestKeys.first()) != nil)
  }

  @Test func copiesWhatIsOnlyInTheLogOfAProgramThatIsRunning() async throws {
    try await Sample.make(source, key: TestKeys.first())
    let writer = try await ConnectionFactory(key: TestKeys.first()).open(source, .writer)
    try await writer.run { _ = try $0.execute("INSERT INTO pilgrim VALUES (1000, 'log', x'00')") }
    try await copy(source, [TestKeys.first()], .encrypted(TestKeys.second(), .sqlcipher4SHA256))
    #expect(try await writer.run { try $0.value("SELECT count(*) FROM pilgrim") } == 401)
    await writer.close()
    let copied = try await ConnectionFactory(key: TestKeys.second()).open(target)
    #expect(try await copied.run { try $0.value("SELECT count(*) FROM pilgrim") } == 401)
    await copied.close()
  }

  @Test func refusesATamperedSourceEvenInItsLastOverflowPage() async throws {
    try await Sample.make(source, key: TestKeys.first())
    let original = try Bytes.read(source)
    var generator = SeededGenerator(seed: 5)
    for _ in 0..<10 {
      try Bytes.write(original, to: source)
      try Bytes.flip(source, byte: Int.random(in: 4096..<original.count, using: &generator))
      let refusal = await code {
        try await copy(source, [TestKeys.first()], .encrypted(TestKeys.second(), .sqlcipher4))
      }
      #expect(refusal == .damaged)
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["source.db"])
    }
  }

  @Test func refusesADamagedPlaintextSource() async throws {
    #expect(try SQLCipherShell.run(source, Sample.sql).status == 0)
    var data = try Bytes.read(source)
    data.replaceSubrange((3 * 4096)..<(3 * 4096 + 200), with: Data(repeating: 0x55, count: 200))
    try Bytes.write(data, to: source)
    #expect(await code { try await copy(source, [], .encrypted(TestKeys.first(), .sqlcipher4)) } == .damaged)
    #expect(!Bytes.exists(target))
  }

  @Test func copiesASequenceTableThatOutlivedItsTable() async throws {
    let sql =
      "CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO a VALUES (7); DROP TABLE a; CREATE TABLE b (c);"
    #expect(try SQLCipherShell.run(source, sql).status == 0)
    try await copy(source, [], .encrypted(TestKeys.first(), .sqlcipher4))
    #expect(
      try SQLCipherShell.lines(target, key: TestKeys.firstHex, "SELECT name FROM sqlite_schema ORDER BY name;")
        == ["b", "sqlite_sequence"])
  }

  @Test(arguments: ["-wal", "-journal"])
  func refusesATargetThatAFormerFilesLogWaitsFor(suffix: String) async throws {
    #expect(try SQLCipherShell.run(source, Sample.sql).status == 0)
    try Bytes.write(Data("a log of a file that was here before".utf8), to: target + suffix)
    let factory = ConnectionFactory(key: try TestKeys.first())
    #expect(await code { try await copy(source, [], .encrypted(TestKeys.first(), .sqlcipher4)) } == .exists)
    #expect(await code { _ = try await factory.create(target) } == .exists)
    #expect(!Bytes.exists(target))
    // An empty one says nothing, and goes.
    try Bytes.write(Data(), to: target + suffix)
    try await copy(source, [], .encrypted(TestKeys.first(), .sqlcipher4))
    #expect(!Bytes.exists(target + suffix))
  }

  @Test func overwritesNothing() async throws {
    #expect(try SQLCipherShell.run(source, Sample.sql).status == 0)
    try Bytes.write(Data("precious".utf8), to: target)
    #expect(await code { try await copy(source, [], .encrypted(TestKeys.first(), .sqlcipher4)) } == .exists)
    #expect(try Bytes.read(target) == Data("precious".utf8))
  }

  @Test func leavesTheSourceAsItIs() async throws {
    #expect(try SQLCipherShell.run(source, Sample.sql).status == 0)
    let before = try Bytes.read(source)
    try await copy(source, [], .encrypted(TestKeys.first(), .sqlcipher4))
    #expect(try Bytes.read(source) == before)
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == ["source.db", "target.db"])
    #expect(Bytes.mode(target) == 0o600)
  }

  @Test(arguments: 0..<8)
  func copiesRandomDatabasesExactly(seed: UInt64) async throws {
    var generator = SeededGenerator(seed: seed)
    var sql = ""
    for table in 0..<Int.random(in: 1...5, using: &generator) {
      let columns = (0..<Int.random(in: 1...6, using: &generator)).map { "c\($0)" }
      sql += "CREATE TABLE t\(table) (\(columns.joined(separator: ", ")));"
      if Bool.random(using: &generator) { sql += "CREATE INDEX i\(table) ON t\(table) (\(columns[0]));" }
      for _ in 0..<Int.random(in: 0...60, using: &generator) {
        let values = columns.map { _ in
          switch Int.random(in: 0..<5, using: &generator) {
          case 0: "NULL"
          case 1: String(Int64.random(in: .min ... .max, using: &generator))
          case 2: String(Double.random(in: -1e300...1e300, using: &generator))
          case 3: "'\(String(repeating: "é", count: Int.random(in: 0...3000, using: &generator)))'"
          default: "zeroblob(\(Int.random(in: 0...9000, using: &generator)))"
          }
        }
        sql += "INSERT INTO t\(table) (rowid, \(columns.joined(separator: ", "))) "
        sql += "VALUES (\(Int32.random(in: .min ... .max, using: &generator)), \(values.joined(separator: ", ")));"
      }
    }
    #expect(try SQLCipherShell.run(source, sql).status == 0)
    try await copy(source, [], .encrypted(TestKeys.first(), .sqlcipher4))
    let dump = try SQLCipherShell.lines(source, ".dump --preserve-rowids")
    #expect(
      try SQLCipherShell.lines(target, key: TestKeys.firstHex, ".dump --preserve-rowids").sorted() == dump.sorted())
  }
}
