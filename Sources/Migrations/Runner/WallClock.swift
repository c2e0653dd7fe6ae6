internal import FoundationEssentials

/// What time it is for people.
enum WallClock {
  /// Seconds since 1970-01-01 UTC.
  static let seconds: @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970.rounded(.down)) }
}
