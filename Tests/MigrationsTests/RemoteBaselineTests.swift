import EncryptedStorage
import Foundation
import HostelMigrations
import LibSQLClient
import Migrations
import PageStore
import TestSupport
import Testing

/// `migrate-remote` and `status-remote`.
@Suite("The baseline of a remote", .serialized)
struct RemoteBaselineTests {
  private let remote: RemoteWorkshop

  init() throws { remote = try RemoteWorkshop() }

  private func expectRecords(_ cause: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    #expect(try await remote.versions() == SeaORMDatabase.versions, cause, sourceLocation: sourceLocation)
    let baseline = try await remote.rows("SELECT name FROM _albergue_migrations")
    #expect(baseline == ["m20260111_000000_baseline"], cause, sourceLocation: sourceLocation)
    let users = try await remote.rows("SELECT count(*) FROM users WHERE username = 'synthetic_admin'")
    #expect(users == ["1"], cause, sourceLocation: sourceLocation)
    try await remote.expectSound(cause, sourceLocation: sourceLocation)
  }

  /// Definitions in any order, without the former program's table.
  private func definitions() async throws -> [String] {
    try await remote.schema().filter { !$0.contains("_albergue_migrations") }.sorted()
  }

  private static let all = (SeaORMDatabase.definitions(9) + [SeaORMDatabase.tracker]).sorted()

  @Test func makesEverythingInAnEmptyRemote() async throws {
    #expect(try remote.succeed("status-remote") == ["m20260111_000000_baseline\tPending"])
    #expect(try await remote.rows("SELECT name FROM sqlite_schema") == [])
    #expect(try remote.run("status-remote", "--check").status == 1)
    let lines = try remote.succeed("migrate-remote")
    #expect(lines.count == 11)
    #expect(try await definitions() == Self.all)
    try await expectRecords()
    let definition = try await remote.rows("SELECT sql FROM sqlite_schema WHERE name = '_albergue_migrations'")
    #expect(
      definition.first?.hasSuffix("(name TEXT PRIMARY KEY, applied_at TEXT NOT NULL DEFAULT (CURRENT_TIMESTAMP))")
        == true)
    #expect(try remote.succeed("status-remote", "--check") == ["m20260111_000000_baseline\tApplied"])
    let json = try remote.succeed("status-remote", "--json").joined()
    #expect(json.contains(#""status":"applied""#) && json.contains(#""missing":[]"#))
    // A SeaORM program has nothing to do, and neither has another run.
    _ = try remote.succeed("status", "--check")
    let before = try await remote.rows("SELECT * FROM seaql_migrations ORDER BY 1")
    let again = try remote.run("migrate-remote")
    #expect(again.output == "" && again.errors.contains("nothing was to be done"))
    #expect(try await remote.rows("SELECT * FROM seaql_migrations ORDER BY 1") == before)
  }

  /// As a SeaORM run that was killed after each of its statements leaves it, and one statement more.
  @Test func completesWhatIsThereInPart() async throws {
    let definitions = SeaORMDatabase.definitions(9)
    for count in 1...definitions.count {
      let cause: Comment = "\(count) statements"
      try await remote.execute(SeaORMDatabase.tracker)
      for definition in definitions.prefix(count) { try await remote.execute(definition) }
      let tables = definitions.prefix(count).filter { $0.hasPrefix("CREATE TABLE") }.count
      for version in SeaORMDatabase.versions.prefix(tables - 1) {
        try await remote.execute("INSERT INTO seaql_migrations VALUES ('\(version)', 1700000000)")
      }
      try await remote.execute("INSERT INTO users (username, password) VALUES ('ada', 'x')")
      _ = try remote.succeed("migrate-remote")
      #expect(try await self.definitions() == Self.all, cause)
      try await expectRecords(cause)
      #expect(try await remote.rows("SELECT count(*) FROM users WHERE username = 'ada'") == ["1"], cause)
      try await remote.clear()
    }
  }

  @Test func makesTheTablesThatAreMissingInBetween() async throws {
    // The first and the last table, without records.
    let definitions = SeaORMDatabase.definitions(9)
    try await remote.execute(definitions[0], definitions[definitions.count - 2])
    let report = try remote.succeed("migrate-remote", "--json").joined()
    #expect(report.contains(#""adopted":["m20260111_000001_users"]"#))
    #expect(report.contains(#""completed":["m20260111_000009_audit_log"]"#))
    #expect(report.contains(#""stamped":true"#))
    #expect(try await self.definitions() == Self.all)
    try await expectRecords()
  }

  @Test func recordsWhatOurMigrationsHaveMade() async throws {
    _ = try remote.succeed("up")
    #expect(
      try remote.succeed("migrate-remote") == ["Baseline 'm20260111_000000_baseline' has been recorded"])
    try await expectRecords()
  }

  // MARK: - The former program's baseline

  /// What its script makes: the same tables and names, other types, named foreign keys; its record; no SeaORM table.
  private func runFormerBaseline() async throws {
    let types = [
      "varchar": "TEXT", "text": "TEXT", "timestamp_text": "TIMESTAMP", "date_text": "DATE", "json_text": "TEXT",
      "real(10, 2)": "NUMERIC(10, 2)", "boolean": "INTEGER", "integer": "INTEGER",
    ]
    for definition in SeaORMDatabase.definitions(9) {
      let columns = definition.replacing(
        #/"(\w+)" (varchar|text|timestamp_text|date_text|json_text|real\(10, 2\)|boolean|integer)/#
      ) { "\($0.1) \(types[String($0.2)] ?? "?")" }
      try await remote.execute(
        columns.replacing("CREATE TABLE", with: "CREATE TABLE IF NOT EXISTS")
          .replacing(#/FOREIGN KEY \("(\w+)"\)/#) { "CONSTRAINT fk_\($0.1) FOREIGN KEY (\($0.1))" })
    }
    try await remote.execute(
      "INSERT INTO users (username, password) VALUES ('synthetic_admin', 'synthetic_password')",
      "CREATE TABLE IF NOT EXISTS _albergue_migrations "
        + "(name TEXT PRIMARY KEY, applied_at TEXT NOT NULL DEFAULT (CURRENT_TIMESTAMP))",
      "INSERT INTO _albergue_migrations (name) VALUES ('m20260111_000000_baseline')")
  }

  @Test func takesOverFromTheFormerProgram() async throws {
    try await runFormerBaseline()
    let before = try await definitions()
    // Applied, as that program says; but SeaORM's would stop at the first index.
    let status = try remote.run("status-remote", "--check")
    #expect(status.output == "m20260111_000000_baseline\tApplied\n")
    #expect(status.status == 1)
    #expect(status.errors.contains("10 of the hostel's migrations are not recorded"))
    let result = try remote.run("migrate-remote", "--json")
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.output.contains(#""applied":["m20260111_000010_seed_synthetic_data"]"#))
    #expect(result.errors.contains("beds.price_per_night is NUMERIC"))
    #expect(try await definitions().filter { $0 != SeaORMDatabase.tracker } == before)
    try await expectRecords()
    #expect(try remote.succeed("up") == ["Applying all pending migrations", "No pending migrations"])
    // Later migrations run on it.
    try remote.work.write("m20270101_000001_more", up: "ALTER TABLE beds ADD COLUMN floor INTEGER;")
    _ = try remote.succeed("up")
  }

  // MARK: - Other shapes

  static let others: [(sql: [String], said: String)] = [
    (["CREATE TABLE users (id INTEGER PRIMARY KEY)"], "users: lacks username, password, created_at"),
    (
      [
        "CREATE TABLE pricing (id INTEGER PRIMARY KEY, room_type TEXT NOT NULL, bed_type TEXT NOT NULL, "
          + "price_per_night REAL(10, 2) NOT NULL, currency TEXT, is_active INTEGER, created_at TIMESTAMP, "
          + "updated_at TIMESTAMP, extra)"
      ], "pricing: has extra more"
    ),
    (
      ["CREATE TABLE users (id INTEGER PRIMARY KEY, username TEXT NOT NULL, password TEXT, created_at BLOB)"],
      "users: username is not UNIQUE"
    ),
    (
      ["CREATE TABLE users (id INTEGER PRIMARY KEY, username TEXT NOT NULL UNIQUE, password TEXT, created_at BLOB)"],
      "users: password may be NULL"
    ),
    (
      [
        "CREATE TABLE users (username TEXT NOT NULL UNIQUE, id INTEGER PRIMARY KEY, password TEXT NOT NULL, "
          + "created_at BLOB)"
      ], "users: has its columns in another order"
    ),
    (
      [
        "CREATE TABLE users (id INTEGER, username TEXT PRIMARY KEY NOT NULL, password TEXT NOT NULL, created_at TIMESTAMP)"
      ],
      "users: id is not the primary key"
    ),
    (["CREATE VIEW beds AS SELECT 1 AS id"], "beds: is a view, not a table"),
    (["CREATE TABLE other (a)", "CREATE INDEX idx_bookings_status ON other (a)"], "idx_bookings_status: an index of"),
    (
      [
        SeaORMDatabase.definitions(1)[0], SeaORMDatabase.definitions(3)[2], SeaORMDatabase.definitions(2)[1],
        SeaORMDatabase.definitions(4)[4].replacing(
          ", FOREIGN KEY (\"bed_assignment_id\") REFERENCES \"beds\" (\"id\")", with: ""),
      ],
      "bookings: lacks the foreign key bed_assignment_id -> beds(id)"
    ),
    (
      [SeaORMDatabase.definitions(3)[2], "CREATE INDEX idx_beds_bed_number ON beds (room_number)"],
      "beds: the index idx_beds_bed_number is another one"
    ),
    (
      [SeaORMDatabase.tracker, "INSERT INTO seaql_migrations VALUES ('m20260111_000001_users', 1)"],
      "users: recorded as made, and not there"
    ),
  ]

  @Test(arguments: others)
  func refusesTablesOfAnotherShape(_ other: (sql: [String], said: String)) async throws {
    for sql in other.sql { try await remote.execute(sql) }
    let before = try await remote.rows("SELECT type, name, sql FROM sqlite_schema")
    let result = try remote.run("migrate-remote")
    #expect(result.status == 65)
    #expect(result.errors.contains(other.said), "\(result.errors)")
    #expect(try await remote.rows("SELECT type, name, sql FROM sqlite_schema") == before)
    #expect(try remote.run("status-remote").errors.contains(other.said))
  }

  // MARK: - On the way

  /// Each request is lost in turn, or is the last one that arrives: the next run does the rest.
  @Test(arguments: [#""drop": "before""#, #""drop": "after""#])
  func isContinuedWhereverItWasInterrupted(_ fault: String) async throws {
    let proxy = try FaultProxy(before: remote.primary.port)
    for times in [1, 1_000_000] {
      var skipped = 0
      while true {
        let cause: Comment = "\(fault) \(times), request \(skipped + 1)"
        try proxy.set(#"{"path": "/", "skip": \#(skipped), "times": \#(times), \#(fault)}"#)
        _ = try proxy.seen()
        let attempts = times == 1 ? 4 : 1
        let baseline = RemoteBaseline(of: try remote.database(proxy.url, attempts: attempts))
        let done = try? await baseline.run()
        guard try proxy.seen().count > skipped else { break }
        if times == 1 { #expect(done?.count == 11, cause) }
        try await remote.expireLease()
        _ = try await RemoteBaseline(of: remote.database()).run()
        #expect(try await definitions() == Self.all, cause)
        try await expectRecords(cause)
        try await remote.clear()
        // Every step is alike; some of each kind are enough.
        skipped += skipped < 6 ? 1 : 5
      }
      #expect(skipped > 20)
    }
  }

  // MARK: - Replicas

  /// Replicas of both kinds show the schema, and are encrypted.
  @Test(arguments: ["v1", "v2"])
  func isSeenByReplicas(_ name: String) async throws {
    let path = remote.work.folder.file("replica.db")
    let environment = [
      "TURSO_DATABASE_URL": remote.primary.url, "TURSO_REPLICA_PATH": path,
      "TURSO_ENCRYPTION_KEY_FILE": remote.work.keyFile,
    ]
    func pull(_ arguments: String...) throws {
      let result = try Subprocess.run(
        "timeout", ["-s", "KILL", "600", Executables.path("turso-sync"), "pull"] + arguments, environment: environment)
      #expect(result.status == 0, "\(result.errors)")
    }
    // An incremental pull as well as a first one.
    try pull("--protocol", name)
    _ = try remote.succeed("migrate-remote")
    try pull()
    let reader = try await ConnectionFactory(key: TestKeys.first(), configuration: .mountingPageStores).open(path)
    let (schema, versions) = try await reader.transaction(.deferred) { session in
      let schema = try session.query(
        "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE '\\_albergue%' ESCAPE '\\' "
          + "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
      ) { $0[0].text ?? "" }
      return (schema, try session.query("SELECT version FROM seaql_migrations ORDER BY 1") { $0[0].text ?? "" })
    }
    await reader.close()
    #expect(schema.sorted() == Self.all)
    #expect(versions == SeaORMDatabase.versions)
    for (file, data) in try remote.work.folder.contents() where file.hasPrefix("replica.db") {
      #expect(data.range(of: Data("CREATE TABLE".utf8)) == nil, "\(file)")
    }
  }
}
