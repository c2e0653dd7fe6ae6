import ArgumentParser
import CommandSupport
import EncryptedStorage
import EncryptionKeys
import Logging

struct RekeyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rekey",
    abstract: "Give files another key or profile: a new file is written, verified and put in place.",
    discussion: """
      Without --to-key-id and --new-key-file, the keyring's active key is the new one. Killed at any point, the file is \
      whole under the old or the new key; running the same command again finishes the work. Refused (75) while any other \
      process has the file open.

      Examples:
        albergue-crypt keygen --keyring keys && albergue-crypt rekey --keyring keys hostel.db
        albergue-crypt rekey --key-file old.key --new-key-file new.key hostel.db
      """)

  @Argument(help: "Files to rotate.", completion: .file())
  var files: [String]

  @Option(help: "Id of the new key in the keyring.")
  var toKeyID: String?

  @Option(help: "File that holds the new key.")
  var newKeyFile: String?

  @OptionGroup var keys: KeyOptions
  @OptionGroup var cipher: CipherOptions

  func validate() throws {
    guard toKeyID == nil || newKeyFile == nil else {
      throw ValidationError("--to-key-id and --new-key-file exclude each other")
    }
  }

  func run() async throws {
    let logger = try LogSettings.logger("storage")
    let keySet = try keys.load(logger)
    let profile = try cipher.flag()
    let newKey = try newKey(keySet, changesProfile: profile != nil, logger)
    let factory = try ConnectionFactory(keys: keySet, logger: logger)
    for file in files {
      let bar = ProgressBar()
      defer { bar.finish() }
      let rotation = Rotation(factory: factory, to: newKey, profile: profile, progress: bar.progress)
      let outcome = try await rotation.run(file)
      bar.finish()
      try show(file, outcome, profile)
    }
  }

  private func newKey(_ keySet: KeySet, changesProfile: Bool, _ logger: Logger) throws -> KeyMaterial {
    if let newKeyFile { return try KeySources.loadKeyFile(path: newKeyFile, options: keys.loadingOptions(logger)) }
    if let keyring = keySet.keyring {
      return try toKeyID.map { id in try keyring.entry(id: id).material() } ?? keyring.active.material()
    }
    guard toKeyID == nil else {
      throw CommandError(.usage, "--to-key-id needs a keyring", hint: "name it with --keyring")
    }
    guard changesProfile else {
      throw CommandError(
        .usage, "there is no new key to rotate to",
        hint: "use --new-key-file, a keyring, or --cipher to change only the profile")
    }
    return keySet.primary
  }

  private func show(_ file: String, _ outcome: Rotation.Outcome, _ profile: CipherProfile?) throws {
    if outcome.otherLinkCount > 0 {
      Diagnostics("albergue-crypt").warning(
        "\(file): \(outcome.otherLinkCount) other hard links still lead to the old file, under the old key")
    }
    if outcome.settledEarlierRotation {
      try StandardOutput.line("\(file): an interrupted rotation was cleaned up first")
    }
    let pages = "\(outcome.pageCount) \(outcome.pageCount == 1 ? "page" : "pages") of \(outcome.pageSize) bytes"
    switch outcome.method {
    case .none: try StandardOutput.line("\(file): is under key \(outcome.toKeyID) already")
    case .pages:
      try StandardOutput.line("\(file): key \(outcome.fromKeyID) -> \(outcome.toKeyID), \(pages), verified")
    case .copy:
      try StandardOutput.line(
        "\(file): key \(outcome.fromKeyID) -> \(outcome.toKeyID), profile now \(profile?.rawValue ?? "changed"), "
          + "\(pages), compared row by row")
    }
  }
}
