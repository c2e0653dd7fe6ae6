import ArgumentParser
import CommandSupport
import EncryptedStorage
import EncryptionKeys
import PageStore

struct ExportCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Copy an encrypted database into a new file under another key, or in plaintext.",
    discussion: """
      Of a page store, the database inside is copied.

      Examples:
        albergue-crypt export --keyring keys --dest-key-file other.key hostel.db copy.db
        albergue-crypt export --keyring keys --plaintext --yes-write-plaintext hostel.db plain.db
      """)

  @Argument(help: "The encrypted database, or the page store.", completion: .file())
  var file: String

  @Argument(help: "The file to make.", completion: .file())
  var destination: String

  @Option(help: "File that holds the key of the copy.")
  var destKeyFile: String?

  @Flag(help: "Write an unencrypted file; needs --yes-write-plaintext as well.")
  var plaintext = false

  @Flag(help: "Yes, write everything in the database to the disk unencrypted.")
  var yesWritePlaintext = false

  @OptionGroup var keys: KeyOptions
  @OptionGroup var cipher: CipherOptions

  func validate() throws {
    guard plaintext != (destKeyFile != nil) else {
      throw ValidationError("say either --dest-key-file FILE or --plaintext --yes-write-plaintext")
    }
    guard plaintext == yesWritePlaintext else {
      throw ValidationError("--plaintext and --yes-write-plaintext go together: the copy would be readable by anyone")
    }
  }

  func run() async throws {
    let logger = try LogSettings.logger("storage")
    let keySet = try keys.load(logger)
    let target: DatabaseCopy.Target
    if let destKeyFile {
      let key = try KeySources.loadKeyFile(path: destKeyFile, options: keys.loadingOptions(logger))
      target = .encrypted(key, try cipher.profile() ?? .sqlcipher4)
    } else {
      target = .plaintext
    }
    let bar = ProgressBar()
    defer { bar.finish() }
    let copy = DatabaseCopy(
      sourceKeys: try keySet.candidates(), target: target, configuration: .mountingPageStores,
      expectsEncryptedSource: true,
      progress: bar.progress)
    let outcome = try await copy.run(from: file, to: destination)
    bar.finish()
    try StandardOutput.line(
      "\(destination): \(outcome.tableCount) tables, \(outcome.byteCount) bytes\(plaintext ? ", NOT ENCRYPTED" : "")")
  }
}
