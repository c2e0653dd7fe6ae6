import HostelDomain
import ReplicaSync

/// The system's clock.
enum SystemTime {
  /// What time it is, to the second: records need no more, and stored times stay short.
  @Sendable static func now() -> Instant { Instant(seconds: WallClock.system.now) }
}
