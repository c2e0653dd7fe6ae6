import CommandSupport
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import PrometheusText

/// Serves `/metrics` while something else runs.
enum MetricsServer {
  /// Where to listen.
  struct Address: Sendable {
    let host: String
    let port: Int

    /// Reads `HOST:PORT`; an IPv6 address stands in brackets.
    ///
    /// - Throws: `CommandError` with 64.
    init(_ text: String) throws(CommandError) {
      guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
        (0...65_535).contains(port)
      else { throw CommandError(.usage, "--metrics-listen: not HOST:PORT", hint: "use 127.0.0.1:9187, for example") }
      var host = text[..<colon]
      if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
      guard !host.isEmpty else { throw CommandError(.usage, "--metrics-listen: there is no host before the colon") }
      self.host = String(host)
      self.port = port
    }
  }

  /// Runs `work`, and serves `metrics` until it ends. Says on standard error where.
  ///
  /// - Throws: what `work` throws; `CommandError` with 69 when the address cannot be had.
  static func serving(
    _ metrics: SyncMetrics, at address: Address?, while work: @escaping @Sendable () async throws -> Void
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
        Diagnostics("turso-sync").note("metrics at http://\(address.host):\(port)/metrics")
      },
      logger: logger)
    try await withThrowingTaskGroup { group in
      group.addTask {
        do { try await application.runService(gracefulShutdownSignals: []) } catch let error as IOError {
          throw CommandError(
            .unavailable, "cannot serve metrics at \(address.host):\(address.port): \(error.localizedDescription)",
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
