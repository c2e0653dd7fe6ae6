import Foundation
import LibSQLClient
import LibSQLProtocol
import Migrations
import TestSupport
import Testing

@Suite("Remote runners at the same time", .serialized)
struct RemoteConcurrencyTests {
  private let remote: RemoteWorkshop

  init() throws { remote = try RemoteWorkshop() }

  /// Migrations that cannot be run twice without a trace.
  private func prepare() throws {
    try remote.work.write("m20260101_000000_start", up: "CREATE TABLE run (version TEXT);", down: "DROP TABLE run;")
    for number in 1...8 {
      try remote.work.write(
        "m20270101_00000\(number)_step",
        up: "INSERT INTO run VALUES ('\(number)');\nCREATE TABLE t\(number) (x);\nINSERT INTO t\(number) VALUES (1);",
        down: "DELETE FROM run WHERE version = '\(number)';\nDROP TABLE t\(number);")
    }
  }

  /// Runs it several times at once.
  ///
  /// - Returns: what all of them said.
  private func runAtOnce(_ count: Int, _ arguments: [String]) throws -> String {
    let runners = try (0..<count).map { try remote.start(arguments, number: $0) }
    for runner in runners { runner.go.fileHandleForWriting.write(Data("\n".utf8)) }
    var output = ""
    for (number, runner) in runners.enumerated() {
      runner.0.waitUntilExit()
      let errors = try remote.text("err-\(number)")
      #expect(runner.0.terminationStatus == 0, "\(errors)")
      output += try remote.text("out-\(number)")
    }
    return output
  }

  @Test func applyEachMigrationOnce() async throws {
    try prepare()
    let output = try runAtOnce(4, ["up"])
    #expect(output.matches(of: /has been applied/).count == 19)
    #expect(try await remote.rows("SELECT version FROM run ORDER BY 1") == (1...8).map(String.init))
    #expect(try await remote.versions().count == 19)
    // One after the other: each that comes later finds the plan of the one before done.
    #expect(output.matches(of: /No pending migrations/).count == 3)
    #expect(try await remote.rows("SELECT count(*) FROM \(MigrationLease.table)") == ["0"])
    try await remote.expectSound()
  }

  @Test func takeMigrationsBackInTurns() async throws {
    try prepare()
    _ = try remote.succeed("up")
    let output = try runAtOnce(3, ["down", "-n", "3", "--allow-destructive"])
    #expect(output.matches(of: /has been rolled back/).count == 9)
    #expect(try await remote.versions().count == 10)
    try await remote.expectSound()
  }

  @Test func makeTheHostelsSchemaOnce() async throws {
    let output = try runAtOnce(3, ["migrate-remote"])
    #expect(output.matches(of: /has been applied/).count == 10)
    #expect(output.matches(of: /has been recorded/).count == 1)
    #expect(try await remote.rows("SELECT count(*) FROM users") == ["1"])
  }

  /// Other programs write all the time, to the table that is made anew too.
  @Test func leaveOtherWritersTheirRows() async throws {
    let remote = remote
    let migrations = try CountedMigrations.all()
    _ = try await remote.migrator(Array(migrations.prefix(1))).up()
    let isDone = Locked(false)
    let writer = Task {
      let client = HranaClient(try remote.remote())
      var count = 0
      repeat {
        let id = 100 + count
        let results = try await client.executeAtomically([
          Hrana.Statement(.text("INSERT INTO parent (id) VALUES (\(id))")),
          Hrana.Statement(.text("INSERT INTO child (parent) VALUES (\(id))")),
        ])
        count += results.results.count / 2
      } while !isDone.withLock { $0 }
      return count
    }
    for _ in 0..<5 {
      _ = try await remote.migrator(migrations).up()
      _ = try await remote.migrator(migrations).down(1)
    }
    _ = try await remote.migrator(migrations).up()
    isDone.withLock { $0 = true }
    let count = try await writer.value
    #expect(count > 0)
    #expect(try await remote.rows("SELECT count(*) FROM parent") == ["\(count + 2)"])
    #expect(try await remote.rows("SELECT count(*) FROM child") == ["\(count + 2)"])
    try await remote.expectSound()
  }

  @Test func waitForAWriterOnlySoLong() async throws {
    let remote = try RemoteWorkshop("--writer-wait-secs", "0.1", "--transaction-secs", "60")
    let database = try remote.database(wait: .zero)
    let transaction = try await HranaClient(remote.remote()).begin()
    let error = await migrationError { try await remote.migrator(CountedMigrations.all(), on: database).up() }
    #expect(error?.code == .busy)
    try await transaction.rollback()
    _ = try await remote.migrator(CountedMigrations.all(), on: database).up()
    try await remote.expectCounted()
  }

  // MARK: - The lease

  private func take(_ owner: String, seconds: Int) async throws {
    try await remote.execute(
      MigrationLease.creation.sql,
      "INSERT OR REPLACE INTO \(MigrationLease.table) VALUES (1, '\(owner)', unixepoch() + \(seconds))")
  }

  @Test func waitForTheLeaseOfAnotherRunnerOnlySoLong() async throws {
    try await take("another", seconds: 600)
    let result = try remote.run("up", "--wait-secs", "0")
    #expect(result.status == 75)
    #expect(result.errors.contains(/its lease is good for (5|6)\d\d more seconds/))
    #expect(try await remote.versions() == [])
    // It is still the other's.
    #expect(try await remote.rows("SELECT owner FROM \(MigrationLease.table)") == ["another"])
    // Who only looks needs none.
    #expect(try remote.run("status").status == 0)
    #expect(try remote.run("plan").status == 0)
  }

  @Test func takeTheLeaseOfARunnerThatIsGone() async throws {
    try await take("gone", seconds: 0)
    _ = try remote.succeed("up", "--wait-secs", "0")
    #expect(try await remote.versions().count == 10)
    #expect(try await remote.rows("SELECT count(*) FROM \(MigrationLease.table)") == ["0"])
  }

  /// A runner that was taken for dead comes back: it does nothing without the lease, and goes on when it has it again.
  @Test func goOnWhenTheLeaseIsBack() async throws {
    let remote = remote
    let migrations = try CountedMigrations.all()
    let events = Locked<[MigrationEvent]>([])
    let other = Locked<Task<Void, any Error>?>(nil)
    let migrator = try remote.migrator(migrations) { event in
      events.withLock { $0.append(event) }
      guard event == .appliedMigration("m1") else { return }
      // Another runner has waited until the lease was over, and applies one migration.
      let done = DispatchSemaphore(value: 0)
      other.withLock {
        $0 = Task.detached {
          defer { done.signal() }
          try await remote.expireLease()
          _ = try await remote.migrator(migrations).up(1)
          try await remote.execute(
            "INSERT OR REPLACE INTO \(MigrationLease.table) VALUES (1, 'other', unixepoch() + 1)")
        }
      }
      done.wait()
    }
    let applied = try await migrator.up()
    try await other.withLock { $0 }?.value
    #expect(applied == ["m1", "m3"])
    #expect(events.withLock { $0 }.contains(.doneElsewhere("m2")))
    try await remote.expectCounted()
    #expect(try await remote.rows("SELECT count(*) FROM \(MigrationLease.table)") == ["0"])
  }

  @Test func giveTheLeaseUpAfterAnError() async throws {
    let broken = try Migration(version: "m1", up: "INSERT INTO missing VALUES (1)", down: nil)
    #expect(await migrationError { try await remote.migrator([broken]).up() }?.code == .failed)
    #expect(try await remote.rows("SELECT count(*) FROM \(MigrationLease.table)") == ["0"])
  }

  @Test func giveTheLeaseUpWhenCancelled() async throws {
    let remote = remote
    let migrations = try CountedMigrations.all()
    let task = Task {
      try await remote.migrator(migrations) { event in
        if event == .appliedMigration("m1") { withUnsafeCurrentTask { $0?.cancel() } }
      }.up()
    }
    await #expect(throws: (any Error).self) { try await task.value }
    #expect(try await remote.rows("SELECT count(*) FROM \(MigrationLease.table)") == ["0"])
    try await remote.expectCounted()
  }
}
