internal import HostelStore
internal import Logging
internal import ReplicaSync
internal import ServiceLifecycle
internal import Synchronization

/// Keeps the replica fresh. A failure never ends the service: it goes on reading what it has, and says how old that is.
struct SyncJob: Service {
  let replica: Replica
  let journal: SyncJournal
  let metrics: ServiceMetrics
  let logger: Logger

  /// Pause after failures that do not pass by themselves, such as a refused token, or another process that synchronises.
  private static let lastingPause = Duration.seconds(30)

  func run() async throws {
    await cancelWhenGracefulShutdown {
      while !Task.isCancelled {
        do {
          try await replica.syncer.run(SyncSchedule(interval: replica.settings.interval)) { result in
            journal.note(result)
            // Another process synchronises the file, which this one follows.
            if case .failure(let error as SyncError) = result, error.code == .busy { return }
            metrics.synchronised(successfully: (try? result.get()) != nil)
            if case .failure(let error) = result {
              logger.warning("a sync failed", metadata: ["reason": "\(ServiceErrors.text(error))"])
            }
          }
        } catch {
          // What lasts was logged; perhaps somebody mends it.
          try? await Task.sleep(for: Self.lastingPause)
        }
      }
    }
  }
}

/// What the last sync gave.
final class SyncJournal: Sendable {
  private let interval: Duration?
  private let error = Mutex<String?>(nil)

  /// - Parameter interval: between two syncs; nil where there are none.
  init(interval: Duration?) { self.interval = interval }

  func note(_ result: Result<SyncReport, any Error>) {
    switch result {
    case .success: error.withLock { $0 = nil }
    // Another process does it.
    case .failure(let failure as SyncError) where failure.code == .busy: error.withLock { $0 = nil }
    case .failure(let failure): error.withLock { $0 = ServiceErrors.text(failure) }
    }
  }

  var lastError: String? { error.withLock(\.self) }

  /// Whether the last sync was longer ago than three intervals. Where nobody syncs, nothing is stale.
  func isStale(lagSeconds: Int64?) -> Bool {
    guard let interval, interval > .zero else { return false }
    guard let lagSeconds else { return true }
    return .seconds(lagSeconds) > interval * 3
  }
}
