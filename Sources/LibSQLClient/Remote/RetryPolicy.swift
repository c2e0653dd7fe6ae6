/// How often, and after which pauses, a request is sent again that certainly did nothing, or does no harm twice.
public struct RetryPolicy: Sendable {
  /// Attempts, the first included. Default 4.
  public var attemptCountMax = 4
  /// The pause before the second attempt; each later one is twice as long. Default 200 ms.
  public var firstDelay: Duration = .milliseconds(200)
  /// The longest pause that is not asked for by the remote. Default 10 s.
  public var delayMax: Duration = .seconds(10)
  /// The longest `Retry-After` that is waited for; a longer one is an error at once. Default 60 s.
  public var retryAfterMax: Duration = .seconds(60)
  /// Measures the pauses.
  public var clock: any Clock<Duration> = ContinuousClock()
  /// Gives a number from 0 up to, not including, 1: so that many clients do not come back at one moment. A pause is
  /// between half of its length and its length.
  public var jitter: @Sendable () -> Double = { .random(in: 0..<1) }

  /// The defaults.
  public init() {}

  /// Every request is sent once.
  public static var once: RetryPolicy {
    var policy = RetryPolicy()
    policy.attemptCountMax = 1
    return policy
  }

  /// The pause after an attempt, counted from 1; nil when there is no next one.
  func pause(after attempt: Int, _ error: RemoteError) -> Duration? {
    guard attempt < attemptCountMax else { return nil }
    if let asked = error.retryAfter { return asked <= retryAfterMax ? asked : nil }
    let doubled = firstDelay * (1 << min(attempt - 1, 20))
    return min(doubled, delayMax) * (0.5 + 0.5 * jitter())
  }
}
