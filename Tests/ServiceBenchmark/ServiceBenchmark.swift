import EncryptedStorage
import EncryptionKeys
import Glibc
import HostelDomain
import HostelService
import HostelStore
import LibSQLClient
import Logging
import ReplicaSync
import ServerAccess

/// Serves the routes of `albergue-service` over the same queries and the same pool of readers, with one difference: the image
/// of the replica is not the one that is mounted, but a plaintext SQLite database with the same content. Started by
/// taskfiles/bench/service.py, which measures both. Part of no product.
@main
struct ServiceBenchmark {
  static func main() async throws {
    let arguments = CommandLine.arguments
    guard arguments.count == 4 else {
      return print(
        """
        usage: service-benchmark REPLICA URL PLAINTEXT-FILE
        Serves PLAINTEXT-FILE on a free port of loopback until SIGTERM. REPLICA is one of the remote at URL under the key of
        service.py; it is opened and not read.
        """)
    }
    var configuration = ConnectionFactory.Configuration()
    configuration.mounting = try PlainMounting(arguments[3])
    let factory = ConnectionFactory(
      key: KeyMaterial(id: try KeyID("benchmark"), rawKey: try key(0xB2)), configuration: configuration)
    var settings = ReplicaSettings(path: arguments[1], url: try RemoteURL(arguments[2]))
    settings.interval = .zero
    let remote = Remote(settings.url, tokens: .none, transport: try Transport())
    let cipher = try FieldCipher([FieldKey(key(0xC3))])
    let store = HostelStore(
      try await HostelDatabase.openReplica(settings, remote: remote, factory: factory), cipher: cipher
    ) { Instant(seconds: WallClock.system.now) }
    // One that keeps metadata: the id of a request is there.
    var logger = Logger(label: "benchmark") { StreamLogHandler.standardError(label: $0) }
    logger.logLevel = .error
    let server = HostelServer(
      HostelServer.Configuration(
        address: try ListenAddress(parsing: "127.0.0.1:0"), authentication: .open, establishmentCode: nil),
      store: store, logger: logger)
    try await server.run { address in
      print("listening on http://\(address)")
      fflush(nil)
    }
  }

  /// The keys of service.py are of one byte.
  private static func key(_ byte: UInt8) throws -> EncryptionKey {
    try EncryptionKey(SecretBytes(copying: [UInt8](repeating: byte, count: 32)))
  }
}
