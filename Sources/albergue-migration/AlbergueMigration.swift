import ArgumentParser
import CommandSupport

/// Migrations as SeaORM keeps them, on encrypted databases.
struct AlbergueMigration: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "albergue-migration",
    abstract:
      "Bring an encrypted database, or a remote, to the schema that its programs expect. Takes turns with SeaORM's migrator.",
    discussion: """
      The database is --database-url, else DATABASE_URL, else TURSO_DATABASE_URL: sqlite://path, with ?mode=rwc to make it \
      where it is missing, or libsql://host for a remote, with the token of TURSO_AUTH_TOKEN, _FILE or _COMMAND. The \
      hostel's ten migrations are built in; --migration-dir, else MIGRATION_DIR, else ./migrations if it is there, adds \
      those in its folders mYYYYMMDD_HHMMSS_name/up.sql. An empty variable counts as unset.

      Keys come from --key-file, --keyring, or one of TURSO_ENCRYPTION_KEYRING, TURSO_ENCRYPTION_KEY_FILE, \
      TURSO_ENCRYPTION_KEY_COMMAND, a systemd credential, TURSO_ENCRYPTION_KEY; never from an argument.

      Exit codes: 0 success, 1 pending or edited migrations with --check, 64 usage, 65 damaged, not a database, or a \
      migration failed, 66 a file or an applied migration is missing, 69 remote unavailable, 73 will not overwrite, 74 I/O error or disk full, \
      75 busy, 76 protocol error, 77 wrong key, no key, or destructive and not allowed, 130 interrupted.
      """,
    version: "0.1.0",
    subcommands: [
      UpCommand.self, DownCommand.self, StatusCommand.self, FreshCommand.self, RefreshCommand.self, ResetCommand.self,
      PlanCommand.self, AdoptCommand.self, GenerateCommand.self, MigrateRemoteCommand.self, StatusRemoteCommand.self,
    ],
    defaultSubcommand: UpCommand.self)
}

@main
enum Main {
  static func main() async {
    let commands = AlbergueMigration.configuration.subcommands.compactMap { $0.configuration.commandName }
    let arguments = ArgumentOrder.commandFirst(Array(CommandLine.arguments.dropFirst()), commands: Set(commands))
    await Program.main(AlbergueMigration.self, arguments: arguments)
  }
}
