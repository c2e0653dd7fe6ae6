import Foundation
import TestSupport
import Testing

@Suite("query")
struct QueryCommandTests {
  let work: Workspace

  init() throws {
    work = try Workspace()
    try work.makeSample(
      sql: """
        CREATE TABLE t (id INTEGER PRIMARY KEY, v);
        INSERT INTO t VALUES (1, NULL), (2, x'00ff'), (3, 'say "ultreia", peregrino'), (4, 'ñandú 🥾'), (5, ''),
          (6, 2.5), (7, -9223372036854775808), (8, 'two' || char(10) || 'lines'), (9, 1e999), (10, x'');
        """)
  }

  @Test func printsATable() throws {
    let result = try work.runWithFirstKey("query", "hostel.db", "SELECT id, v FROM t WHERE id < 5")
    result.expectSuccess()
    #expect(
      result.output == """
        id  v
        --  ------------------------
        1   NULL
        2   X'00FF'
        3   say "ultreia", peregrino
        4   ñandú 🥾

        """)
  }

  @Test func printsCSVThatTellsNullFromEmpty() throws {
    let result = try work.runWithFirstKey("query", "hostel.db", "SELECT id, v FROM t", "--format", "csv")
    result.expectSuccess()
    #expect(
      result.output == """
        id,v
        1,
        2,X'00FF'
        3,"say ""ultreia"", peregrino"
        4,ñandú 🥾
        5,""
        6,2.5
        7,-9223372036854775808
        8,"two
        lines"
        9,inf
        10,X''

        """)
  }

  @Test func printsOneJSONObject() throws {
    let object = try work.runWithFirstKey("query", "hostel.db", "SELECT v FROM t", "--format", "json").object()
    #expect(object["columns"] as? [String] == ["v"])
    let values = try #require(object["rows"] as? [[Any]]).map { $0[0] }
    #expect(values[0] is NSNull)
    #expect(values[1] as? String == "X'00FF'")
    #expect(values[2] as? String == "say \"ultreia\", peregrino")
    #expect(values[3] as? String == "ñandú 🥾")
    #expect(values[5] as? Double == 2.5)
    #expect((values[6] as? NSNumber)?.int64Value == .min)
    #expect(values[8] as? String == "inf")
  }

  @Test func aStatementWithoutColumnsPrintsNothingAndIsDurable() throws {
    let result = try work.runWithFirstKey("query", "hostel.db", "DELETE FROM t WHERE id > 1")
    result.expectSuccess()
    #expect(result.output == "")
    let count = try SQLCipherShell.lines(work.file("hostel.db"), key: TestKeys.firstHex, "SELECT count(*) FROM t;")
    #expect(count == ["1"])
    // An insert that returns rows both writes and prints.
    let returning = try work.runWithFirstKey(
      "query", "hostel.db", "INSERT INTO t VALUES (20, 'x') RETURNING id", "--format", "csv")
    #expect(returning.output == "id\n20\n")
    #expect(try work.names(beginningWith: "hostel") == ["hostel.db"])
    try work.runWithFirstKey("verify", "hostel.db").expectSuccess()
  }

  @Test(arguments: [
    ("SELEC 1", 64, "syntax error"), ("SELECT 1; SELECT 2", 64, "more than one"), ("", 64, "no SQL statement"),
    ("SELECT * FROM nowhere", 64, "no such table"), ("INSERT INTO t VALUES (1, 1)", 64, "UNIQUE"),
    ("PRAGMA rekey = 'x'", 77, "not authorized"), ("PRAGMA key = 'x'", 77, "not authorized"),
    ("EXPLAIN PRAGMA rekey = 'x'", 77, "not authorized"), ("PRAGMA hexrekey = '00'", 77, "not authorized"),
    ("PRAGMA cipher_page_size = 1024", 77, "not authorized"), ("PRAGMA temp_store = 1", 77, "not authorized"),
    ("ATTACH 'other.db' AS o KEY ''", 77, "not authorized"), ("ATTACH 'plain' || '.db' AS o", 77, "not authorized"),
    ("VACUUM INTO 'copy.db'", 77, "not allowed"), ("SELECT sqlcipher_export('main')", 77, "not authorized"),
    ("PRAGMA temp_store_directory = '.'", 77, "not authorized"), ("PRAGMA journal_mode = OFF", 77, "not authorized"),
    ("SELECT load_extension('x')", 64, "cannot be run"), ("SELECT writefile('leak', v) FROM t", 64, "no such function"),
    ("SELECT fts3_tokenizer('x')", 64, "cannot be run"), ("PRAGMA mmap_size = 1", 77, "not authorized"),
  ])
  func refusesAStatementWithACodeAndChangesNothing(sql: String, code: Int, text: String) throws {
    // The first writer changes the header of a foreign file to WAL, so not the bytes but the rows are compared.
    let rows = "SELECT group_concat(quote(v), '|') FROM t;"
    let before = try SQLCipherShell.lines(work.file("hostel.db"), key: TestKeys.firstHex, rows)
    try work.runWithFirstKey("query", "hostel.db", sql).expectFailure(Int32(code), saying: text)
    #expect(try SQLCipherShell.lines(work.file("hostel.db"), key: TestKeys.firstHex, rows) == before)
    #expect(Set(try work.names()).isSubset(of: ["first.key", "second.key", "hostel.db", "hostel.db-writer.lock"]))
  }

  @Test func aWrongKeyAndNoKeyArePermissionErrors() throws {
    try work.run("query", "hostel.db", "SELECT 1", "--key-file", work.secondKey)
      .expectFailure(77, saying: "does not fit", "hostel.db", hint: true)
    try work.run("query", "hostel.db", "SELECT 1").expectFailure(77, saying: "no encryption key", hint: true)
  }

  @Test func printsNoRowOfAQueryThatReadADamagedPage() throws {
    // SQLCipher hands out zeros for a tampered overflow page and reports nothing when it is the last one read.
    try work.makeSample("big.db", sql: "CREATE TABLE b (v); INSERT INTO b VALUES (zeroblob(0)), (randomblob(60000));")
    let size = Bytes.size(work.file("big.db"))
    try Bytes.flip(work.file("big.db"), byte: size - 4096 + 100)
    let judge = try SQLCipherShell.run(work.file("big.db"), key: TestKeys.firstHex, "SELECT length(hex(v)) FROM b;")
    #expect(judge.output.contains("120000"), "the judge hands the row out: otherwise this test proves nothing")
    let result = try work.runWithFirstKey("query", "big.db", "SELECT hex(v) FROM b", "--format", "csv")
    result.expectFailure(65, saying: "not authentic")
  }

  @Test func refusesAPlaintextFileAnEmptyOneAFolderAndAMissingOne() throws {
    try work.makePlaintext()
    try work.write("", to: "empty.db")
    try work.runWithFirstKey("query", "plain.db", "SELECT 1").expectFailure(65, saying: "unencrypted", hint: true)
    try work.runWithFirstKey("query", "empty.db", "SELECT 1").expectFailure(65, saying: "empty", hint: true)
    try work.runWithFirstKey("query", ".", "SELECT 1").expectFailure(65, saying: "not a regular file")
    try work.runWithFirstKey("query", "missing.db", "SELECT 1").expectFailure(66, saying: "missing.db")
    #expect(!Bytes.exists(work.file("missing.db")))
    #expect(Bytes.size(work.file("empty.db")) == 0)
  }

  @Test func aClosedPipeEndsTheOutputQuietly() throws {
    let numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) SELECT i FROM n"
    let script = "\"$0\" query hostel.db '\(numbers)' --format csv --key-file first.key | head -n 2"
    let result = try Subprocess.run("sh", ["-c", script, Tool.path], directory: work.folder.path)
    #expect(result.status == 0 && result.errors == "" && result.output == "i\n1\n")
    let full = try Subprocess.run(
      "sh", ["-c", "exec \"$0\" query hostel.db 'SELECT 1' --key-file first.key > /dev/full", Tool.path],
      directory: work.folder.path)
    full.expectFailure(74, saying: "standard output")
  }
}
