internal import Synchronization

/// Wakes those who wait for the next commit of the primary.
///
/// Who waits takes a ticket first, then looks where the primary is: a commit in between ends the waiting at once.
final class CommitNotifier: Sendable {
  /// Commits that had been seen when it was taken.
  struct Ticket: Sendable, Hashable { fileprivate let count: UInt64 }

  private struct State {
    var count: UInt64 = 0
    var waiting: [UInt64: CheckedContinuation<Void, Never>] = [:]
    var nextID: UInt64 = 0
  }

  private let state = Mutex(State())

  var ticket: Ticket { state.withLock { Ticket(count: $0.count) } }

  /// Says that something was committed. To be called after the commit.
  func committed() {
    let waiting = state.withLock { state in
      state.count += 1
      defer { state.waiting.removeAll() }
      return state.waiting.values.map(\.self)
    }
    for continuation in waiting { continuation.resume() }
  }

  /// Returns after the first commit since `ticket` was taken, at `deadline`, or when the task is cancelled.
  func wait(after ticket: Ticket, until deadline: ContinuousClock.Instant) async {
    let id = state.withLock { state in
      state.nextID += 1
      return state.nextID
    }
    let alarm = Task {
      try? await Task.sleep(until: deadline, clock: .continuous)
      wake(id)
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isOver = state.withLock { state in
          guard state.count == ticket.count, !Task.isCancelled, ContinuousClock.now < deadline else { return true }
          state.waiting[id] = continuation
          return false
        }
        if isOver { continuation.resume() }
      }
    } onCancel: {
      wake(id)
    }
    alarm.cancel()
  }

  private func wake(_ id: UInt64) {
    state.withLock { $0.waiting.removeValue(forKey: id) }?.resume()
  }
}
