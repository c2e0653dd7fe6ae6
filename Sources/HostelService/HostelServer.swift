internal import EncryptionKeys
package import HostelStore
internal import Hummingbird
internal import HummingbirdCore
package import Logging
internal import NIOCore
internal import ReplicaSync
package import ServerAccess
internal import ServiceLifecycle

/// The hostel's service: HTTP in front of the store.
package struct HostelServer: Sendable {
  package struct Configuration: Sendable {
    package var address: ListenAddress
    package var authentication: Authenticator.Mode
    /// The ministry's code of the establishment, without which there are no traveller reports.
    package var establishmentCode: String?

    package init(address: ListenAddress, authentication: Authenticator.Mode, establishmentCode: String?) {
      self.address = address
      self.authentication = authentication
      self.establishmentCode = establishmentCode
    }
  }

  /// The service cannot listen at its address.
  package struct AddressError: ReportedError, Sendable {
    package let report: String
    package var hint: String? { "name another address with --listen, or stop what is using this one" }
    package var exitCode: Int32 { 69 }
  }

  private let configuration: Configuration
  private let store: HostelStore
  private let logger: Logger

  package init(_ configuration: Configuration, store: HostelStore, logger: Logger) {
    self.configuration = configuration
    self.store = store
    self.logger = logger
  }

  /// Serves until the task is cancelled; then no more requests are taken, and those that run are finished.
  ///
  /// - Parameter ready: called with the address once the service listens.
  /// - Throws: ``AddressError``.
  package func run(ready: @escaping @Sendable (ListenAddress) async -> Void) async throws {
    let metrics = ServiceMetrics()
    let replica = store.database.replica
    let journal = SyncJournal(interval: replica?.settings.interval)
    let hostel = Hostel(
      store: store, metrics: metrics, syncs: journal, establishmentCode: configuration.establishmentCode)
    let routes = ServiceRoutes(hostel: hostel, authenticator: Authenticator(configuration.authentication))
    var jobs: [any Service] = [ChoresJob(store: store, logger: logger)]
    if let replica, replica.settings.interval > .zero {
      jobs.append(SyncJob(replica: replica, journal: journal, metrics: metrics, logger: logger))
    }
    let address = configuration.address
    let application = Application(
      router: routes.router(), server: .http1(configuration: .init(idleTimeout: .seconds(60))),
      configuration: ApplicationConfiguration(
        address: .hostname(address.host, port: address.port), serverName: "albergue-service"),
      services: jobs,
      onServerRunning: { channel in
        if let port = channel.localAddress?.port { await ready(address.with(port: port)) }
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
      throw AddressError(report: "cannot listen on \(address): \(error.localizedDescription)")
    }
  }
}
