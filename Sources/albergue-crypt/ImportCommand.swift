import ArgumentParser
import CommandSupport
import EncryptedStorage
import EncryptionKeys
import PageStore

struct ImportCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Copy a plaintext or SQLCipher database into a new encrypted one.",
    discussion: """
      The source is verified first and only read. DEST is complete and equal to it, or not there. Of a page store, the \
      database inside is copied.

      Examples:
        albergue-crypt import --keyring keys plain.db hostel.db
        albergue-crypt import --source-key-file old.key --keyring keys old.db hostel.db
      """)

  @Argument(help: "Plaintext SQLite or SQLCipher (3 or 4) database, or a page store.", completion: .file())
  var source: String

  @Argument(help: "The file to make.", completion: .file())
  var destination: String

  @Option(help: "File that holds the key of the source, when it is another one.")
  var sourceKeyFile: String?

  @OptionGroup var keys: KeyOptions
  @OptionGroup var cipher: CipherOptions

  func run() async throws {
    let logger = try LogSettings.logger("storage")
    let keySet = try keys.load(logger)
    let profile = try cipher.profile() ?? keySet.primaryProfile ?? .sqlcipher4
    let sourceKeys: [KeyMaterial]
    if let sourceKeyFile {
      sourceKeys = [try KeySources.loadKeyFile(path: sourceKeyFile, options: keys.loadingOptions(logger))]
    } else {
      sourceKeys = try keySet.candidates()
    }
    let bar = ProgressBar()
    defer { bar.finish() }
    let copy = DatabaseCopy(
      sourceKeys: sourceKeys, target: .encrypted(keySet.primary, profile), configuration: .mountingPageStores,
      expectsEncryptedSource: sourceKeyFile != nil, progress: bar.progress)
    let outcome = try await copy.run(from: source, to: destination)
    bar.finish()
    try StandardOutput.line(
      "\(destination): \(outcome.tableCount) tables, \(outcome.byteCount) bytes, \(profile.rawValue), "
        + "key \(keySet.primary.id); equal to the source row by row")
    if outcome.sourceKeyID == nil {
      Diagnostics("albergue-crypt").warning(
        "\(source) is still there in plaintext; when it is not needed, delete it (shred -u on a disk that overwrites)")
    }
  }
}
