import LibSQLClient
import Synchronization
import TestSupport

/// A clock whose sleepers wake at once; it notes how long they wanted to sleep.
final class RecordingClock: Clock {
  struct Instant: InstantProtocol {
    var offset: Duration
    func advanced(by duration: Duration) -> Instant { Instant(offset: offset + duration) }
    func duration(to other: Instant) -> Duration { other.offset - offset }
    static func < (left: Instant, right: Instant) -> Bool { left.offset < right.offset }
  }

  private let state = Locked((now: Instant(offset: .zero), pauses: [Duration]()))

  var now: Instant { state.withLock { $0.now } }
  var minimumResolution: Duration { .nanoseconds(1) }
  var pauses: [Duration] { state.withLock { $0.pauses } }

  func sleep(until deadline: Instant, tolerance: Duration?) async throws {
    try Task.checkCancellation()
    state.withLock { state in
      state.pauses.append(state.now.duration(to: deadline))
      state.now = deadline
    }
  }

  /// Retries on this clock, with pauses of their full length.
  var retries: RetryPolicy {
    var policy = RetryPolicy()
    policy.clock = self
    policy.jitter = { 1 }
    return policy
  }
}
