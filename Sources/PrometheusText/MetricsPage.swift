/// A page of metrics in Prometheus' text format.
/// Source: https://prometheus.io/docs/instrumenting/exposition_formats/
package struct MetricsPage: Sendable {
  /// What a metric means.
  package enum Kind: String, Sendable {
    /// Only rises, until the process starts anew.
    case counter
    /// Rises and falls.
    case gauge
  }

  /// One value of a metric. The values of labels come from the program, never from outside: they are not escaped.
  package struct Sample: Sendable {
    let labels: [(name: String, value: String)]
    let value: Double

    package init(_ value: Double, _ labels: [(name: String, value: String)] = []) {
      self.value = value
      self.labels = labels
    }
  }

  /// For the header of the answer.
  package static let contentType = "text/plain; version=0.0.4"

  private let prefix: String
  /// What is sent.
  package private(set) var text = ""

  /// An empty page.
  ///
  /// - Parameter prefix: of every name, with an underscore after it: that of the program.
  package init(prefix: String) { self.prefix = prefix + "_" }

  /// Adds a metric.
  ///
  /// - Parameter help: one sentence.
  package mutating func add(_ name: String, _ kind: Kind, _ help: String, _ samples: [Sample]) {
    text += "# HELP \(prefix)\(name) \(help)\n# TYPE \(prefix)\(name) \(kind.rawValue)\n"
    for sample in samples {
      let labels = sample.labels.map { "\($0.name)=\"\($0.value)\"" }.joined(separator: ",")
      text += "\(prefix)\(name)\(labels.isEmpty ? "" : "{\(labels)}") \(Self.number(sample.value))\n"
    }
  }

  /// Adds a metric of one value.
  package mutating func add(_ name: String, _ kind: Kind, _ help: String, _ value: Double) {
    add(name, kind, help, [Sample(value)])
  }

  private static func number(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    return value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : String(value)
  }
}
