import EncryptedStorage
import Foundation
import LibSQLClient
import LibSQLProtocol
import TestSupport
import Testing

/// The way a schema takes from this program to a remote: pull, `fresh` on the working copy, push.
@Suite("Migrations of a working copy", .serialized)
struct WorkingCopyFlowTests {
  private let work: Workshop
  private let serverFolder: TemporaryDirectory
  private let primary: RunningPrimary

  init() throws {
    work = try Workshop()
    serverFolder = try TemporaryDirectory(named: "albergue-server")
    let keyFile = serverFolder.file("server.key")
    try Bytes.write(Data(TestKeys.secondHex.utf8), to: keyFile)
    try Bytes.setMode(keyFile, 0o600)
    primary = try RunningPrimary(
      store: serverFolder.file("primary.db"), keyFile: keyFile,
      arguments: ["--transaction-secs", "30", "--stream-idle-secs", "20"])
  }

  private var variables: [String: String] {
    [
      "DB_MODE": "seaorm_sqlite", "TURSO_DATABASE_URL": primary.url, "TURSO_REPLICA_PATH": work.path,
      "TURSO_ENCRYPTION_KEY_FILE": work.keyFile, "DATABASE_URL": "sqlite://" + work.path,
    ]
  }

  private func run(_ program: String, _ arguments: String...) throws -> Subprocess {
    let result = try Subprocess.run(
      "timeout", ["-s", "KILL", "600", Executables.path(program)] + arguments, environment: variables,
      directory: work.folder.path)
    #expect(result.status == 0, "\(program) \(arguments): \(result.errors)")
    return result
  }

  private func remote(_ sql: String) async throws -> [String] {
    let client = HranaClient(Remote(try RemoteURL(primary.url), tokens: .none, transport: try Transport()))
    let result = try await client.execute(Hrana.Statement(.text(sql)))
    return result.rows.map { row in
      row.map { value in
        switch value {
        case .integer(let number): "\(number)"
        case .text(let text): text
        default: "other"
        }
      }.joined(separator: "|")
    }
  }

  private let schemaSQL = """
    SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE '\\_albergue%' ESCAPE '\\'
    AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY sql
    """

  private func expectMigratedRemote() async throws {
    let expected = ([SeaORMDatabase.tracker] + SeaORMDatabase.definitions(9)).sorted()
    #expect(try await remote(schemaSQL).sorted() == expected)
    #expect(try await remote("SELECT version FROM seaql_migrations ORDER BY 1") == SeaORMDatabase.versions)
    #expect(try await remote("SELECT username FROM users") == ["synthetic_admin"])
    #expect(try await remote("SELECT count(*) FROM sqlite_schema WHERE name = '_albergue_copy'") == ["0"])
  }

  @Test func reachesTheRemoteByPullFreshStatusAndPush() async throws {
    _ = try run("turso-sync", "pull")
    _ = try run("albergue-migration", "fresh")
    let status = try run("albergue-migration", "status", "--check")
    #expect(status.output.matches(of: /\.\.\. Applied/).count == 10)
    _ = try run("turso-sync", "push")
    try await expectMigratedRemote()
    // Again: nothing changes but the times.
    _ = try run("turso-sync", "pull")
    _ = try run("albergue-migration", "fresh")
    _ = try run("albergue-migration", "status", "--check")
    _ = try run("turso-sync", "push")
    try await expectMigratedRemote()
    _ = try run("turso-sync", "pull")
    _ = try run("albergue-migration", "status", "--check")
    try work.expectSound()
  }

  @Test func takesMigrationsOneByOneAndBack() async throws {
    _ = try run("turso-sync", "pull")
    _ = try run("albergue-migration", "up", "-n", "4")
    _ = try run("turso-sync", "push")
    #expect(
      try await remote("SELECT version FROM seaql_migrations ORDER BY 1") == Array(SeaORMDatabase.versions.prefix(4)))
    _ = try run("albergue-migration", "down")
    _ = try run("turso-sync", "push")
    #expect(try await remote("SELECT count(*) FROM sqlite_schema WHERE name = 'bookings'") == ["0"])
    _ = try run("albergue-migration", "up")
    _ = try run("turso-sync", "push")
    try await expectMigratedRemote()
    _ = try run("albergue-migration", "refresh")
    _ = try run("turso-sync", "push")
    try await expectMigratedRemote()
    _ = try run("albergue-migration", "reset")
    _ = try run("turso-sync", "push")
    #expect(try await remote(schemaSQL) == [])
  }

  /// The same key opens the working copy for every program, and no other key does.
  @Test func leavesTheWorkingCopyEncrypted() async throws {
    _ = try run("turso-sync", "pull")
    _ = try run("albergue-migration", "up")
    try work.expectSound()
    let factory = ConnectionFactory(key: try TestKeys.second())
    await #expect(throws: EncryptedStorageError.self) { try await factory.open(work.path) }
  }
}
