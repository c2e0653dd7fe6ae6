import ArgumentParser
import CommandSupport

/// Encrypted SQLite files: keys, files, proof, rotation.
struct AlbergueCrypt: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "albergue-crypt",
    abstract: "Encrypted, authenticated, rotatable SQLite files (SQLCipher 4).",
    discussion: """
      Keys come from --key-file, --keyring, or one of TURSO_ENCRYPTION_KEYRING, TURSO_ENCRYPTION_KEY_FILE, \
      TURSO_ENCRYPTION_KEY_COMMAND, a systemd credential, TURSO_ENCRYPTION_KEY; never from an argument.

      Exit codes: 0 success, 1 findings or losses, 64 usage, 65 damaged or not a database, 66 input missing, 69 library \
      missing, 73 will not overwrite, 74 I/O error or disk full, 75 busy, 77 wrong key or no key, 130 interrupted.
      """,
    version: "0.1.0",
    subcommands: [
      KeygenCommand.self, InitCommand.self, StatusCommand.self, VerifyCommand.self, RekeyCommand.self,
      ImportCommand.self, ExportCommand.self, QueryCommand.self, RecoverCommand.self,
    ])
}

@main
enum Main {
  static func main() async { await Program.main(AlbergueCrypt.self) }
}
