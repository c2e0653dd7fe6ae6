/// Requests that a server has answered, by route and status, and the time that they took.
package struct RequestCounts: Sendable {
  private struct Key: Hashable, Comparable {
    let route: String
    let status: Int

    static func < (one: Key, other: Key) -> Bool { (one.route, one.status) < (other.route, other.status) }
  }

  private var counts: [Key: (count: Int, seconds: Double)] = [:]

  package init() {}

  /// Counts a request.
  ///
  /// - Parameter route: the pattern that matched, not what the client wrote.
  package mutating func add(_ route: String, status: Int, after time: Duration) {
    let key = Key(route: route, status: status)
    let former = counts[key] ?? (0, 0)
    counts[key] = (former.count + 1, former.seconds + time / .seconds(1))
  }

  /// Adds `requests_total` and `request_seconds_total` to a page.
  ///
  /// - Parameter timeHelp: what the time is measured to.
  package func write(to page: inout MetricsPage, timeHelp: String) {
    let sorted = counts.sorted { $0.key < $1.key }
    func samples(_ value: ((count: Int, seconds: Double)) -> Double) -> [MetricsPage.Sample] {
      sorted.map { MetricsPage.Sample(value($0.value), [("route", $0.key.route), ("status", "\($0.key.status)")]) }
    }
    page.add("requests_total", .counter, "Requests answered.", samples { Double($0.count) })
    page.add("request_seconds_total", .counter, timeHelp, samples { $0.seconds })
  }
}
