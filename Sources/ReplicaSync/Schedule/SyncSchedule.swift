internal import EncryptedStorage
internal import LibSQLClient

/// When the next sync is due: after the interval, or after a pause that grows with each failure.
public struct SyncSchedule: Sendable {
  /// Time between two syncs.
  public var interval: Duration
  /// The pause after the first failure; each later one is twice as long. Default 1 s.
  public var firstDelay: Duration = .seconds(1)
  /// The longest pause. Default 5 min, or the interval where that is longer.
  public var delayMax: Duration = .seconds(300)
  /// Failures in a row that do not pass by themselves, such as a refused token, before it is given up. Default 5: time for
  /// somebody to renew a token.
  public var lastingFailureCountMax = 5
  /// Gives a number from 0 up to, not including, 1: so that many replicas do not come at one moment.
  public var jitter: @Sendable () -> Double = { .random(in: 0..<1) }

  /// The defaults.
  public init(interval: Duration) { self.interval = interval }

  /// The pause after a sync that succeeded: the interval, or up to a tenth less.
  func pauseAfterSuccess() -> Duration { interval * (1 - 0.1 * jitter()) }

  /// The pause after a failure, between half of its length and its length; nil when it is given up.
  ///
  /// - Parameters:
  ///   - count: failures in a row, from 1.
  ///   - isLasting: whether all of them are of a kind that does not pass.
  func pause(afterFailure count: Int, isLasting: Bool) -> Duration? {
    guard !isLasting || count < lastingFailureCountMax else { return nil }
    let doubled = firstDelay * (1 << min(max(count, 1) - 1, 20))
    return min(doubled, max(delayMax, interval)) * (0.5 + 0.5 * jitter())
  }

  /// Whether the same sync can succeed later without anybody changing anything.
  static func isPassing(_ error: any Error) -> Bool {
    switch error {
    case let error as RemoteError: error.code.isPassing || error.code == .serverFailure
    case let error as SyncError: error.code == .restless
    case let error as EncryptedStorageError: error.code == .busy
    default: false
    }
  }
}

extension Syncer {
  /// Synchronises again and again until the task is cancelled, or a failure lasts.
  ///
  /// - Parameters:
  ///   - timer: measures the pauses.
  ///   - observer: hears of every sync.
  /// - Throws: the failure that lasts; `CancellationError`.
  public nonisolated func run(
    _ schedule: SyncSchedule, timer: any Clock<Duration> = ContinuousClock(),
    observer: @Sendable (Result<SyncReport, any Error>) -> Void = { _ in }
  ) async throws {
    var lastingCount = 0
    var failureCount = 0
    while true {
      let pause: Duration
      do {
        observer(.success(try await sync()))
        (failureCount, lastingCount) = (0, 0)
        pause = schedule.pauseAfterSuccess()
      } catch {
        try Task.checkCancellation()
        observer(.failure(error))
        failureCount += 1
        let isPassing = SyncSchedule.isPassing(error)
        lastingCount = isPassing ? 0 : lastingCount + 1
        let next = schedule.pause(afterFailure: isPassing ? failureCount : lastingCount, isLasting: !isPassing)
        guard let next else { throw error }
        pause = next
      }
      try await timer.sleep(for: pause)
    }
  }
}
