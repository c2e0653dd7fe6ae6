import EncryptionKeys
import LibSQLClient
import PageStore
import PrometheusText
import ReplicaSync
import Synchronization

/// What the synchroniser has done since its start, and where the replica stands.
final class SyncMetrics: Sendable {
  private struct State {
    var lastSync: Int64?
    var position: Int64?
    var imagePageCount: UInt32 = 0
    var counts: [SyncReport.Kind: Int] = [:]
    var pages: Int64 = 0
    var bytes: Int64 = 0
    var seconds = 0.0
    var failureCount = 0
    var failuresInARow = 0
    /// The exit code of the newest failure, as a word for it that says nothing about any data.
    var lastFailure: String?
  }

  private let state: Mutex<State>

  /// - Parameter store: the replica before the first sync.
  init(_ store: StoreState) {
    state = Mutex(
      State(
        lastSync: store.lastSync, position: store.image?.position, imagePageCount: store.image?.pageCount ?? 0))
  }

  /// Counts a sync.
  func note(_ result: Result<SyncReport, any Error>) {
    state.withLock { state in
      switch result {
      case .success(let report):
        state.counts[report.kind, default: 0] += 1
        (state.lastSync, state.position, state.imagePageCount) = (
          report.lastSync, report.position, report.imagePageCount
        )
        state.pages += report.pages
        state.bytes += report.bytes
        state.seconds = report.seconds
        (state.failuresInARow, state.lastFailure) = (0, nil)
      case .failure(let error):
        state.failureCount += 1
        state.failuresInARow += 1
        state.lastFailure = Self.code(error)
      }
    }
  }

  /// A word of the program for a failure.
  private static func code(_ error: any Error) -> String {
    switch error {
    case let error as RemoteError: error.code.description
    case let error as SyncError: error.code.description
    case let error as any ReportedError: "exit-\(error.exitCode)"
    default: "other"
    }
  }

  /// The page for a scraper.
  var page: String {
    let state = state.withLock { $0 }
    var page = MetricsPage(prefix: "turso_sync")
    page.add(
      "lag_seconds", .gauge, "Age of the replica: since when it may differ from the remote.",
      state.lastSync.map { Double(WallClock.system.age(of: $0)) } ?? .nan)
    page.add(
      "last_sync_timestamp_seconds", .gauge, "Begin of the last sync that succeeded.",
      state.lastSync.map { Double($0) } ?? .nan)
    page.add("position", .gauge, "Position in the remote's history.", state.position.map { Double($0) } ?? .nan)
    page.add("image_pages", .gauge, "Pages of the image, of 4096 bytes.", Double(state.imagePageCount))
    page.add(
      "syncs_total", .counter, "Syncs that succeeded, by what they did.",
      [SyncReport.Kind.unchanged, .changed, .bootstrapped, .replaced].map {
        MetricsPage.Sample(Double(state.counts[$0] ?? 0), [("kind", $0.rawValue)])
      })
    page.add("pages_total", .counter, "Pages received.", Double(state.pages))
    page.add("bytes_total", .counter, "Bytes of pages received.", Double(state.bytes))
    page.add("last_sync_seconds", .gauge, "Duration of the last sync that succeeded.", state.seconds)
    page.add("failures_total", .counter, "Syncs that failed.", Double(state.failureCount))
    page.add(
      "failures_in_a_row", .gauge, "Syncs that failed since the last one that succeeded.", Double(state.failuresInARow))
    page.add(
      "last_failure", .gauge, "Why the newest sync failed; no sample when it succeeded.",
      state.lastFailure.map { [MetricsPage.Sample(1, [("code", $0)])] } ?? [])
    return page.text
  }
}
