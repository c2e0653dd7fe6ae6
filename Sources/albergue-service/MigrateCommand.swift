import ArgumentParser
import CommandSupport
import HostelStore
import ReplicaSync

struct MigrateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "migrate",
    abstract: "Apply what this service needs beyond the hostel's ten migrations.",
    discussion: """
      The ten have to be there. On a replica the tables are changed at the remote, then synchronised.

      Examples:
        albergue-service migrate --keyring keys --file hostel.db --url libsql://hostel.example
      """)

  @OptionGroup var database: DatabaseOptions

  func run() async throws {
    let store = try await database.openStore()
    do {
      try await store.database.replica?.sync()
      let applied = try await store.migrate()
      // So that a service which nobody synchronises finds the tables.
      if !applied.isEmpty { try await store.database.replica?.sync() }
      for name in applied { try StandardOutput.line(name) }
      if applied.isEmpty { Diagnostics("albergue-service").note("nothing to apply") }
    } catch {
      await store.database.close()
      throw error
    }
    await store.database.close()
  }
}
