import ArgumentParser
import CommandSupport

/// A hostel's service on an encrypted replica.
struct AlbergueService: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "albergue-service",
    abstract: "A pilgrims' hostel on an encrypted replica: read here, written through the remote.",
    discussion: """
      The file and its remote come from DB_MODE, TURSO_REPLICA_PATH, TURSO_DATABASE_URL, TURSO_AUTH_TOKEN and \
      TURSO_SYNC_INTERVAL_SECS. The key of the file comes from --key-file, --keyring or TURSO_ENCRYPTION_*; that of the \
      personal columns from PILGRIM_ENCRYPTION_KEY, _FILE, _COMMAND or PILGRIM_ENCRYPTION_KEYRING.

      Exit codes: 0 success, 64 usage, 65 damaged or other tables, 69 address or remote not available, 74 I/O error, 75 \
      busy, 76 protocol error, 77 wrong key or no key, 130 interrupted twice.
      """,
    version: "0.1.0",
    subcommands: [ServeCommand.self, MigrateCommand.self, ReencryptCommand.self, OutboxCommand.self])
}

@main
enum Main {
  static func main() async { await Program.main(AlbergueService.self) }
}
