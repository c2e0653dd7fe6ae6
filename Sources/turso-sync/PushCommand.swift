import ArgumentParser
import CommandSupport
import LibSQLClient
import ReplicaSync
import WorkingCopy

struct PushCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "push",
    abstract: "Send what was changed in the working copy (DB_MODE=seaorm_sqlite), as one transaction, then pull.",
    discussion: """
      Rows that were changed on both sides are listed, and nothing is sent, unless one side is chosen. Nobody may have the \
      file open.

      Examples:
        DB_MODE=seaorm_sqlite turso-sync push --replica work.db --keyring keys
        DB_MODE=seaorm_sqlite turso-sync push --theirs --json
      """)

  @Flag(help: "Rows that were changed on both sides become what they are in the working copy.")
  var ours = false

  @Flag(help: "Rows that were changed on both sides stay what they are at the remote.")
  var theirs = false

  @Flag(help: "Print one JSON object.")
  var json = false

  @OptionGroup var remote: RemoteOptions

  func validate() throws {
    if ours && theirs { throw ValidationError("--ours and --theirs contradict each other") }
  }

  func run() async throws {
    let settings = try remote.settings()
    guard settings.mode == .ordinaryFile else {
      throw CommandError(
        .usage, "push is for DB_MODE=seaorm_sqlite: a replica is written through its remote",
        hint: "set DB_MODE=seaorm_sqlite, with another TURSO_REPLICA_PATH")
    }
    let bar = ProgressBar()
    let outcome: WorkingCopy.PushOutcome
    do {
      outcome = try await remote.workingCopy(settings, bar).push(preferring: ours ? .ours : theirs ? .theirs : nil)
    } catch {
      bar.finish()
      throw error
    }
    bar.finish()
    if json { try JSONOutput.print(outcome) }
    try report(outcome)
  }

  private func report(_ outcome: WorkingCopy.PushOutcome) throws {
    let diagnostics = Diagnostics("turso-sync")
    let counts = outcome.counts
    let summary = "\(counts.inserted) rows inserted, \(counts.updated) updated, \(counts.deleted) deleted"
    switch outcome.kind {
    case .pushed: diagnostics.note("pushed: \(summary), \(counts.definitions) definitions")
    case .nothingToPush: diagnostics.note("nothing to push")
    case .alreadyPushed: diagnostics.note("an earlier push had arrived; pulled")
    case .pushedNotPulled:
      diagnostics.warning("pushed: \(summary); the remote's image does not show it yet, so pull later")
    case .conflicts:
      if !json {
        for conflict in outcome.conflicts { try StandardOutput.line(conflict.description) }
      }
      throw CommandError(
        .checkFailed, "\(outcome.conflictCount) conflicts, nothing was sent",
        hint: "change the rows, or choose a side for rows with --ours or --theirs")
    }
  }
}

extension RemoteOptions {
  /// The working copy that the settings name. Nothing is opened or sent.
  func workingCopy(_ settings: ReplicaSettings, _ bar: ProgressBar) throws -> WorkingCopy {
    let factory = try replica.factory()
    let remote = try makeRemote(settings)
    return try WorkingCopy(settings.path, factory: factory, remote: remote) { store in
      var image = settings
      image.path = store
      let syncer = Syncer(image, remote: remote, factory: factory, progress: bar.progress)
      let result: Result<SyncReport, any Error>
      do { result = .success(try await syncer.sync()) } catch { result = .failure(error) }
      await syncer.close()
      _ = try result.get()
    }
  }
}
