import EncryptedStorage
import EncryptionKeys
import Foundation
import HostelMigrations
import Migrations
import TestSupport
import Testing

/// A folder with a key, a database, and `albergue-migration` run in it as a user runs it.
final class Workshop: Sendable {
  let folder: TemporaryDirectory
  /// Beside the folder, so that what lies in the folder can be searched for the key.
  private let keyFolder: TemporaryDirectory
  static let database = "hostel.db"

  init() throws {
    folder = try TemporaryDirectory(named: "albergue-migration")
    keyFolder = try TemporaryDirectory(named: "albergue-key")
    try Bytes.write(Data(TestKeys.firstHex.utf8), to: keyFile)
    try Bytes.setMode(keyFile, 0o600)
  }

  var keyFile: String { keyFolder.file("first.key") }
  var path: String { folder.file(Self.database) }
  static let url = "sqlite://\(database)"
  /// Makes the file where it is missing.
  static let creatingURL = url + "?mode=rwc"

  // MARK: - The program

  /// Runs it to its end; a program that hangs is killed.
  func run(
    _ arguments: String..., environment: [String: String] = [:], wrapper: [String] = []
  ) throws -> Subprocess {
    try run(arguments, environment: environment, wrapper: wrapper)
  }

  func run(
    _ arguments: [String], environment: [String: String] = [:], wrapper: [String] = []
  ) throws -> Subprocess {
    let line = ["timeout", "-s", "KILL", "600"] + wrapper + [Executables.path("albergue-migration")] + arguments
    let variables = variables.merging(environment) { $1 }
    let result = try Subprocess.run(line[0], Array(line.dropFirst()), environment: variables, directory: folder.path)
    for text in [result.output, result.errors] {
      #expect(!text.contains(TestKeys.firstHex))
      #expect(!text.contains(Canary.text))
    }
    return result
  }

  var variables: [String: String] {
    ["DATABASE_URL": Self.creatingURL, "TURSO_ENCRYPTION_KEY_FILE": keyFile, "ALBERGUE_LOG": "trace"]
  }

  /// Runs it, and wants success without a word on stderr.
  @discardableResult
  func succeed(_ arguments: String..., sourceLocation: SourceLocation = #_sourceLocation) throws -> [String] {
    let result = try run(arguments)
    #expect(result.status == 0, "\(result.errors)", sourceLocation: sourceLocation)
    #expect(result.errors == "", sourceLocation: sourceLocation)
    return result.output.split(separator: "\n").map(String.init)
  }

  // MARK: - Files

  /// Writes a migration into the default folder.
  func write(_ version: String, up: String, down: String? = nil) throws {
    let path = folder.file("migrations/\(version)")
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    try Bytes.write(Data(up.utf8), to: path + "/up.sql")
    if let down { try Bytes.write(Data(down.utf8), to: path + "/down.sql") }
  }

  /// Runs SQL by a program that only knows the key: the `sqlcipher` command line.
  func change(_ sql: String) throws {
    let result = try SQLCipherShell.run(path, key: TestKeys.firstHex, "PRAGMA foreign_keys=ON;\n" + sql)
    try #require(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
    try Bytes.setMode(path, 0o600)
  }

  /// Rows, as that program shows them.
  func lines(_ sql: String) throws -> [String] { try SQLCipherShell.lines(path, key: TestKeys.firstHex, sql) }

  func versions() throws -> [String] { try lines("SELECT version FROM seaql_migrations ORDER BY version;") }

  /// Definitions in the order in which they were made, without our own.
  func schema() throws -> [String] {
    try lines(
      """
      SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE '\\_albergue%' ESCAPE '\\'
      AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid;
      """)
  }

  /// The file is whole, consistent, and opens with its key alone.
  func expectSound(sourceLocation: SourceLocation = #_sourceLocation) throws {
    #expect(try lines("PRAGMA integrity_check;") == ["ok"], sourceLocation: sourceLocation)
    #expect(try lines("PRAGMA foreign_key_check;") == [], sourceLocation: sourceLocation)
    #expect(throws: (any Error).self, sourceLocation: sourceLocation) {
      try SQLCipherShell.lines(path, "SELECT count(*) FROM sqlite_schema;")
    }
    #expect(throws: (any Error).self, sourceLocation: sourceLocation) {
      try SQLCipherShell.lines(path, key: TestKeys.secondHex, "SELECT count(*) FROM sqlite_schema;")
    }
    for (name, data) in try folder.contents() where name.hasPrefix(Self.database) {
      for text in ["CREATE TABLE", "seaql_migrations", Canary.text] {
        #expect(data.range(of: Data(text.utf8)) == nil, "\(text) in \(name)", sourceLocation: sourceLocation)
      }
    }
  }

  // MARK: - The library

  static func factory(_ key: KeyMaterial? = nil) throws -> ConnectionFactory {
    var configuration = ConnectionFactory.Configuration()
    configuration.waitsForDisk = false
    return ConnectionFactory(key: try key ?? TestKeys.first(), configuration: configuration)
  }

  /// Runs migrations on the file, which is made where it is missing.
  @discardableResult
  func migrate<Result: Sendable>(
    _ migrations: [Migration], report: @escaping @Sendable (MigrationEvent) throws -> Void = { _ in },
    _ body: @Sendable (Migrator) async throws -> Result
  ) async throws -> Result {
    let file = DatabaseFile(path: path, mode: .readWriteCreate)
    let database = try await LocalDatabase.open(file, isChanging: true, factory: try Self.factory())
    let outcome: Swift.Result<Result, any Error>
    do {
      let catalog = try MigrationCatalog(migrations)
      outcome = .success(try await body(Migrator(catalog, on: database, report: report)))
    } catch { outcome = .failure(error) }
    await database.close()
    return try outcome.get()
  }
}
