internal import EncryptedStorage
internal import PageStore
internal import Synchronization

/// Whether the replica has what was written through it.
///
/// A write is in the replica when a pull that began after its confirmation has been applied.
final class Freshness: Sendable {
  private struct Count {
    /// Writes so far.
    var written: UInt64 = 0
    /// Writes that were there when the last applied pull began.
    var seen: UInt64 = 0
  }

  private let count = Mutex(Count())
  private let state: StateReader
  private let syncer: Syncer
  private let clock: WallClock
  private let timer: any Clock<Duration>
  /// Pause between two looks at a replica that another process synchronises.
  private static let followingPause = Duration.milliseconds(100)

  init(
    state: StateReader, syncer: Syncer, clock: WallClock, timer: any Clock<Duration>
  ) {
    self.state = state
    self.syncer = syncer
    self.clock = clock
    self.timer = timer
  }

  /// Notes a write.
  func wrote() { count.withLock { $0.written += 1 } }

  /// Whether a write may be missing.
  var lacksWrites: Bool { count.withLock { $0.seen < $0.written } }

  /// Synchronises until the replica has every write that was noted before.
  ///
  /// - Returns: nil; when that does not succeed in time, why.
  func reach(within deadline: Duration) async -> String? {
    guard lacksWrites else { return nil }
    let timer = timer
    do {
      return try await withThrowingTaskGroup(of: String?.self) { group in
        group.addTask {
          try await self.refresh()
          return nil
        }
        group.addTask {
          try await timer.sleep(for: deadline)
          return "waited \(deadline.components.seconds) s"
        }
        let first = try await group.next() ?? nil
        group.cancelAll()
        return first
      }
    } catch {
      return "\(error)"
    }
  }

  /// Synchronises once, beginning now or later.
  func refresh() async throws {
    let written = count.withLock(\.written)
    do {
      try await syncer.sync()
    } catch let error as SyncError where error.code == .busy {
      try await follow(since: clock.now)
    }
    count.withLock { $0.seen = max($0.seen, written) }
  }

  /// Waits until another process has begun a pull after `moment`, and applied it.
  private func follow(since moment: Int64) async throws {
    // Times are whole seconds, so only a later one is after.
    while try await state.read().lastSync ?? .min <= moment {
      try await timer.sleep(for: Self.followingPause)
    }
  }
}
