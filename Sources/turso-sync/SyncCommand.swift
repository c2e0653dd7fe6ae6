import ArgumentParser
import CommandSupport
import EncryptedStorage
import PageStore
import ReplicaSync

struct SyncCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sync",
    abstract: "Keep the replica fresh until SIGTERM or Ctrl-C. With an interval of 0: once.",
    discussion: "Works without the network, too: it goes on trying, and says how old the replica is.")

  @Option(help: "Seconds between two syncs. Wins over TURSO_SYNC_INTERVAL_SECS; default 60.")
  var intervalSecs: String?

  @Flag(help: "Print a JSON object for each sync.")
  var json = false

  @OptionGroup var remote: RemoteOptions

  func run() async throws {
    try await Failures.translated {
      var settings = try remote.settings()
      if let intervalSecs {
        settings.interval = try ReplicaSettings.interval(intervalSecs, named: "--interval-secs")
      }
      guard settings.mode == .embeddedReplica else {
        throw CommandError(
          .usage, "DB_MODE=seaorm_sqlite is synchronised by hand, while nobody has the file open",
          hint: "use turso-sync pull and turso-sync push")
      }
      let bar = ProgressBar()
      let syncer = try await remote.openSyncer(settings, bar)
      let log = SyncLog(json: json, bar: bar, path: settings.path, factory: try remote.replica.factory())
      await log.begin(settings)
      let failure: (any Error)?
      do {
        if settings.interval == .zero {
          try await log.note(.success(syncer.sync()))
        } else {
          try await syncer.run(SyncSchedule(interval: settings.interval)) { log.note($0) }
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
  }
}

/// What `sync` says: one line for each sync.
private struct SyncLog: Sendable {
  let json: Bool
  let bar: ProgressBar
  let path: String
  let factory: ConnectionFactory
  private let diagnostics = Diagnostics("turso-sync")

  init(json: Bool, bar: ProgressBar, path: String, factory: ConnectionFactory) {
    self.json = json
    self.bar = bar
    self.path = path
    self.factory = factory
  }

  /// How old the replica is before anything was asked of the remote.
  func begin(_ settings: ReplicaSettings) async {
    guard let status = try? await ReplicaStatus.of(path, factory), let lag = status.lag else { return }
    diagnostics.note("the replica is \(lag) s old")
  }

  func note(_ result: Result<SyncReport, any Error>) {
    bar.finish()
    switch result {
    case .success(let report):
      diagnostics.note(report.summary)
      if json { try? JSONOutput.print(report) }
    case .failure(let error):
      diagnostics.warning("sync failed: \(Failures.text(error))")
      if json { try? JSONOutput.print(Failure(error: Failures.text(error))) }
    }
  }

  private struct Failure: Encodable { let error: String }
}
