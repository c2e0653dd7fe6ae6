import EncryptedStorage
import EncryptionKeys
import Foundation
import LibSQLClient
import PageStore
import ReplicaSync
import TestSupport

/// The folder in which a round happens, and who takes part in it.
///
/// Everything below `root` is scanned when the round is over: databases, logs and temporary files, and what the programs
/// print, which goes to files there. What is plaintext on purpose, and the key files, are in `aside`.
struct Scene: Sendable {
  let seed: UInt64
  let root: TemporaryDirectory
  let aside: TemporaryDirectory

  /// A token that is visibly none. Every client sends it.
  static let token = "not-a-token-7f3a9c"

  init(seed: UInt64) throws {
    self.seed = seed
    root = try TemporaryDirectory(named: "albergue-torture")
    aside = try TemporaryDirectory(named: "albergue-torture-aside")
    for (name, hex) in [("server.key", TestKeys.firstHex), ("replica.key", TestKeys.secondHex)] {
      try Bytes.write(Data(hex.utf8), to: aside.file(name))
      try Bytes.setMode(aside.file(name), 0o600)
    }
  }

  /// A generator for one purpose, so that purposes do not depend on each other.
  func generator(_ purpose: UInt64 = 0) -> SeededGenerator {
    var mixed = SeededGenerator(seed: seed &+ purpose &* 0x1000_0000)
    return SeededGenerator(seed: mixed.next())
  }

  var serverKeyFile: String { aside.file("server.key") }
  var replicaKeyFile: String { aside.file("replica.key") }

  /// - Parameter port: 0 for any free one.
  func startPrimary(port: Int = 0, arguments: [String] = []) throws -> RunningPrimary {
    try RunningPrimary(store: root.file("primary.db"), keyFile: serverKeyFile, port: port, arguments: arguments)
  }

  /// Opens what a server or an import has made.
  static func serverFactory(
    _ configure: (inout ConnectionFactory.Configuration) -> Void = { _ in }
  ) throws -> ConnectionFactory {
    var configuration = ConnectionFactory.Configuration.mountingPageStores
    configure(&configuration)
    return ConnectionFactory(key: try TestKeys.first(), configuration: configuration)
  }

  /// Opens replicas.
  static func replicaFactory() throws -> ConnectionFactory {
    var configuration = ConnectionFactory.Configuration.mountingPageStores
    configuration.waitsForDisk = false
    return ConnectionFactory(key: try TestKeys.second(), configuration: configuration)
  }

  /// Retries that do not make a round long.
  static var retries: RetryPolicy {
    var retries = RetryPolicy()
    (retries.firstDelay, retries.delayMax) = (.milliseconds(5), .milliseconds(200))
    return retries
  }

  static func remote(_ url: String, retries: RetryPolicy = Scene.retries) throws -> Remote {
    let tokens = try TokenSource(SecretBytes(copying: Array(token.utf8)))
    return Remote(try RemoteURL(url), tokens: tokens, transport: try Transport(), retries: retries)
  }

  func replicaSettings(_ name: String, _ url: String, _ protocol: ReplicationProtocol) throws -> ReplicaSettings {
    var settings = ReplicaSettings(path: root.file(name), url: try RemoteURL(url))
    settings.replicationProtocol = `protocol`
    return settings
  }

  /// Variables of a program that works on a replica.
  func replicaEnvironment(_ name: String, _ url: String) -> [String: String] {
    [
      "TURSO_DATABASE_URL": url, "TURSO_REPLICA_PATH": root.file(name), "TURSO_ENCRYPTION_KEY_FILE": replicaKeyFile,
      "TURSO_AUTH_TOKEN": Self.token,
    ]
  }
}

/// What rounds share, made when the first one wants it.
actor Fixtures {
  private var series: ImageSeries?
  private var powerCut: PowerCutLibrary?
  private var folder: TemporaryDirectory?

  private func sharedFolder() throws -> TemporaryDirectory {
    if let folder { return folder }
    let made = try TemporaryDirectory(named: "albergue-torture-fixtures")
    folder = made
    return made
  }

  /// A database in plaintext after each of many changes.
  func imageSeries() throws -> ImageSeries {
    if let series { return series }
    let made = try ImageSeries(making: 12, in: sharedFolder().file("series"), seed: 1)
    series = made
    return made
  }

  func powerCutLibrary() throws -> PowerCutLibrary {
    if let powerCut { return powerCut }
    let made = try PowerCutLibrary(in: sharedFolder())
    powerCut = made
    return made
  }
}
