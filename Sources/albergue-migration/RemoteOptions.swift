import ArgumentParser
import CommandSupport
import EncryptionKeys
import LibSQLClient
import Migrations

/// Where a database is. A flag wins over the environment.
enum DatabaseAddress {
  case file(DatabaseFile)
  case remote(RemoteURL)

  /// That of the flag, else of `DATABASE_URL`, else of `TURSO_DATABASE_URL`.
  ///
  /// - Throws: `CommandError` with 64; `MigrationError` and `RemoteError` for an address that cannot be used.
  init(flag: String?) throws {
    let named = flag.flatMap { $0.isEmpty ? nil : $0 }
    guard let text = named ?? Environment.value("DATABASE_URL") ?? Environment.value("TURSO_DATABASE_URL") else {
      throw CommandError(
        .usage, "Environment variable 'DATABASE_URL' not set",
        hint: "set it, or use --database-url: sqlite:// and the path of a file, or libsql:// and the host of a remote")
    }
    self = RemoteURL.hasRemoteScheme(text) ? .remote(try RemoteURL(text)) : .file(try DatabaseFile(url: text))
  }
}

/// The remote, for commands that are about one.
struct RemoteOptions: ParsableArguments {
  @Option(
    name: [.customShort("u"), .long],
    help: "Address of the remote. Wins over TURSO_DATABASE_URL, then DATABASE_URL if it is of a remote.")
  var databaseUrl: String?

  @Option(help: "Seconds to wait for other runners and writers.")
  var waitSecs = 30

  @Flag(help: "Print one JSON object.")
  var json = false

  @Flag(help: "Accept files with token or customer key that group or others can read.")
  var allowInsecurePermissions = false

  func validate() throws {
    guard (0...3600).contains(waitSecs) else { throw ValidationError("--wait-secs must be between 0 and 3600") }
  }

  /// - Throws: `CommandError` with 64; `RemoteError` for an address, a token or a customer key that cannot be used.
  func database() throws -> RemoteDatabase {
    let general = Environment.value("DATABASE_URL").flatMap { RemoteURL.hasRemoteScheme($0) ? $0 : nil }
    let named = databaseUrl.flatMap { $0.isEmpty ? nil : $0 }
    guard let text = named ?? Environment.value("TURSO_DATABASE_URL") ?? general else {
      throw CommandError(
        .usage, "it is not said where the remote is", hint: "set TURSO_DATABASE_URL, or use --database-url")
    }
    let options = KeyLoadingOptions(
      allowInsecurePermissions: allowInsecurePermissions, logger: try LogSettings.logger("keys"))
    let remote = try Remote.fromEnvironment(
      try RemoteURL(text), options: options, logger: try LogSettings.logger("remote"))
    return RemoteDatabase(remote, waitingTime: .seconds(waitSecs))
  }
}
