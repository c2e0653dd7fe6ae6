internal import PrometheusText
internal import Synchronization

/// What the service has counted.
final class ServiceMetrics: Sendable {
  private struct Key: Hashable, Comparable {
    let route: String
    let status: Int

    static func < (one: Key, other: Key) -> Bool { (one.route, one.status) < (other.route, other.status) }
  }

  private struct State {
    var requests: [Key: (count: Int, seconds: Double)] = [:]
    var syncs = 0
    var failedSyncs = 0
  }

  private let state = Mutex(State())

  /// Counts a request that was answered.
  ///
  /// - Parameter route: the pattern that matched, not what the client wrote.
  func answered(_ route: String, status: Int, after time: Duration) {
    state.withLock { state in
      let key = Key(route: route, status: status)
      let former = state.requests[key] ?? (0, 0)
      state.requests[key] = (former.count + 1, former.seconds + time / .seconds(1))
    }
  }

  func synchronised(successfully: Bool) {
    state.withLock { state in
      state.syncs += 1
      if !successfully { state.failedSyncs += 1 }
    }
  }

  /// The page for a scraper.
  ///
  /// - Parameter gauges: measured now: name, help, value.
  func text(_ gauges: [(name: String, help: String, value: Double)]) -> String {
    let state = state.withLock { $0 }
    var page = MetricsPage(prefix: "albergue_service")
    let requests = state.requests.sorted { $0.key < $1.key }
    func labels(_ key: Key) -> [(name: String, value: String)] { [("route", key.route), ("status", "\(key.status)")] }
    page.add(
      "requests_total", .counter, "Requests answered.",
      requests.map { MetricsPage.Sample(Double($0.value.count), labels($0.key)) })
    page.add(
      "request_seconds_total", .counter, "Time until the answer.",
      requests.map { MetricsPage.Sample($0.value.seconds, labels($0.key)) })
    page.add("syncs_total", .counter, "Syncs of the replica.", Double(state.syncs))
    page.add("sync_failures_total", .counter, "Syncs that failed.", Double(state.failedSyncs))
    for gauge in gauges { page.add(gauge.name, .gauge, gauge.help, gauge.value) }
    return page.text
  }
}
