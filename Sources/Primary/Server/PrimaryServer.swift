internal import AsyncAlgorithms
package import EncryptedStorage
package import EncryptionKeys
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import LibSQLProtocol
package import Logging
internal import NIOCore
package import ServerAccess
internal import ServiceLifecycle

/// A server for libSQL's clients over an encrypted page store.
package struct PrimaryServer: Sendable {
  /// Where the key of the store comes from.
  package enum Key: Sendable {
    /// The server has it: a factory that mounts page stores.
    case ofServer(ConnectionFactory)
    /// Every client sends it; the server keeps none.
    case ofClients(CipherProfile?)
  }

  package struct Configuration: Sendable {
    /// The file of the store; made when it is not there.
    package var store: String
    package var address: ListenAddress
    package var key: Key
    package var authentication: Authenticator.Mode
    package var limits = PrimaryLimits()
    /// Whether V2 is there: `/info`, `/export`, `/sync`. Without it, clients that speak both take V1.
    package var servesSync = true

    package init(store: String, address: ListenAddress, key: Key, authentication: Authenticator.Mode) {
      self.store = store
      self.address = address
      self.key = key
      self.authentication = authentication
    }
  }

  private let configuration: Configuration
  private let logger: Logger

  package init(_ configuration: Configuration, logger: Logger) {
    self.configuration = configuration
    self.logger = logger
  }

  /// Serves until the task is cancelled; then no more requests are taken, those that run are finished, transactions are rolled
  /// back, and the log of the store is emptied.
  ///
  /// - Parameter ready: called with the address once the server listens.
  /// - Throws: `EncryptedStorageError` about the store; ``PrimaryError`` `.address`.
  package func run(ready: @escaping @Sendable (ListenAddress) async -> Void) async throws {
    let secret = try ProcessSecret()
    let limits = configuration.limits
    var options = ReplicationService.Options()
    options.servesSync = configuration.servesSync
    options.requestTime = limits.requestTime
    let source: any DatabaseSource
    switch configuration.key {
    case .ofServer(let factory):
      source = ServedDatabase(
        served: try await PrimaryDatabase.open(
          configuration.store, factory: factory, limits: limits, secret: secret, options: options, logger: logger))
    case .ofClients(let profile):
      source = ClientKeyDatabase(
        configuration.store, profile: profile, limits: limits, secret: secret, options: options, logger: logger)
    }
    do { try await serve(source, ready: ready) } catch {
      await source.close()
      throw error
    }
    await source.close()
  }

  private func serve(
    _ source: any DatabaseSource, ready: @escaping @Sendable (ListenAddress) async -> Void
  ) async throws {
    let limits = configuration.limits
    let gate = Gate(Authenticator(configuration.authentication), source)
    let metrics = PrimaryMetrics()
    let sockets = SocketSession(gate: gate, metrics: metrics)
    let host = configuration.address.host
    let application = Application(
      router: PrimaryRoutes(gate: gate, source: source, limits: limits, metrics: metrics).router(),
      server: HTTPServerBuilder { responder in
        ServerChannel(
          responder: responder, serveSocket: { await sockets.serve($0, $1, $2) }, limits: limits)
      },
      configuration: ApplicationConfiguration(
        address: .hostname(host, port: configuration.address.port), serverName: "albergue-primary"),
      services: [Sweeper(source: source)],
      onServerRunning: { channel in
        if let port = channel.localAddress?.port { await ready(configuration.address.with(port: port)) }
      },
      logger: logger)
    let group = ServiceGroup(
      configuration: .init(
        services: [.init(service: application, successTerminationBehavior: .gracefullyShutdownGroup)], logger: logger))
    // A task of its own, so that being cancelled is a request to stop in good order.
    let running = Task { try await group.run() }
    do {
      try await withTaskCancellationHandler {
        try await running.value
      } onCancel: {
        Task { await group.triggerGracefulShutdown() }
      }
    } catch let error as IOError {
      throw PrimaryError(
        .address, "cannot listen on \(configuration.address): \(error.localizedDescription)",
        hint: "name another address with --listen, or stop what is using this one")
    }
  }
}

/// Ends streams and transactions that have had their time.
private struct Sweeper: Service {
  let source: any DatabaseSource

  func run() async throws {
    for await _ in AsyncTimerSequence(interval: .milliseconds(100), clock: ContinuousClock()).cancelOnGracefulShutdown()
    {
      await source.openDatabase()?.streams.sweep()
    }
  }
}
