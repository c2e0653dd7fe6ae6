import ArgumentParser
import CommandSupport
import Migrations

struct StatusCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status",
    abstract: "Say which migrations are applied. Changes nothing.",
    discussion: """
      Migrations that were edited since they were applied, and pending ones that are older than an applied one, are \
      named on stderr.

      Examples:
        albergue-migration status -u sqlite://hostel.db --keyring keys
        albergue-migration status --check --tab
      """)

  @Flag(help: "End with 1 if a migration is pending, or was edited since it was applied.")
  var check = false

  @Flag(help: "Print a line NAME<TAB>Applied or NAME<TAB>Pending for each migration, applied ones first.")
  var tab = false

  @OptionGroup var database: DatabaseOptions

  func validate() throws {
    if tab && database.json { throw ValidationError("--tab and --json contradict each other") }
  }

  func run() async throws {
    let status = try await database.run(isChanging: false, reportsEvents: !tab && !database.json) {
      try await $0.status()
    }
    try print(status)
    let diagnostics = Diagnostics("albergue-migration")
    for entry in status.changed {
      diagnostics.warning("\(entry.version): was edited since it was applied")
    }
    for entry in status.outOfOrder {
      diagnostics.warning("\(entry.version): is pending although a later migration is applied")
    }
    guard check, !status.pending.isEmpty || !status.changed.isEmpty else { return }
    throw CommandError(
      .checkFailed, "\(status.pending.count) migrations are pending, \(status.changed.count) were edited",
      hint: "run albergue-migration up; undo the edits, or accept them with albergue-migration adopt NAME")
  }

  private func print(_ status: MigrationStatus) throws {
    if database.json {
      try JSONOutput.print(Report(status))
    } else if tab {
      for entry in status.entries.filter(\.isApplied) { try StandardOutput.line("\(entry.version)\tApplied") }
      for entry in status.pending { try StandardOutput.line("\(entry.version)\tPending") }
    } else {
      for entry in status.entries {
        try StandardOutput.line("Migration '\(entry.version)'... \(entry.isApplied ? "Applied" : "Pending")")
      }
    }
  }

  private struct Report: Encodable {
    struct Migration: Encodable {
      let version: String
      let status: String
      let appliedAt: Int64?
      let checksum: String?
      let outOfOrder: Bool
    }

    let applied: Int
    let pending: Int
    let migrations: [Migration]

    init(_ status: MigrationStatus) {
      pending = status.pending.count
      applied = status.entries.count - pending
      migrations = status.entries.map { entry in
        Migration(
          version: entry.version, status: entry.isApplied ? "applied" : "pending", appliedAt: entry.appliedAt,
          checksum: entry.checksum?.rawValue, outOfOrder: entry.isOutOfOrder)
      }
    }
  }
}
