import ArgumentParser
import CommandSupport
import EncryptedStorage
import EncryptionKeys

struct InitCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "init", abstract: "Make a new, empty encrypted database. An existing file is refused.")

  @Argument(help: "The file to make.", completion: .file())
  var file: String

  @OptionGroup var keys: KeyOptions
  @OptionGroup var cipher: CipherOptions

  func run() async throws {
    let logger = try LogSettings.logger("storage")
    let keySet = try keys.load(logger)
    let profile = try cipher.profile() ?? keySet.primaryProfile ?? .sqlcipher4
    let factory = ConnectionFactory(key: keySet.primary, profile: profile, logger: logger)
    try await factory.create(file).close()
    try StandardOutput.line("created \(file): \(profile.rawValue), key \(keySet.primary.id)")
  }
}
