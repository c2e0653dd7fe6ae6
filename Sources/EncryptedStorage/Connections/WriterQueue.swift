internal import Dispatch
internal import Synchronization

/// Whose turn it is among the writers of this process: one per database at a time, in order of arrival.
///
/// `flock` knows no order and no time limit, so waiting for it is polling. Within one process that is not needed: who
/// leaves hands the turn to the one that has waited longest, and wakes it.
enum WriterQueue {
  /// What waiting for the turn ended with.
  enum Outcome: Equatable {
    case turn(afterWaiting: Bool)
    case timedOut, cancelled
  }

  /// By absolute path of the database, those who wait. The entry is there exactly as long as somebody has the turn: that
  /// one is not in the list, and nobody waits without it.
  private static let waiting = Mutex<[String: [DispatchSemaphore]]>([:])

  /// Waits for the turn; what began with a turn ends with `leave`.
  ///
  /// - Parameter interrupter: of the connection whose call waits: its cancellation ends the waiting.
  static func enter(
    _ database: String, until deadline: ContinuousClock.Instant, _ interrupter: Interrupter
  ) -> Outcome {
    let place = waiting.withLock { waiting -> DispatchSemaphore? in
      guard waiting[database] != nil else {
        waiting[database] = []
        return nil
      }
      let place = DispatchSemaphore(value: 0)
      waiting[database]?.append(place)
      return place
    }
    guard let place else { return .turn(afterWaiting: false) }
    let wasWoken = interrupter.wait(for: place, until: deadline)
    // Who is no longer in the list has been handed the turn, whatever else happened at the same moment.
    let isStillWaiting = waiting.withLock { waiting in
      guard let index = waiting[database]?.firstIndex(where: { $0 === place }) else { return false }
      waiting[database]?.remove(at: index)
      return true
    }
    guard isStillWaiting else { return .turn(afterWaiting: true) }
    return wasWoken ? .cancelled : .timedOut
  }

  /// Hands the turn on.
  static func leave(_ database: String) {
    waiting.withLock { waiting in
      if waiting[database]?.isEmpty ?? true {
        waiting[database] = nil
      } else {
        waiting[database]?.removeFirst().signal()
      }
    }
  }

  /// How many wait behind the one that has the turn; nil when nobody has it. For tests.
  static func waitingCount(_ database: String) -> Int? { waiting.withLock { $0[database]?.count } }
}
