import ArgumentParser
import CommandSupport
import EncryptedStorage
import LibSQLClient
import Logging
import PageStore
import ReplicaSync

/// Where the replica is and what it is a copy of. Flags win over the environment.
struct ReplicaOptions: ParsableArguments {
  @Option(help: "The file of the replica. Wins over TURSO_REPLICA_PATH.", completion: .file())
  var replica: String?

  @OptionGroup(title: "Key") var keys: KeyOptions
  @OptionGroup(title: "Key") var cipher: CipherOptions

  /// The file.
  ///
  /// - Throws: `CommandError` with 64.
  func path() throws -> String {
    guard let path = replica ?? Environment.value("TURSO_REPLICA_PATH") else {
      throw CommandError(.usage, "it is not said where the replica is", hint: "set TURSO_REPLICA_PATH")
    }
    return path
  }

  /// - Throws: `KeyError`, `EncryptedStorageError`: what is wrong with the key is said before anything else is done.
  func factory() throws -> ConnectionFactory {
    let logger = try LogSettings.logger("storage")
    return try ConnectionFactory(
      keys: try keys.load(logger), profile: try cipher.profile(), configuration: .mountingPageStores, logger: logger)
  }
}

/// The remote, and how it is spoken to.
struct RemoteOptions: ParsableArguments {
  @OptionGroup var replica: ReplicaOptions

  @Option(help: "Address of the remote. Wins over TURSO_DATABASE_URL.")
  var url: String?

  @Option(name: .customLong("protocol"), help: "Protocol of a first pull: v1 or v2. Without it the remote is asked.")
  var protocolName: String?

  @Option(help: "MiB of pages of one transaction that may be held in memory.")
  var maxTransactionMib: Int?

  /// - Throws: `CommandError` with 64.
  func settings() throws -> ReplicaSettings {
    var settings = try ReplicaSettings(environment: Environment.value, path: replica.replica, url: url)
    if let protocolName {
      guard let name = ReplicationProtocol(rawValue: protocolName), name != .pullUpdates else {
        throw CommandError(.usage, "--protocol: unknown protocol", hint: "use v1 or v2")
      }
      settings.replicationProtocol = name
    }
    if let maxTransactionMib {
      guard (1...65_536).contains(maxTransactionMib) else {
        throw CommandError(.usage, "--max-transaction-mib must be between 1 and 65536")
      }
      settings.limits.transactionByteCount = maxTransactionMib << 20
    }
    return settings
  }

  /// A synchroniser whose replica is open: key, profile and lock are right, and nothing has been sent.
  func openSyncer(_ settings: ReplicaSettings, _ bar: ProgressBar) async throws -> Syncer {
    let factory = try replica.factory()
    let syncer = Syncer(settings, remote: try makeRemote(settings), factory: factory, progress: bar.progress)
    do {
      try await syncer.open()
      return syncer
    } catch {
      await syncer.close()
      throw error
    }
  }

  /// Token and customer key are read; nothing is sent.
  func makeRemote(_ settings: ReplicaSettings) throws -> Remote {
    let options = replica.keys.loadingOptions(try LogSettings.logger("keys"))
    return try .fromEnvironment(settings.url, options: options, logger: try LogSettings.logger("remote"))
  }
}
