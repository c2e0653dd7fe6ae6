internal import FoundationEssentials

/// What time it is for people, in seconds since 1970-01-01 UTC. It can jump; only ages are computed from it, never waits.
public struct WallClock: Sendable {
  private let read: @Sendable () -> Int64

  /// A clock that `read` says the time of.
  public init(_ read: @escaping @Sendable () -> Int64) { self.read = read }

  /// The system's.
  public static var system: WallClock { WallClock { Int64(Date().timeIntervalSince1970.rounded(.down)) } }

  /// The time.
  public var now: Int64 { read() }

  /// Seconds since `moment`; 0 when the clock was set back since.
  package func age(of moment: Int64) -> Int64 {
    let (age, overflow) = now.subtractingReportingOverflow(moment)
    return overflow ? 0 : max(0, age)
  }
}
