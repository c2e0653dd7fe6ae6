import ArgumentParser
import CommandSupport
import EncryptedStorage
import EncryptionKeys
import Logging
import PageStore
import Primary

/// An encrypted primary for libSQL's clients.
struct AlberguePrimary: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "albergue-primary",
    abstract: "A libSQL-compatible server whose database is encrypted on disk.",
    discussion: """
      Keys come from --key-file, --keyring, or one of TURSO_ENCRYPTION_KEYRING, TURSO_ENCRYPTION_KEY_FILE, \
      TURSO_ENCRYPTION_KEY_COMMAND, a systemd credential, TURSO_ENCRYPTION_KEY; never from an argument.

      Exit codes: 0 success, 64 usage, 65 damaged or not a database, 69 address not available, 74 I/O error or disk full, \
      75 busy, 77 wrong key or no key, 130 interrupted twice.
      """,
    version: "0.1.0",
    subcommands: [ServeCommand.self, NewHistoryCommand.self])
}

@main
enum Main {
  static func main() async { await Program.main(AlberguePrimary.self) }
}
