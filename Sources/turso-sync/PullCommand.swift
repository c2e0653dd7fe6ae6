import ArgumentParser
import CommandSupport
import ReplicaSync
import WorkingCopy

struct PullCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pull", abstract: "Bring the replica to where the remote is, once; make it if there is none.",
    discussion: """
      Examples:
        turso-sync pull --url libsql://hostel.example --replica hostel.db --keyring keys
        turso-sync pull --json        (with everything else in the environment)
      """)

  @Flag(help: "Pull the whole image anew, also if the replica is a copy of another remote.")
  var replace = false

  @Flag(help: "DB_MODE=seaorm_sqlite: lose the changes of the working copy that were not pushed.")
  var dropChanges = false

  @Flag(help: "Print one JSON object.")
  var json = false

  @OptionGroup var remote: RemoteOptions

  func run() async throws {
    let settings = try remote.settings()
    if settings.mode == .ordinaryFile { return try await pullWorkingCopy(settings) }
    guard !dropChanges else { throw CommandError(.usage, "--drop-changes is for DB_MODE=seaorm_sqlite") }
    let bar = ProgressBar()
    let syncer = try await remote.openSyncer(settings, bar)
    let result: Result<SyncReport, any Error>
    do {
      result = .success(try await replace ? syncer.replaceImage() : syncer.sync())
    } catch {
      result = .failure(error)
    }
    await syncer.close()
    bar.finish()
    let report = try result.get()
    if json { try JSONOutput.print(report) }
    Diagnostics("turso-sync").note(report.summary)
  }

  private func pullWorkingCopy(_ settings: ReplicaSettings) async throws {
    guard !replace else {
      throw CommandError(
        .usage, "--replace is not for DB_MODE=seaorm_sqlite", hint: "a working copy is made anew with --drop-changes")
    }
    let bar = ProgressBar()
    let outcome: WorkingCopy.PullOutcome
    do {
      outcome = try await remote.workingCopy(settings, bar).pull(droppingChanges: dropChanges)
    } catch {
      bar.finish()
      throw error
    }
    bar.finish()
    if json { try JSONOutput.print(outcome) }
    Diagnostics("turso-sync").note(
      outcome.hasChanged ? "pulled: the working copy is at position \(outcome.position)" : "nothing new")
  }
}

extension SyncReport {
  /// One line for people.
  var summary: String {
    let rate = seconds > 0.2 && bytes > 0 ? ", \(Int(Double(bytes) / seconds / 1e6)) MB/s" : ""
    let milliseconds = Int(seconds * 1000)
    return "\(kind.rawValue): \(place), \(pages) pages, \(bytes) bytes, \(milliseconds) ms\(rate)"
  }

  private var place: String {
    let number = self.protocol == "v2" ? "\(position >> 32)/\(position & 0xFFFF_FFFF)" : "\(position)"
    return "\(self.protocol) position \(number), image of \(imagePageCount) pages"
  }
}
