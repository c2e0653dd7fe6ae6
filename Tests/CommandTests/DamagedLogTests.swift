import Foundation
import TestSupport
import Testing

/// A write-ahead log that was altered after its rows were committed: SQLite drops them without a word.
@Suite("Damaged log")
struct DamagedLogTests {
  let work: Workspace

  init() throws {
    work = try Workspace()
    try work.makeSample(sql: "PRAGMA journal_mode=WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, v);")
    let script = """
      PRAGMA key = "x'\(TestKeys.firstHex)'"; PRAGMA wal_autocheckpoint=0;
      INSERT INTO t VALUES (1, 'a');
      INSERT INTO t VALUES (2, 'b');
      UPDATE t SET v = randomblob(9000);
      .shell kill -9 $PPID

      """
    _ = try Subprocess.run("sqlcipher", ["-batch", work.file("hostel.db")], input: script)
    try #require(Bytes.size(work.file("hostel.db-wal")) > 4 * 4120)
  }

  private static let frame = 24 + 4096

  /// In the header, and in the first, a middle and the last frame: number, salt, checksum, content, MAC.
  @Test(
    arguments: [
      2, 17, 32 + 1, 32 + 9, 32 + 17, 32 + 600, 32 + frame - 20, 32 + frame + 24 + 99, 32 + 2 * frame + 40,
    ],
    [
      ["rekey", "hostel.db", "--new-key-file", "second.key"], ["rekey", "hostel.db", "--cipher", "sqlcipher4-sha256"],
      ["export", "hostel.db", "new.db", "--dest-key-file", "second.key"],
    ])
  func isRefusedAndStaysAsItIs(byte: Int, command: [String]) throws {
    try Bytes.flip(work.file("hostel.db-wal"), byte: byte, bit: 4)
    let file = try Bytes.read(work.file("hostel.db"))
    let log = try Bytes.read(work.file("hostel.db-wal"))
    let result = try Tool.run(command + ["--key-file", "first.key"], directory: work.folder.path)
    result.expectFailure(65, saying: "hostel.db", hint: true)
    #expect(try Bytes.read(work.file("hostel.db")) == file)
    #expect(try Bytes.read(work.file("hostel.db-wal")) == log)
    #expect(try work.leftovers() == [])
    #expect(!Bytes.exists(work.file("new.db")))
    let verified = try work.runWithFirstKey("verify", "hostel.db")
    #expect(verified.status == 1 && verified.output.contains("wal-"), "\(verified.output)\(verified.errors)")
  }

  @Test func aTornTransactionAtTheEndIsNoDamage() throws {
    // What a crash leaves: the last commit is whole, and some frames after it are not.
    let script = """
      PRAGMA key = "x'\(TestKeys.firstHex)'"; PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=5;
      BEGIN; INSERT INTO t SELECT NULL, randomblob(5000) FROM t, t AS u, t AS w, t AS x, t AS y;
      .shell kill -9 $PPID

      """
    let before = Bytes.size(work.file("hostel.db-wal"))
    _ = try Subprocess.run("sqlcipher", ["-batch", work.file("hostel.db")], input: script)
    let size = Bytes.size(work.file("hostel.db-wal"))
    try #require(size > before)
    try Bytes.write(try Bytes.read(work.file("hostel.db-wal")).prefix(size - 1000), to: work.file("hostel.db-wal"))
    try work.runWithFirstKey("rekey", "hostel.db", "--new-key-file", "second.key").expectSuccess()
    let count = try SQLCipherShell.lines(
      work.file("hostel.db"), key: TestKeys.secondHex, "SELECT count(*), sum(length(v)) FROM t;")
    #expect(count == ["2|18000"])
  }
}
