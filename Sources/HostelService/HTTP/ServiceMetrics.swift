internal import PrometheusText
internal import Synchronization

/// What the service has counted.
final class ServiceMetrics: Sendable {
  private struct State {
    var requests = RequestCounts()
    var syncs = 0
    var failedSyncs = 0
  }

  private let state = Mutex(State())

  /// Counts a request that was answered.
  ///
  /// - Parameter route: the pattern that matched, not what the client wrote.
  func answered(_ route: String, status: Int, after time: Duration) {
    state.withLock { $0.requests.add(route, status: status, after: time) }
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
    state.requests.write(to: &page, timeHelp: "Time until the answer.")
    page.add("syncs_total", .counter, "Syncs of the replica.", Double(state.syncs))
    page.add("sync_failures_total", .counter, "Syncs that failed.", Double(state.failedSyncs))
    for gauge in gauges { page.add(gauge.name, .gauge, gauge.help, gauge.value) }
    return page.text
  }
}
