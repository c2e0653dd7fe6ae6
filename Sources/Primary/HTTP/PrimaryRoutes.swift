internal import EncryptedStorage
internal import HTTPTypes
internal import Hummingbird
internal import LibSQLProtocol
internal import NIOCore
internal import PrometheusText

/// Every path of the server.
struct PrimaryRoutes: Sendable {
  let gate: Gate
  let source: any DatabaseSource
  let limits: PrimaryLimits
  let metrics: PrimaryMetrics

  func router() -> Router<PrimaryContext> {
    let router = Router(context: PrimaryContext.self)
    router.add(middleware: AnsweringMiddleware(metrics: metrics))
    router.get("/health") { _, _ in Response(status: .ok) }
    router.get("/version") { _, _ in Self.text("albergue-primary 0.1.0\n") }
    router.get("/metrics") { request, _ in
      _ = try await gate.admit(request.headers)
      return Self.text(metrics.text(await gauges()), MetricsPage.contentType)
    }
    HranaRoutes(gate: gate, limits: limits, metrics: metrics).add(to: router)
    ProxyRoutes(gate: gate, limits: limits, metrics: metrics).add(to: router)
    ReplicationRoutes(gate: gate).add(to: router)
    return router
  }

  private func gauges() async -> [(name: String, help: String, value: Double)] {
    guard let database = await source.openDatabase() else { return [] }
    let counts = await database.streams.counts
    let replication = await database.replication.counters()
    let cache = database.cacheTally.total
    let position = try? await database.position()
    return [
      ("position", "Pages changed since the store was made.", position.map { Double($0) } ?? .nan),
      ("replication_frames", "Frames and pages sent to replicas.", Double(replication.framesServed)),
      ("replication_pulls_without_news", "Pulls that found nothing new.", Double(replication.emptyPulls)),
      ("replication_answers_broken_off", "Answers that ended in the middle.", Double(replication.streamsAborted)),
      ("replication_snapshots", "Snapshots of the store open now.", Double(replication.openSnapshots)),
      ("pushes", "Pushes of replicas that were stored.", Double(replication.pushesStored)),
      ("push_conflicts", "Pushes of replicas that met another history.", Double(replication.pushConflicts)),
      ("cache_hits", "Pages that statements found in a cache.", Double(cache.hitCount)),
      ("cache_misses", "Pages that statements had to have decrypted.", Double(cache.missCount)),
      ("streams", "Streams open now.", Double(counts.streams)),
      ("transactions", "Streams in a transaction now.", Double(counts.transactions)),
      ("connections", "Connections to the database open now.", Double(counts.connections)),
    ]
  }

  private static func text(_ text: String, _ type: String = "text/plain") -> Response {
    Response(status: .ok, headers: [.contentType: type], body: .init(byteBuffer: ByteBuffer(string: text)))
  }
}
