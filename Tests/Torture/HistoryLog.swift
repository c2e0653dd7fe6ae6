import Synchronization
import TestSupport

/// The history while it is made, by many tasks.
final class HistoryLog: Sendable {
  private struct State {
    var history = History()
    var moment = 0
    var nextNumbers: [Int: Int] = [:]
  }

  private let state = Mutex(State())

  var history: History { state.withLock { $0.history } }

  /// A moment after all those before.
  func now() -> Int {
    state.withLock { state in
      state.moment += 1
      return state.moment
    }
  }

  /// Begins a write; until it has ended, nobody knows what becomes of it.
  ///
  /// - Returns: its place in the history.
  func beginWrite(client: Int, isNamed: Bool) -> (index: Int, entry: History.Entry) {
    state.withLock { state in
      state.moment += 1
      state.nextNumbers[client, default: 0] += 1
      let entry = History.Entry(client: client, number: state.nextNumbers[client] ?? 0)
      state.history.writes.append(
        .init(entry: entry, outcome: .unknown, began: state.moment, ended: .max, isNamed: isNamed))
      return (state.history.writes.count - 1, entry)
    }
  }

  func endWrite(_ index: Int, _ outcome: History.Outcome) {
    state.withLock { state in
      state.moment += 1
      state.history.writes[index].outcome = outcome
      state.history.writes[index].ended = state.moment
    }
  }

  func read(
    client: Int, _ kind: History.Read.Kind, began: Int, _ seen: (entries: [History.Entry], disagreement: String?)
  ) {
    let read = History.Read(
      client: client, kind: kind, began: began, entries: seen.entries, disagreement: seen.disagreement)
    state.withLock { $0.history.reads.append(read) }
  }
}
