import Foundation
import LibSQLClient
import LibSQLProtocol
import Migrations
import TestSupport
import Testing

/// A primary in a process of its own, and `albergue-migration` beside it.
final class RemoteWorkshop: Sendable {
  let work: Workshop
  let primary: RunningPrimary
  private let serverFolder: TemporaryDirectory
  /// A token that is visibly none.
  static let token = "not-a-token-41d8"

  /// - Parameter arguments: of the primary.
  init(_ arguments: String...) throws {
    work = try Workshop()
    serverFolder = try TemporaryDirectory(named: "albergue-server")
    let keyFile = serverFolder.file("server.key")
    try Bytes.write(Data(TestKeys.secondHex.utf8), to: keyFile)
    try Bytes.setMode(keyFile, 0o600)
    primary = try RunningPrimary(store: serverFolder.file("primary.db"), keyFile: keyFile, arguments: arguments)
  }

  // MARK: - The program

  func variables(_ url: String? = nil) -> [String: String] {
    ["DATABASE_URL": url ?? primary.url, "TURSO_AUTH_TOKEN": Self.token, "TURSO_ENCRYPTION_KEY_FILE": ""]
  }

  func run(_ arguments: String..., through url: String? = nil) throws -> Subprocess {
    let result = try work.run(arguments, environment: variables(url))
    for text in [result.output, result.errors] { #expect(!text.contains(Self.token)) }
    return result
  }

  /// Runs it, and wants success.
  @discardableResult
  func succeed(
    _ arguments: String..., through url: String? = nil, sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> [String] {
    let result = try work.run(arguments, environment: variables(url))
    #expect(result.status == 0, "\(arguments): \(result.errors)", sourceLocation: sourceLocation)
    return result.output.split(separator: "\n").map(String.init)
  }

  /// Starts it, waiting for a line on its input. Its output goes to files.
  func start(_ arguments: [String], through url: String? = nil, number: Int = 0) throws -> (ChildProgram, go: Pipe) {
    let process = ChildProgram()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", "read line; exec \"$0\" \"$@\"", Executables.path("albergue-migration")] + arguments
    process.environment = ProcessInfo.processInfo.environment.filter { ["PATH", "LD_LIBRARY_PATH"].contains($0.key) }
      .merging(variables(url)) { $1 }
    process.currentDirectoryURL = URL(fileURLWithPath: work.folder.path)
    for name in ["out", "err"] { try Bytes.write(Data(), to: work.folder.file("\(name)-\(number)")) }
    process.setOutput(try FileHandle(forWritingTo: URL(fileURLWithPath: work.folder.file("out-\(number)"))))
    process.setErrors(try FileHandle(forWritingTo: URL(fileURLWithPath: work.folder.file("err-\(number)"))))
    let input = Pipe()
    process.setInput(input)
    try process.run()
    return (process, input)
  }

  func text(_ name: String) throws -> String { String(decoding: try Bytes.read(work.folder.file(name)), as: UTF8.self) }

  // MARK: - The library

  func remote(_ url: String? = nil, attempts: Int = 4) throws -> Remote {
    var retries = RetryPolicy()
    (retries.firstDelay, retries.attemptCountMax) = (.milliseconds(1), attempts)
    return Remote(try RemoteURL(url ?? primary.url), tokens: .none, transport: try Transport(), retries: retries)
  }

  func database(_ url: String? = nil, attempts: Int = 4, wait: Duration = .seconds(30)) throws -> RemoteDatabase {
    RemoteDatabase(try remote(url, attempts: attempts), waitingTime: wait)
  }

  func migrator(
    _ migrations: [Migration], on database: RemoteDatabase? = nil,
    report: @escaping @Sendable (MigrationEvent) throws -> Void = { _ in }
  ) throws -> Migrator {
    var settings = Migrator.Settings()
    settings.allowsDestruction = true
    return Migrator(
      try MigrationCatalog(migrations), on: try database ?? self.database(), settings: settings, report: report)
  }

  // MARK: - SQL

  func execute(_ statements: String...) async throws {
    _ = try await HranaClient(try remote()).executeAtomically(statements.map { Hrana.Statement(.text($0)) })
  }

  /// Rows of the remote, each as one line.
  func rows(_ sql: String) async throws -> [String] {
    let result = try await HranaClient(try remote()).execute(Hrana.Statement(.text(sql)))
    return result.rows.map { row in
      row.map { value in
        switch value {
        case .null: "NULL"
        case .integer(let number): "\(number)"
        case .float(let number): "\(number)"
        case .text(let text): text
        case .blob(let bytes): "\(bytes.count) bytes"
        }
      }.joined(separator: "|")
    }
  }

  func versions() async throws -> [String] {
    guard try await has("seaql_migrations") else { return [] }
    return try await rows("SELECT version FROM seaql_migrations ORDER BY version")
  }

  func has(_ table: String) async throws -> Bool {
    try await rows("SELECT 1 FROM sqlite_schema WHERE name = '\(table)'") == ["1"]
  }

  /// Definitions in the order in which they were made, without our own and SQLite's.
  func schema() async throws -> [String] {
    try await rows(
      """
      SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE '\\_albergue%' ESCAPE '\\'
      AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid
      """)
  }

  /// Ends the lease of a runner that is gone, as time would.
  func expireLease() async throws {
    guard try await has(MigrationLease.table) else { return }
    try await execute("UPDATE \(MigrationLease.table) SET expires_at = unixepoch() - 1")
  }

  /// Drops everything, the tables that a `fresh` keeps too.
  func clear() async throws {
    try await expireLease()
    _ = try await migrator([]).fresh()
    for table in ["_albergue_writes", MigrationLease.table] { try await execute("DROP TABLE IF EXISTS \(table)") }
    #expect(try await rows("SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite%'") == [])
  }

  func expectSound(_ cause: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    #expect(try await rows("PRAGMA integrity_check") == ["ok"], cause, sourceLocation: sourceLocation)
    #expect(try await rows("PRAGMA foreign_key_check") == [], cause, sourceLocation: sourceLocation)
    #expect(try await !has("_albergue_migration_violations"), cause, sourceLocation: sourceLocation)
  }
}

/// Migrations that show how often they were run.
enum CountedMigrations {
  static func all() throws -> [Migration] {
    [
      try Migration(
        version: "m1",
        up:
          "CREATE TABLE run (version TEXT); INSERT INTO run VALUES ('m1'); CREATE TABLE parent (id INTEGER PRIMARY KEY);"
          + "CREATE TABLE child (parent REFERENCES parent(id) ON DELETE CASCADE);"
          + "INSERT INTO parent VALUES (1), (2); INSERT INTO child VALUES (1), (2);",
        down: "DROP TABLE child; DROP TABLE parent; DROP TABLE run;"),
      try Migration(
        version: "m2", up: "INSERT INTO run VALUES ('m2'); CREATE TABLE t2 (x);",
        down: "DELETE FROM run WHERE version = 'm2'; DROP TABLE t2;"),
      try Migration(
        version: "m3",
        up: "INSERT INTO run VALUES ('m3'); CREATE TABLE other (id INTEGER PRIMARY KEY, note TEXT);"
          + "INSERT INTO other (id) SELECT id FROM parent; DROP TABLE parent; ALTER TABLE other RENAME TO parent;",
        down: "DELETE FROM run WHERE version = 'm3'; ALTER TABLE parent DROP COLUMN note;"),
    ]
  }
}

extension RemoteWorkshop {
  /// The first of the counted migrations are there, each once and whole, and nothing of the others.
  func expectCounted(_ cause: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    let versions = try await versions()
    #expect(versions == Array(["m1", "m2", "m3"].prefix(versions.count)), cause, sourceLocation: sourceLocation)
    let runs = try await has("run") ? rows("SELECT version FROM run ORDER BY rowid") : []
    #expect(runs == versions, cause, sourceLocation: sourceLocation)
    #expect(try await has("t2") == (versions.count >= 2), cause, sourceLocation: sourceLocation)
    #expect(try await !has("other"), cause, sourceLocation: sourceLocation)
    if !versions.isEmpty {
      let checksums = try await rows("SELECT version FROM _albergue_migration_checksums ORDER BY 1")
      #expect(checksums == versions, cause, sourceLocation: sourceLocation)
      #expect(try await rows("SELECT parent FROM child") == ["1", "2"], cause, sourceLocation: sourceLocation)
      let columns = try await rows("SELECT count(*) FROM pragma_table_info('parent')")
      #expect(columns == [versions.count == 3 ? "2" : "1"], cause, sourceLocation: sourceLocation)
    }
    try await expectSound(cause, sourceLocation: sourceLocation)
  }
}

/// The `MigrationError` of a call that has to fail with one.
func migrationError(of body: () async throws -> some Any) async -> MigrationError? {
  do {
    _ = try await body()
    return nil
  } catch {
    return error as? MigrationError
  }
}
