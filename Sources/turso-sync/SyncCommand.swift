import ArgumentParser
import CommandSupport
import EncryptionKeys
import PageStore
import ReplicaSync
import ServerAccess
import Synchronization

struct SyncCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sync",
    abstract: "Keep the replica fresh until SIGTERM or Ctrl-C. With an interval of 0: once.",
    discussion: """
      Works without the network, too: it goes on trying, and says how old the replica is.

      Examples:
        turso-sync --url libsql://hostel.example --replica hostel.db --keyring keys --interval-secs 15
        turso-sync sync --json        (with everything else in the environment)
      """)

  @Option(help: "Seconds between two syncs. Wins over TURSO_SYNC_INTERVAL_SECS; default 60.")
  var intervalSecs: String?

  @Option(help: "HOST:PORT at which /metrics is served, for Prometheus. Best on loopback: there is no token.")
  var metricsListen: String?

  @Flag(help: "Print a JSON object for each sync.")
  var json = false

  @OptionGroup var remote: RemoteOptions

  func run() async throws {
    var settings = try remote.settings()
    if let intervalSecs {
      settings.interval = try ReplicaSettings.interval(intervalSecs, named: "--interval-secs")
    }
    guard settings.mode == .embeddedReplica else {
      throw CommandError(
        .usage, "DB_MODE=seaorm_sqlite is synchronised by hand, while nobody has the file open",
        hint: "use turso-sync pull and turso-sync push")
    }
    let address = try metricsListen.map(Self.address)
    let bar = ProgressBar()
    let syncer = try await remote.openSyncer(settings, bar)
    let log = SyncLog(json: json, bar: bar)
    let failure: (any Error)?
    do {
      let status = try await syncer.replicaStatus()
      log.begin(status)
      let metrics = SyncMetrics(status.state)
      let interval = settings.interval
      try await MetricsServer.serving(metrics, at: address) {
        guard interval > .zero else {
          log.note(.success(try await syncer.sync()))
          return
        }
        try await syncer.run(SyncSchedule(interval: interval)) { result in
          metrics.note(result)
          log.note(result)
        }
      }
      failure = nil
    } catch {
      failure = error
    }
    await syncer.close()
    bar.finish()
    // The end that was asked for is no failure.
    if let failure, !Task.isCancelled { throw failure }
  }

  /// - Throws: `CommandError` with 64.
  private static func address(_ text: String) throws(CommandError) -> ListenAddress {
    do {
      return try ListenAddress(parsing: text)
    } catch { throw CommandError(.usage, "--metrics-listen: " + error.message, hint: error.hint) }
  }
}

/// What `sync` says: one line for each sync.
private final class SyncLog: Sendable {
  private let json: Bool
  private let bar: ProgressBar
  private let diagnostics = Diagnostics("turso-sync")
  /// When the replica was last known to be the remote's.
  private let lastSync = Mutex<Int64?>(nil)

  init(json: Bool, bar: ProgressBar) {
    self.json = json
    self.bar = bar
  }

  /// How old the replica is before anything is asked of the remote.
  func begin(_ status: ReplicaStatus) {
    lastSync.withLock { $0 = status.state.lastSync }
    if let lag { diagnostics.note("the replica is \(lag) s old") }
  }

  func note(_ result: Result<SyncReport, any Error>) {
    bar.finish()
    switch result {
    case .success(let report):
      lastSync.withLock { $0 = report.lastSync }
      diagnostics.note(report.summary)
      if json { try? JSONOutput.print(report) }
    case .failure(let error):
      let (text, lag) = ((error as? any ReportedError)?.report ?? "\(type(of: error))", lag)
      diagnostics.warning("sync failed, the replica is \(lag.map { "\($0) s old" } ?? "of unknown age"): \(text)")
      if json { try? JSONOutput.print(Failure(error: text, lagSeconds: lag)) }
    }
  }

  private var lag: Int64? { lastSync.withLock(\.self).map(WallClock.system.age) }

  private struct Failure: Encodable {
    let error: String
    let lagSeconds: Int64?
  }
}
