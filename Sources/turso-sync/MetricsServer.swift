import CommandSupport
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import PrometheusText
import ServerAccess

/// Serves `/metrics` while something else runs.
enum MetricsServer {
  /// Runs `work`, and serves `metrics` until it ends. Says on standard error where.
  ///
  /// - Throws: what `work` throws; `CommandError` with 69 when the address cannot be had.
  static func serving(
    _ metrics: SyncMetrics, at address: ListenAddress?, while work: @escaping @Sendable () async throws -> Void
  ) async throws {
    guard let address else { return try await work() }
    let router = Router()
    router.get("/metrics") { _, _ in
      Response(
        status: .ok, headers: [.contentType: MetricsPage.contentType],
        body: .init(byteBuffer: ByteBuffer(string: metrics.page)))
    }
    var logger = Logger(label: "metrics")
    logger.logLevel = .critical
    let application = Application(
      router: router,
      configuration: .init(address: .hostname(address.host, port: address.port), serverName: "turso-sync"),
      onServerRunning: { channel in
        let port = channel.localAddress?.port ?? address.port
        Diagnostics("turso-sync").note("metrics at http://\(address.with(port: port))/metrics")
      },
      logger: logger)
    try await withThrowingTaskGroup { group in
      group.addTask {
        do { try await application.runService(gracefulShutdownSignals: []) } catch let error as IOError {
          throw CommandError(
            .unavailable, "cannot serve metrics at \(address): \(error.localizedDescription)",
            hint: "name another address with --metrics-listen")
        }
      }
      group.addTask { try await work() }
      defer { group.cancelAll() }
      // The server ends first only when it fails.
      try await group.next()
    }
  }
}
