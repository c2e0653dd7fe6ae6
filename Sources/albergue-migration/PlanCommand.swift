import ArgumentParser
import CommandSupport
import Migrations

struct PlanCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan", abstract: "Print the SQL that up, or down, would run. Changes nothing.",
    discussion: """
      Examples:
        albergue-migration plan -u sqlite://hostel.db --keyring keys
        albergue-migration plan --down -n 1 --json
      """)

  @Option(name: [.customShort("n"), .customLong("num")], help: "At most so many; all without it.")
  var count: Int?

  @Flag(help: "What down would run.")
  var down = false

  @OptionGroup var database: DatabaseOptions

  func validate() throws {
    if let count, count < 0 { throw ValidationError("-n must not be negative") }
  }

  func run() async throws {
    let direction: Direction = down ? .down : .up
    let plan = try await database.run(isChanging: false) { try await $0.plan(direction, count: count) }
    guard !database.json else { return try JSONOutput.print(["migrations": plan.map(Report.init)]) }
    if plan.isEmpty { Diagnostics("albergue-migration").note("nothing to do") }
    for migration in plan { try StandardOutput.line(migration.sql) }
  }

  private struct Report: Encodable {
    let version: String
    let direction: String
    let source: String
    let destructive: Bool
    let foreignKeysOff: Bool
    let sql: String

    init(_ migration: PlannedMigration) {
      version = migration.migration.version
      direction = migration.direction.rawValue
      source = migration.script.source
      destructive = migration.script.isDestructive
      foreignKeysOff = migration.script.turnsForeignKeysOff
      sql = migration.sql
    }
  }
}
