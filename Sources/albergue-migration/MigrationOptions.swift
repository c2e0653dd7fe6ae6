import ArgumentParser
import CommandSupport
import EncryptedStorage
import HostelMigrations
import LibSQLClient
import Migrations

/// Which migrations there are. Flags win over the environment.
struct CatalogOptions: ParsableArguments {
  @Option(
    name: [.customShort("d"), .long],
    help: "Folder of more migrations. Wins over MIGRATION_DIR; default ./migrations, if it is there.",
    completion: .directory)
  var migrationDir: String?

  private static let defaultFolder = "./migrations"

  /// The folder that new migrations go to.
  var folder: MigrationFolder { MigrationFolder(named ?? Self.defaultFolder) }

  private var named: String? { migrationDir ?? Environment.value("MIGRATION_DIR") }

  /// - Throws: `MigrationError`: a folder that is named must be there.
  func catalog() throws -> MigrationCatalog {
    let inFolder = named != nil || folder.exists ? try folder.migrations() : []
    return try MigrationCatalog(try HostelMigrations.all() + inFolder)
  }
}

/// Which database, and how its file is opened.
struct DatabaseOptions: ParsableArguments {
  @OptionGroup var catalog: CatalogOptions

  @Option(
    name: [.customShort("u"), .long],
    help: "Address of the database, a file or a remote. Wins over DATABASE_URL, then TURSO_DATABASE_URL.")
  var databaseUrl: String?

  @Option(
    name: [.customShort("s"), .long], help: "For programs that pass it, or DATABASE_SCHEMA: SQLite has one schema.")
  var databaseSchema: String?

  @Option(help: "Seconds to wait for another writer.")
  var waitSecs = 30

  @Flag(name: .shortAndLong, help: "Say on stderr what each migration consists of.")
  var verbose = false

  @Flag(help: "Print one JSON object; progress goes to stderr.")
  var json = false

  @OptionGroup(title: "Key") var keys: KeyOptions
  @OptionGroup(title: "Key") var cipher: CipherOptions

  func validate() throws {
    guard (0...3600).contains(waitSecs) else { throw ValidationError("--wait-secs must be between 0 and 3600") }
  }

  /// Opens the database, hands a migrator to `body`, and closes the database.
  ///
  /// - Parameters:
  ///   - isChanging: whether anything may be written.
  ///   - reportsEvents: whether the migrator's events are said at all.
  func run<Result: Sendable>(
    isChanging: Bool, allowsDestruction: Bool = false, reportsEvents: Bool = true,
    _ body: @Sendable (Migrator) async throws -> Result
  ) async throws -> Result {
    let catalog = try catalog.catalog()
    let (database, close) = try await open(isChanging: isChanging)
    var settings = Migrator.Settings()
    settings.allowsDestruction = allowsDestruction
    let log = RunLog(isQuiet: json, isVerbose: verbose, catalog: catalog)
    let outcome: Swift.Result<Result, any Error>
    do {
      outcome = .success(
        try await body(Migrator(catalog, on: database, settings: settings) { if reportsEvents { try log.note($0) } }))
    } catch {
      outcome = .failure(error)
    }
    await close()
    return try outcome.get()
  }

  private func open(isChanging: Bool) async throws -> (any MigrationDatabase, close: @Sendable () async -> Void) {
    switch try DatabaseAddress(flag: databaseUrl) {
    case .file(let file):
      let database = try await LocalDatabase.open(file, isChanging: isChanging, factory: try factory())
      return (database, { await database.close() })
    case .remote(let url):
      let options = keys.loadingOptions(try LogSettings.logger("keys"))
      let remote = try Remote.fromEnvironment(url, options: options, logger: try LogSettings.logger("remote"))
      return (RemoteDatabase(remote, waitingTime: .seconds(waitSecs)), {})
    }
  }

  /// Without a mount of page stores: a replica is changed through its remote.
  private func factory() throws -> ConnectionFactory {
    let logger = try LogSettings.logger("storage")
    var configuration = ConnectionFactory.Configuration()
    configuration.busyTimeout = .seconds(waitSecs)
    return try ConnectionFactory(
      keys: try keys.load(logger), profile: try cipher.profile(), configuration: configuration, logger: logger)
  }
}

/// `--allow-destructive`, for commands that may need it.
struct DestructionOptions: ParsableArguments {
  @Flag(help: "Let migrations drop or delete data at a remote. A local file needs no such leave.")
  var allowDestructive = false
}

/// What a run says, line by line, in SeaORM's words.
private struct RunLog: Sendable {
  /// Standard output is for a JSON object.
  let isQuiet: Bool
  let isVerbose: Bool
  let catalog: MigrationCatalog

  func note(_ event: MigrationEvent) throws {
    let diagnostics = Diagnostics("albergue-migration")
    if isQuiet { diagnostics.note(event.description) } else { try StandardOutput.line(event.description) }
    guard isVerbose else { return }
    switch event {
    case .applyingMigration(let version): describe(catalog[version: version]?.up, diagnostics)
    case .rollingBackMigration(let version): describe(catalog[version: version]?.down, diagnostics)
    default: break
    }
  }

  private func describe(_ script: MigrationScript?, _ diagnostics: Diagnostics) {
    guard let script else { return }
    let keys = script.turnsForeignKeysOff ? ", foreign keys off" : ""
    diagnostics.note("\(script.source): \(script.statements.count) statements\(keys), checksum \(script.checksum)")
  }
}
