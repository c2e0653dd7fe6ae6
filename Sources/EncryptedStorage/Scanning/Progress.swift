internal import Synchronization

/// Counts bytes done, from any thread, and tells an observer.
package final class Progress: Sendable {
  /// A moment of the work. `total` is 0 while it is not known.
  package struct Update: Sendable {
    package let step: String
    package let done: Int64
    package let total: Int64
  }

  private struct State {
    var step = ""
    var done: Int64 = 0
    var total: Int64 = 0
  }

  private let state = Mutex(State())
  private let observer: @Sendable (Update) -> Void

  package init(_ observer: @escaping @Sendable (Update) -> Void) { self.observer = observer }

  /// Names what follows: `rewriting`, `verifying`.
  package func step(_ name: String) {
    report { state in
      state = State()
      state.step = name
    }
  }

  package func begin(total: Int64) { report { $0.total = total } }

  package func advance(by count: Int64) { report { $0.done += count } }

  private func report(_ change: (inout State) -> Void) {
    let update = state.withLock { state in
      change(&state)
      return Update(step: state.step, done: state.done, total: state.total)
    }
    observer(update)
  }
}
