import ArgumentParser
import CommandSupport
import Migrations

struct AdoptCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "adopt",
    abstract: "Record migrations that the database has already, without running them.",
    discussion: """
      Without names: pending migrations whose tables, indexes, views and triggers are all there; and applied ones that \
      another program has recorded get their checksums. With names: exactly these, whatever the database looks like; an \
      applied one that was edited is accepted as it is now.

      Examples:
        albergue-migration adopt -u sqlite://hostel.db --keyring keys
        albergue-migration adopt --forget m20270101_120000_gone
      """)

  @Argument(help: "Names of migrations.")
  var versions: [String] = []

  @Option(help: "Remove the record of this migration instead, and nothing else: its file is gone for good.")
  var forget: String?

  @OptionGroup var database: DatabaseOptions

  func validate() throws {
    if forget != nil && !versions.isEmpty { throw ValidationError("--forget goes without other names") }
  }

  func run() async throws {
    let adopted = try await database.run(isChanging: true) { migrator -> [String] in
      guard let forget else { return try await migrator.adopt(versions) }
      try await migrator.forget(forget)
      return []
    }
    if database.json {
      try JSONOutput.print(["adopted": adopted, "forgotten": forget.map { [$0] } ?? []])
    } else if adopted.isEmpty, forget == nil {
      Diagnostics("albergue-migration").note("no migration was to be recorded; checksums are up to date")
    }
  }
}
