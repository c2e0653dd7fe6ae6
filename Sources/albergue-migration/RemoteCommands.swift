import ArgumentParser
import CommandSupport
import HostelMigrations
import Migrations

struct MigrateRemoteCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "migrate-remote",
    abstract: "Bring a remote to the hostel's schema, whatever of it is there already.",
    discussion: """
      Makes the tables and indexes that are missing, records the ten migrations for SeaORM and the baseline in \
      _albergue_migrations. Destroys nothing: a table that is there with another shape is an error, and nothing is \
      changed. A run that was interrupted is continued by the next one; one that finds nothing to do writes nothing.

      Examples:
        albergue-migration migrate-remote -u libsql://hostel.example
        albergue-migration migrate-remote --json        (with everything else in the environment)
      """)

  @OptionGroup var remote: RemoteOptions

  func run() async throws {
    let diagnostics = Diagnostics("albergue-migration")
    let database = try remote.database()
    let isQuiet = remote.json
    let baseline = RemoteBaseline(
      of: database,
      report: { event in
        if isQuiet { diagnostics.note(event.description) } else { try StandardOutput.line(event.description) }
      })
    let done = try await baseline.run()
    let status = try await baseline.status()
    for note in status.notes { diagnostics.warning(note) }
    if remote.json {
      try JSONOutput.print(Report(done, notes: status.notes))
    } else if done.isEmpty {
      diagnostics.note("the remote has the whole schema; nothing was to be done")
    }
  }

  private struct Report: Encodable {
    var applied: [String] = []
    var completed: [String] = []
    var adopted: [String] = []
    var stamped = false
    let notes: [String]

    init(_ events: [RemoteBaseline.Event], notes: [String]) {
      self.notes = notes
      for event in events {
        switch event {
        case .applied(let version): applied.append(version)
        case .completed(let version): completed.append(version)
        case .adopted(let version): adopted.append(version)
        case .stamped: stamped = true
        }
      }
    }
  }
}

struct StatusRemoteCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status-remote",
    abstract: "Say whether the baseline is applied at a remote. Changes nothing.",
    discussion: """
      Prints one line: the baseline's name, a TAB, and Applied or Pending.

      Examples:
        albergue-migration status-remote -u libsql://hostel.example
        albergue-migration status-remote --check
      """)

  @Flag(help: "End with 1 unless the baseline and all ten migrations are recorded, and the tables are what they make.")
  var check = false

  @OptionGroup var remote: RemoteOptions

  func run() async throws {
    let status = try await RemoteBaseline(of: try remote.database()).status()
    if remote.json {
      try JSONOutput.print(Report(status))
    } else {
      try StandardOutput.line("\(RemoteBaseline.name)\t\(status.isApplied ? "Applied" : "Pending")")
    }
    let diagnostics = Diagnostics("albergue-migration")
    for line in status.differences { diagnostics.warning(line) }
    for note in status.notes { diagnostics.warning(note) }
    if status.isApplied, !status.missing.isEmpty {
      diagnostics.warning("\(status.missing.count) of the hostel's migrations are not recorded for SeaORM")
    }
    guard check, !status.isApplied || !status.missing.isEmpty || !status.differences.isEmpty else { return }
    throw CommandError(
      .checkFailed, "the remote does not have the whole schema with its records",
      hint: "run albergue-migration migrate-remote")
  }

  private struct Report: Encodable {
    let baseline: String
    let status: String
    let appliedAt: String?
    let recorded: [String]
    let missing: [String]
    let differences: [String]
    let notes: [String]

    init(_ status: BaselineStatus) {
      baseline = RemoteBaseline.name
      self.status = status.isApplied ? "applied" : "pending"
      appliedAt = status.appliedAt
      recorded = status.recorded
      missing = status.missing
      differences = status.differences
      notes = status.notes
    }
  }
}
