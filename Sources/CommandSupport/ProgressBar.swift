package import EncryptedStorage
internal import Synchronization

/// Shows progress on a terminal: a bar, MB/s and the time left. Silent when stderr is not a terminal.
package final class ProgressBar: Sendable {
  private struct State {
    var step = ""
    var start = ContinuousClock.now
    var lastDraw = ContinuousClock.now - .seconds(1)
    var isDrawn = false
  }

  private let state = Mutex(State())
  private let isEnabled: Bool

  package init(isEnabled: Bool = StandardError.isTerminal) { self.isEnabled = isEnabled }

  /// The observer to hand to an operation; nil when nothing would be shown.
  package var progress: Progress? { isEnabled ? Progress { self.update($0) } : nil }

  /// Clears the line, before anything else is printed.
  package func finish() {
    state.withLock { state in
      if state.isDrawn { StandardError.write("\r\u{1B}[K") }
      state.isDrawn = false
    }
  }

  private func update(_ update: Progress.Update) {
    state.withLock { state in
      let now = ContinuousClock.now
      if update.step != state.step {
        state.step = update.step
        state.start = now
      }
      guard now - state.lastDraw > .milliseconds(100) else { return }
      state.lastDraw = now
      state.isDrawn = true
      StandardError.write("\r\u{1B}[K" + Self.line(update, elapsed: now - state.start))
    }
  }

  static func line(_ update: Progress.Update, elapsed: Duration) -> String {
    guard update.total > 0 else { return update.step }
    let fraction = min(1, Double(update.done) / Double(update.total))
    let filled = Int(fraction * 24)
    let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: 24 - filled)
    let seconds = Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) / 1e18
    var line = "\(update.step) [\(bar)] \(Int(fraction * 100)) %"
    // Small totals count tables, not bytes.
    if update.total > 1 << 16, seconds > 0.2, update.done > 0 {
      let rate = Double(update.done) / seconds
      let left = Int((Double(update.total - update.done) / rate).rounded(.up))
      line += "  \(Int(rate / 1e6)) MB/s  \(left) s left"
    }
    return line
  }
}
