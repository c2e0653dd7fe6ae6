import ArgumentParser
import CommandSupport
import EncryptionKeys
import Logging

struct KeygenCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "keygen", abstract: "Make a new key: to standard output, or into a keyring as its active key.",
    discussion: """
      Examples:
        albergue-crypt keygen --keyring keys
        (umask 077 && albergue-crypt keygen > export.key)
      """)

  @Option(help: "Keyring to append the key to; made with mode 600 when it is not there.")
  var keyring: String?

  @Option(help: "Id of the key in the keyring. Default: k- and today's date.")
  var id: String?

  @OptionGroup var cipher: CipherOptions

  func run() async throws {
    guard let keyring else {
      guard id == nil else { throw CommandError(.usage, "--id needs --keyring") }
      let key = try EncryptionKey.random()
      return try key.withHexDigits { digits in
        try StandardOutput.line(unsafe String(decoding: digits, as: UTF8.self))
      }
    }
    let id = try Keyring.appendKey(path: keyring, id: id, profile: try cipher.profile() ?? .sqlcipher4)
    try StandardOutput.line("added key \(id) to \(keyring); it is the active key now")
  }
}
