import ArgumentParser
import CommandSupport
import EncryptedStorage
import EncryptionKeys
import HostelStore
import LibSQLClient
import Logging
import PageStore
import ReplicaSync

/// The database and the keys, as the environment says; flags win.
struct DatabaseOptions: ParsableArguments {
  @Option(help: "The file. Wins over TURSO_REPLICA_PATH.", completion: .file())
  var file: String?

  @Option(help: "Address of the remote. Wins over TURSO_DATABASE_URL.")
  var url: String?

  @OptionGroup(title: "Key") var keys: KeyOptions
  @OptionGroup(title: "Key") var cipher: CipherOptions

  /// The store, open. Nothing is asked of the remote.
  ///
  /// - Throws: what is wrong with a key before anything else.
  func openStore() async throws -> HostelStore {
    let logger = try LogSettings.logger("storage")
    let factory = try ConnectionFactory(
      keys: try keys.load(logger), profile: try cipher.profile(), configuration: .mountingPageStores, logger: logger)
    let options = keys.loadingOptions(try LogSettings.logger("keys"))
    let columns = try FieldCipher(
      try FieldKeys.load(environment: Environment.value, options: options), readsUnbound: try readsUnbound())
    return HostelStore(try await openDatabase(factory, options), cipher: columns, clock: SystemTime.now)
  }

  /// - Throws: `CommandError` for a word that nobody knows.
  private func readsUnbound() throws(CommandError) -> Bool {
    switch Environment.value("PILGRIM_ENCRYPTION_UNBOUND") {
    case nil, "read": return true
    case "refuse": return false
    default: throw CommandError(.usage, "PILGRIM_ENCRYPTION_UNBOUND: neither read nor refuse")
    }
  }

  private func openDatabase(
    _ factory: ConnectionFactory, _ options: KeyLoadingOptions
  ) async throws -> HostelDatabase {
    guard try ReplicaSettings.mode(Environment.value("DB_MODE")) == .embeddedReplica else {
      guard let path = file ?? Environment.value("TURSO_REPLICA_PATH") else {
        throw CommandError(.usage, "it is not said where the file is", hint: "set TURSO_REPLICA_PATH")
      }
      return try await HostelDatabase.openFile(path, factory: factory)
    }
    let settings = try ReplicaSettings(environment: Environment.value, path: file, url: url)
    // Whoever waits for an answer of this service should hear soon that there is none.
    var retries = RetryPolicy()
    (retries.attemptCountMax, retries.delayMax) = (3, .seconds(1))
    let remote = try Remote.fromEnvironment(
      settings.url, options: options, retries: retries, logger: try LogSettings.logger("remote"))
    return try await HostelDatabase.openReplica(settings, remote: remote, factory: factory)
  }
}
