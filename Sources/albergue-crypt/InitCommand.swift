import ArgumentParser
import CommandSupport
import EncryptedStorage
import EncryptionKeys
import PageStore

struct InitCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "init",
    abstract: "Make a new, empty encrypted database, or the page store of a replica. An existing file is refused.",
    discussion: """
      Examples:
        albergue-crypt init --keyring keys hostel.db
        albergue-crypt init --replica --keyring keys replica.db
      """)

  @Argument(help: "The file to make.", completion: .file())
  var file: String

  @Flag(help: "Make a page store for a replica, which is empty until its first pull.")
  var replica = false

  @OptionGroup var keys: KeyOptions
  @OptionGroup var cipher: CipherOptions

  func run() async throws {
    let logger = try LogSettings.logger("storage")
    let keySet = try keys.load(logger)
    let profile = try cipher.profile() ?? keySet.primaryProfile ?? .sqlcipher4
    let factory = ConnectionFactory(key: keySet.primary, profile: profile, logger: logger)
    if replica {
      try await PageStore.create(file, role: .replica, factory: factory).close()
    } else {
      try await factory.create(file).close()
    }
    try StandardOutput.line(
      "created \(file): \(replica ? "page store of a replica, " : "")\(profile.rawValue), key \(keySet.primary.id)")
  }
}
