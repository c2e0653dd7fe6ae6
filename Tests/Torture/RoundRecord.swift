import Synchronization

/// What one round did and found. Many tasks write to it.
final class RoundRecord: Sendable {
  struct Counts: Sendable, Equatable {
    var operations = 0
    var faults = 0
    var checks = 0

    static func += (one: inout Counts, other: Counts) {
      one.operations += other.operations
      one.faults += other.faults
      one.checks += other.checks
    }
  }

  private struct State {
    var label: String
    var counts = Counts()
    var failures: [String] = []
  }

  private let state: Mutex<State>
  /// Failures that are kept; one cause can have thousands of effects.
  private static let failureCountMax = 10

  init(label: String) { state = Mutex(State(label: label)) }

  /// Under which name the round is summed up.
  var label: String { state.withLock { $0.label } }
  var counts: Counts { state.withLock { $0.counts } }
  var failures: [String] { state.withLock { $0.failures } }

  func setLabel(_ label: String) { state.withLock { $0.label = label } }

  func operated(_ count: Int = 1) { state.withLock { $0.counts.operations += count } }

  func injected(_ count: Int = 1) { state.withLock { $0.counts.faults += count } }

  /// Notes a check that has been made.
  func check(_ isRight: Bool, _ message: @autoclosure () -> String) {
    state.withLock { $0.counts.checks += 1 }
    if !isRight { fail(message()) }
  }

  /// Notes a check whose result is what is wrong.
  func check(nothing findings: [String], _ place: String) {
    check(findings.isEmpty, "\(place): \(findings.prefix(3).joined(separator: "; "))")
  }

  func fail(_ message: String) {
    state.withLock { state in
      if state.failures.count < Self.failureCountMax { state.failures.append(message) }
    }
  }
}
