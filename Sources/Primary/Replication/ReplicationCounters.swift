internal import Synchronization

/// What replication has done since the server started, for metrics.
struct ReplicationCounters: Sendable, Hashable {
  /// Frames and pages sent, padding included.
  var framesServed: UInt64 = 0
  /// Pushes that were stored.
  var pushesStored: UInt64 = 0
  /// Pushes that met another history.
  var pushConflicts: UInt64 = 0
  /// Answers that broke off in the middle.
  var streamsAborted: UInt64 = 0
  /// Pulls that were answered with "nothing new".
  var emptyPulls: UInt64 = 0
  /// Snapshots of the store that are open now.
  var openSnapshots = 0

  /// Counters that several tasks add to.
  final class Tally: Sendable {
    private let counters = Mutex(ReplicationCounters())

    var values: ReplicationCounters { counters.withLock { $0 } }

    func add(_ count: Int = 1, to counter: any WritableKeyPath<ReplicationCounters, UInt64> & Sendable) {
      counters.withLock { $0[keyPath: counter] += UInt64(count) }
    }
  }
}
