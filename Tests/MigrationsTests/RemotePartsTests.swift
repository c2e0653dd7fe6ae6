import Foundation
import LibSQLClient
import Migrations
import TestSupport
import Testing

/// Scripts whose front matter asks for a transaction for each statement.
@Suite("Remote migrations in parts", .serialized)
struct RemotePartsTests {
  private let remote: RemoteWorkshop

  init() throws { remote = try RemoteWorkshop() }

  private static let matter = "-- ---\n-- remote-transactions: each-statement\n-- ---\n"
  private static let progress = "_albergue_migration_progress"

  private static func migrations(_ second: String) throws -> [Migration] {
    [
      try Migration(version: "m1", up: "CREATE TABLE run (x)", down: "DROP TABLE run"),
      try Migration(
        version: "m2", up: matter + second, down: matter + "DELETE FROM run WHERE x = 2; DELETE FROM run WHERE x > 0"),
      try Migration(version: "m3", up: "INSERT INTO run VALUES (99)", down: "DELETE FROM run WHERE x = 99"),
    ]
  }

  private static func inserts(_ numbers: ClosedRange<Int>) -> String {
    numbers.map { "INSERT INTO run VALUES (\($0));\n" }.joined()
  }

  private func expectDone(_ count: Int, _ cause: Comment? = nil) async throws {
    let expected = (1...count).map(String.init) + ["99"]
    #expect(try await remote.rows("SELECT x FROM run ORDER BY rowid") == expected, cause)
    #expect(try await remote.versions() == ["m1", "m2", "m3"], cause)
    #expect(try await !remote.has(Self.progress), cause)
    try await remote.expectSound(cause)
  }

  @Test func areOneRequestForEachStatement() async throws {
    let proxy = try FaultProxy(before: remote.primary.port)
    let migrator = try remote.migrator(Self.migrations(Self.inserts(1...12)), on: remote.database(proxy.url))
    #expect(try await migrator.up() == ["m1", "m2", "m3"])
    // The version, the lease, the state, each migration and the state after it, eleven more parts, the end of the lease.
    #expect(try proxy.seen().count == 1 + 1 + 1 + 3 * 2 + 11 + 1)
    try await expectDone(12)
    #expect(try await migrator.down(2) == ["m3", "m2"])
    #expect(try await remote.rows("SELECT count(*) FROM run") == ["0"])
  }

  @Test(arguments: [#""drop": "before""#, #""drop": "after""#, #""drop": "late""#])
  func areDoneOnceEachWhateverIsLostOnce(_ fault: String) async throws {
    let proxy = try FaultProxy(before: remote.primary.port)
    var skipped = 0
    while true {
      let cause: Comment = "\(fault), request \(skipped + 1)"
      try proxy.set(#"{"path": "/", "skip": \#(skipped), "times": 1, \#(fault)}"#)
      _ = try proxy.seen()
      let migrator = try remote.migrator(Self.migrations(Self.inserts(1...5)), on: remote.database(proxy.url))
      #expect(try await migrator.up() == ["m1", "m2", "m3"], cause)
      guard try proxy.seen().count > skipped else { break }
      try await expectDone(5, cause)
      _ = try proxy.release()
      try await expectDone(5, cause)
      try await remote.clear()
      skipped += 1
    }
    #expect(skipped >= 13)
  }

  /// The line is dead from one request on.
  @Test func areContinuedWhereTheyStopped() async throws {
    let proxy = try FaultProxy(before: remote.primary.port)
    var skipped = 0
    var halfDoneCount = 0
    while true {
      let cause: Comment = "request \(skipped + 1)"
      try proxy.set(#"{"path": "/", "skip": \#(skipped), "drop": "after"}"#)
      _ = try proxy.seen()
      let database = try remote.database(proxy.url, attempts: 1)
      _ = try? await remote.migrator(Self.migrations(Self.inserts(1...5)), on: database).up()
      guard try proxy.seen().count > skipped else { break }
      try await remote.expireLease()
      if try await remote.has(Self.progress) {
        halfDoneCount += 1
        let done = try await remote.rows("SELECT done FROM \(Self.progress)")
        #expect(try await remote.rows("SELECT count(*) FROM run") == done, cause)
        // Nothing else is done before it is finished.
        let error = await migrationError { try await remote.migrator(Self.migrations(Self.inserts(7...9))).up() }
        #expect(error?.code == .unfinished, cause)
        let back = await migrationError { try await remote.migrator(Self.migrations(Self.inserts(1...5))).down(1) }
        #expect(back?.code == .unfinished, cause)
        // What is not done yet may be corrected.
        _ = try await remote.migrator(Self.migrations(Self.inserts(1...7))).up()
        try await expectDone(7, cause)
      } else {
        _ = try await remote.migrator(Self.migrations(Self.inserts(1...5))).up()
        try await expectDone(5, cause)
      }
      try await remote.clear()
      skipped += 1
    }
    #expect(halfDoneCount == 4)
  }

  /// Two runners that both believe that nothing is begun, without a lease between them.
  @Test func goOnlyOnFromWhatTheyWerePlannedFrom() async throws {
    func change(_ script: String) throws -> DatabaseChange {
      let migration = try Self.migrations(script)[1]
      return DatabaseChange(
        expected: ["m1"], script: migration.up, turnsForeignKeysOff: false,
        edits: [.record(version: "m2", appliedAt: 1, checksum: migration.up.checksum)])
    }
    _ = try await remote.migrator(Self.migrations(Self.inserts(1...5))).up(1)
    let (first, second) = (try remote.database(), try remote.database())
    for database in [first, second] { _ = try await database.state() }
    let broken = try change(Self.inserts(1...2) + "INSERT INTO missing VALUES (1)")
    #expect(await migrationError { try await first.apply(broken) }?.code == .failed)
    let whole = try change(Self.inserts(1...5))
    #expect(try await second.apply(whole) == .superseded)
    #expect(try await remote.rows("SELECT count(*) FROM run") == ["2"])
    #expect(try await second.apply(whole) == .applied)
    // The other one comes back, and finds the tracker changed.
    #expect(try await first.apply(whole) == .superseded)
    #expect(try await remote.rows("SELECT x FROM run ORDER BY rowid") == (1...5).map(String.init))
  }

  @Test func sayHowFarTheyAreWhenAStatementFails() async throws {
    let broken = Self.inserts(1...2) + "INSERT INTO missing VALUES (1);\n" + Self.inserts(3...3)
    let error = await migrationError { try await remote.migrator(Self.migrations(broken)).up() }
    #expect(error?.code == .failed)
    #expect(error?.detail.hasPrefix("m2 (up):6: statement 3: the statement failed") == true, "\(error?.detail ?? "")")
    #expect(error?.hint?.contains("its first 2 statements were done before, and stay") == true)
    #expect(try await remote.versions() == ["m1"])
    // Corrected to less than was planned: only the record is left.
    _ = try await remote.migrator(Self.migrations(Self.inserts(1...2))).up()
    try await expectDone(2)
  }

  @Test func areGivenUpByAdoptingOrAFreshStart() async throws {
    let broken = Self.inserts(1...2) + "INSERT INTO missing VALUES (1);\n"
    _ = await migrationError { try await remote.migrator(Self.migrations(broken)).up() }
    #expect(try await remote.has(Self.progress))
    #expect(try await remote.migrator(Self.migrations("SELECT 1")).adopt(["m2"]) == ["m2"])
    #expect(try await !remote.has(Self.progress))
    _ = try await remote.migrator(Self.migrations(broken)).up()
    try await expectDone(2)
    _ = try await remote.migrator(Self.migrations(broken)).down(2)
    _ = await migrationError { try await remote.migrator(Self.migrations(broken)).up() }
    #expect(try await remote.has(Self.progress))
    _ = try await remote.migrator(Self.migrations(Self.inserts(1...4))).fresh()
    try await expectDone(4)
  }

  @Test func changeRowsOnly() async throws {
    for sql in ["INSERT INTO run VALUES (1); CREATE TABLE t (a)", "DROP TABLE run", "ALTER TABLE run ADD COLUMN y"] {
      let error = await migrationError { try await remote.migrator(Self.migrations(sql)).up() }
      #expect(error?.code == .invalidScript)
      #expect(error?.detail.contains("m2 (up):4: statement") == true, "\(error?.detail ?? "")")
      #expect(try await remote.schema() == [])
    }
    #expect(throws: MigrationError.self) {
      try MigrationScript("-- ---\n-- remote-transactions: some\n-- ---\n", source: "x")
    }
  }

  /// A local file runs them as one transaction.
  @Test func areWholeInALocalFile() async throws {
    let broken = Self.inserts(1...2) + "INSERT INTO missing VALUES (1);\n"
    let error = await migrationError { try await remote.work.migrate(Self.migrations(broken)) { try await $0.up() } }
    #expect(error?.code == .failed)
    #expect(try remote.work.lines("SELECT count(*) FROM run;") == ["0"])
  }
}
