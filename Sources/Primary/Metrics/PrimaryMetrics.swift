internal import PrometheusText
internal import Synchronization

/// What the server has counted.
final class PrimaryMetrics: Sendable {
  private struct State {
    var requests = RequestCounts()
    var errors: [String: Int] = [:]
    var sockets = 0
    var openSockets = 0
  }

  private let state = Mutex(State())

  /// Counts a request that was answered.
  ///
  /// - Parameter route: the pattern that matched, not what the client wrote.
  func answered(_ route: String, status: Int, after time: Duration) {
    state.withLock { $0.requests.add(route, status: status, after: time) }
  }

  /// Counts an error of a statement by its code.
  func failed(_ code: String) { state.withLock { $0.errors[code, default: 0] += 1 } }

  func openedSocket() {
    state.withLock { state in
      state.sockets += 1
      state.openSockets += 1
    }
  }

  func closedSocket() { state.withLock { $0.openSockets -= 1 } }

  /// The page for a scraper.
  ///
  /// - Parameter gauges: measured now: name, help, value.
  func text(_ gauges: [(name: String, help: String, value: Double)]) -> String {
    let state = state.withLock { $0 }
    var page = MetricsPage(prefix: "albergue_primary")
    state.requests.write(to: &page, timeHelp: "Time until the head of the answer.")
    page.add(
      "statement_errors_total", .counter, "Statements that failed, by code.",
      state.errors.sorted { $0.key < $1.key }.map { MetricsPage.Sample(Double($0.value), [("code", $0.key)]) })
    page.add("websockets_total", .counter, "WebSockets opened.", Double(state.sockets))
    page.add("websockets", .gauge, "WebSockets open now.", Double(state.openSockets))
    for gauge in gauges { page.add(gauge.name, .gauge, gauge.help, gauge.value) }
    return page.text
  }
}
