import EncryptionKeys
import Foundation
import TestSupport
import Testing

@testable import EncryptedStorage

/// Recovery with a write-ahead log or a rollback journal beside the file, and with a damaged salt.
@Suite("Recovery with a log")
struct RecoveryLogTests {
  let bench: RecoveryBench

  init() throws { bench = try RecoveryBench() }

  /// A file with 100 rows, whose log holds 50 more, and a page 1.
  private func makeFileWithLog(key: KeyMaterial) async throws {
    let origin = bench.folder.file("origin.db")
    let connection = try await ConnectionFactory(key: key).create(origin)
    try await connection.run { session in
      try session.executeScript("CREATE TABLE stay (day TEXT); CREATE TABLE filler (x)")
      try session.transaction { session in
        for day in 1...100 { try session.execute("INSERT INTO stay VALUES (?)", [.text("day \(day)")]) }
      }
      try session.execute("INSERT INTO filler VALUES (zeroblob(30000))")
      try session.checkpoint()
      try session.transaction { session in
        for day in 101...150 { try session.execute("INSERT INTO stay VALUES (?)", [.text("day \(day)")]) }
        try session.execute("CREATE TABLE late (x)")
      }
    }
    // Copied while the connection is open, as a crash would leave them.
    for extra in ["", "-wal"] { try Bytes.write(try Bytes.read(origin + extra), to: bench.source + extra) }
    await connection.close()
    for extra in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: origin + extra) }
    try FileManager.default.contentsOfDirectory(atPath: bench.folder.path).filter { $0.hasPrefix("origin") }.forEach {
      try FileManager.default.removeItem(atPath: bench.folder.file($0))
    }
  }

  private func dayCount() throws -> String? {
    try SQLCipherShell.lines(
      bench.target, key: TestKeys.secondHex, "SELECT count(DISTINCT day) FROM stay; PRAGMA integrity_check;"
    ).joined(separator: " ")
  }

  @Test func includesWhatOnlyTheLogHolds() async throws {
    try await makeFileWithLog(key: TestKeys.first())
    let outcome = try await bench.recover()
    #expect(outcome.method == .pages && outcome.notes == [])
    #expect(try dayCount() == "150 ok")
  }

  @Test func findsTheSaltInTheLogWhenTheFilesOwnIsDamaged() async throws {
    for key in [try TestKeys.first(), try TestKeys.passphraseKey()] {
      let other = try RecoveryLogTests()
      try await other.makeFileWithLog(key: key)
      var data = try Bytes.read(other.bench.source)
      data.replaceSubrange(0..<16, with: Data(repeating: 0xEE, count: 16))
      try Bytes.write(data, to: other.bench.source)
      let outcome = try await other.bench.recover(keys: [key])
      #expect(outcome.method == .pages && outcome.notes.count == 1)
      #expect(try other.dayCount() == "150 ok")
    }
  }

  @Test func usesTheLogOnlyUpToItsDamage() async throws {
    try await makeFileWithLog(key: TestKeys.first())
    try Bytes.flip(bench.source + "-wal", byte: 32 + 24 + 2000)
    let outcome = try await bench.recover()
    #expect(outcome.method == .pages && outcome.notes.count == 1)
    #expect(try dayCount() == "100 ok")
  }

  @Test func survivesADamagedPageThatTheLogHasANewerVersionOf() async throws {
    try await makeFileWithLog(key: TestKeys.first())
    try Bytes.flip(bench.source, byte: 2000)
    let outcome = try await bench.recover()
    #expect(outcome.method == .pages && outcome.lostPageCount == 0)
    #expect(try dayCount() == "150 ok")
  }

  @Test func neverCrashesOnADamagedLog() async throws {
    try await makeFileWithLog(key: TestKeys.first())
    let sound = try Bytes.read(bench.source + "-wal")
    var generator = SeededGenerator(seed: 11)
    for _ in 0..<20 {
      var log = sound.prefix(Int.random(in: 0...sound.count, using: &generator))
      for _ in 0..<3 where !log.isEmpty {
        log[Int.random(in: 0..<log.count, using: &generator)] = .random(in: 0...255, using: &generator)
      }
      try Bytes.write(log, to: bench.source + "-wal")
      let outcome = try await bench.recover()
      #expect(outcome.tables.isEmpty || outcome.method == .rows)
      let days = try dayCount()
      #expect(days == "100 ok" || days == "150 ok")
      try FileManager.default.removeItem(atPath: bench.target)
    }
  }

  @Test func findsADamagedByteOfTheSaltAgain() async throws {
    let file = try HostelFile.standard.get()
    for byte in [0, 7, 15] {
      let bench = try RecoveryBench()
      try Bytes.write(file.data, to: bench.source)
      try Bytes.flip(bench.source, byte: byte, bit: byte % 8)
      let outcome = try await bench.recover()
      #expect(outcome.method == .pages && outcome.notes.count == 1)
      try bench.content().expect(file, without: [])
    }
  }

  /// SQLite is killed in the middle of a transaction that has spilled into the file.
  @Test func undoesAnUnfinishedTransaction() async throws {
    let file = try HostelFile.standard.get()
    try Bytes.write(file.data, to: bench.source)
    let script = """
      PRAGMA cache_size=5; BEGIN; UPDATE stay SET bed = 'nobody''s'; DELETE FROM pilgrim WHERE id < 300;
      SELECT count(*) FROM stay;
      .system kill -9 $PPID
      """
    _ = try SQLCipherShell.run(bench.source, key: TestKeys.firstHex, script)
    try #require(try Bytes.read(bench.source) != file.data)
    try #require(try Bytes.read(bench.source + "-journal").count > 100_000)
    let outcome = try await bench.recover()
    #expect(outcome.method == .pages && outcome.notes.count == 1)
    try bench.content().expect(file, without: [])
  }

  /// `PRAGMA rekey` is killed half way, once with its journal still there, once with the journal thrown away, after which
  /// neither key opens the file any more.
  @Test(arguments: [true, false])
  func savesAFileWhoseRekeyWasKilled(keepsJournal: Bool) async throws {
    let file = try HostelFile.standard.get()
    try Bytes.write(file.data, to: bench.source)
    // SIGXFSZ kills the process when it writes beyond the limit.
    let result = try rekeyUnderAFileSizeLimit(file, onSignal: "DEFAULT", then: "")
    try #require(result.status != 0)
    try #require(try Bytes.read(bench.source) != file.data)
    if !keepsJournal { try FileManager.default.removeItem(atPath: bench.source + "-journal") }
    let outcome = try await bench.recover(keys: [TestKeys.first(), TestKeys.raw("third", TestKeys.thirdHex)])
    #expect(outcome.method == .pages && outcome.lostPageCount == 0)
    #expect(outcome.authenticPageCounts.count == (keepsJournal ? 1 : 2))
    try bench.content().expect(file, without: [])
  }

  /// `PRAGMA rekey` fails and says `ok`; the next write of the connection is under the new key, the rest under the old
  /// (docs: sqlcipher-format, section 5, items 1 and 2).
  @Test func savesAFileWhoseRekeyFailedInSilence() async throws {
    let file = try HostelFile.standard.get()
    try Bytes.write(file.data, to: bench.source)
    let result = try rekeyUnderAFileSizeLimit(
      file, onSignal: "IGNORE", then: "UPDATE pilgrim SET name = 'changed' WHERE id = 3;")
    try #require(result.status == 0)
    for hex in [TestKeys.firstHex, TestKeys.thirdHex] {
      #expect(throws: SQLCipherShell.Failure.self) {
        try SQLCipherShell.lines(
          bench.source, key: hex, "SELECT count(*) FROM stay; SELECT sum(length(note)) FROM pilgrim;")
      }
    }
    let outcome = try await bench.recover(keys: [TestKeys.first(), TestKeys.raw("third", TestKeys.thirdHex)])
    #expect(outcome.method == .pages && outcome.lostPageCount == 0 && outcome.authenticPageCounts.count == 2)
    #expect(
      try SQLCipherShell.lines(
        bench.target, key: TestKeys.secondHex,
        "PRAGMA integrity_check; SELECT name FROM pilgrim WHERE id = 3; SELECT count(*) FROM stay;")
        == ["ok", "changed", "3000"])
  }

  private func rekeyUnderAFileSizeLimit(
    _ file: HostelFile, onSignal action: String, then sql: String
  ) throws -> Subprocess {
    // The test's threads block signals, and a child inherits that.
    let perl = "use POSIX; sigprocmask(SIG_SETMASK, POSIX::SigSet->new); $SIG{XFSZ} = \"\(action)\"; exec @ARGV"
    let limit = file.data.count * 6 / 10 / 1024
    return try Subprocess.run(
      "bash", ["-c", "ulimit -f \(limit); exec perl -e '\(perl)' sqlcipher -batch '\(bench.source)'"],
      input: """
        PRAGMA key = "x'\(TestKeys.firstHex)'"; PRAGMA cache_size=10;
        PRAGMA rekey = "x'\(TestKeys.thirdHex)'";
        \(sql)

        """)
  }

  @Test func readsFromTheLogAloneWhenTheFileIsEmpty() async throws {
    try await makeFileWithLog(key: TestKeys.first())
    try Bytes.write(Data(), to: bench.source)
    let outcome = try await bench.recover()
    #expect(outcome.method == .rows && !outcome.schemaLost && outcome.lostPageCount > 0)
    #expect(try dayCount() == "150 ok")
  }

  /// One byte of the journal is changed: its playback ends there, as SQLite's would, and rows may be of both states.
  @Test func neverCrashesOnADamagedJournal() async throws {
    let file = try HostelFile.standard.get()
    try Bytes.write(file.data, to: bench.source)
    let script = "PRAGMA cache_size=5; BEGIN; UPDATE stay SET bed = 'x'; SELECT 1;\n.system kill -9 $PPID\n"
    _ = try SQLCipherShell.run(bench.source, key: TestKeys.firstHex, script)
    let journal = try Bytes.read(bench.source + "-journal")
    var generator = SeededGenerator(seed: 5)
    for _ in 0..<10 {
      var damaged = journal
      for _ in 0..<3 {
        damaged[Int.random(in: 0..<damaged.count, using: &generator)] = .random(in: 0...255, using: &generator)
      }
      try Bytes.write(damaged, to: bench.source + "-journal")
      _ = try await bench.recover()
      _ = try bench.content()
      try FileManager.default.removeItem(atPath: bench.target)
    }
  }
}
