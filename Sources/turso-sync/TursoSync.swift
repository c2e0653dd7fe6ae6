import ArgumentParser
import CommandSupport

/// Encrypted replicas of Turso and libSQL databases.
struct TursoSync: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "turso-sync",
    abstract: "Keep an encrypted replica of a Turso or libSQL database fresh.",
    discussion: """
      The remote is TURSO_DATABASE_URL (or DATABASE_URL when it is of a remote), the replica TURSO_REPLICA_PATH, the token \
      TURSO_AUTH_TOKEN, TURSO_AUTH_TOKEN_FILE or TURSO_AUTH_TOKEN_COMMAND, the customer key of an encrypted database of the \
      remote TURSO_REMOTE_ENCRYPTION_KEY. An empty variable counts as unset.

      Keys come from --key-file, --keyring, or one of TURSO_ENCRYPTION_KEYRING, TURSO_ENCRYPTION_KEY_FILE, \
      TURSO_ENCRYPTION_KEY_COMMAND, a systemd credential, TURSO_ENCRYPTION_KEY; never from an argument.

      Exit codes: 0 success, 1 conflicts or changes that were not pushed, 64 usage, 65 damaged or not a replica, 66 no such file or remote database, 69 remote \
      unavailable, 74 I/O error or disk full, 75 busy, 76 protocol error or another remote, 77 wrong key, no key, or not \
      authorised, 130 interrupted.
      """,
    version: "0.1.0",
    subcommands: [SyncCommand.self, PullCommand.self, PushCommand.self, StatusCommand.self],
    defaultSubcommand: SyncCommand.self)
}

@main
enum Main {
  static func main() async { await Program.main(TursoSync.self) }
}
