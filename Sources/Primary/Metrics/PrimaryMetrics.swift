internal import Synchronization

/// What the server has counted, in Prometheus' text format.
/// Source: https://prometheus.io/docs/instrumenting/exposition_formats/
final class PrimaryMetrics: Sendable {
  private struct Key: Hashable, Comparable {
    let route: String
    let status: Int

    static func < (one: Key, other: Key) -> Bool { (one.route, one.status) < (other.route, other.status) }
  }

  private struct State {
    var requests: [Key: (count: Int, seconds: Double)] = [:]
    var errors: [String: Int] = [:]
    var sockets = 0
    var openSockets = 0
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
    var text = ""
    func metric(_ name: String, _ type: String, _ help: String, _ samples: [(labels: String, value: Double)]) {
      text += "# HELP albergue_primary_\(name) \(help)\n# TYPE albergue_primary_\(name) \(type)\n"
      for (labels, value) in samples {
        let number = value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : String(value)
        text += "albergue_primary_\(name)\(labels.isEmpty ? "" : "{\(labels)}") \(number)\n"
      }
    }
    let requests = state.requests.sorted { $0.key < $1.key }
    func labels(_ key: Key) -> String { "route=\"\(key.route)\",status=\"\(key.status)\"" }
    metric("requests_total", "counter", "Requests answered.", requests.map { (labels($0.key), Double($0.value.count)) })
    metric(
      "request_seconds_total", "counter", "Time until the head of the answer.",
      requests.map { (labels($0.key), $0.value.seconds) })
    metric(
      "statement_errors_total", "counter", "Statements that failed, by code.",
      state.errors.sorted { $0.key < $1.key }.map { ("code=\"\($0.key)\"", Double($0.value)) })
    metric("websockets_total", "counter", "WebSockets opened.", [("", Double(state.sockets))])
    metric("websockets", "gauge", "WebSockets open now.", [("", Double(state.openSockets))])
    for gauge in gauges { metric(gauge.name, "gauge", gauge.help, [("", gauge.value)]) }
    return text
  }
}
