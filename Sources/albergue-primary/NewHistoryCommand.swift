import ArgumentParser
import CommandSupport
import EncryptedStorage
import EncryptionKeys
import PageStore

struct NewHistoryCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "new-history",
    abstract: "After a backup was restored: make the store another one for its replicas, which then pull all of it.",
    discussion: """
      A replica that has pulled what the backup lacks would otherwise take the store for the one that it knows, once that has \
      been written to again. Stop the server before.

      Example:
        albergue-primary new-history --keyring keys --store primary.db
      """)

  @Option(help: "The file of the store.", completion: .file())
  var store: String

  @OptionGroup var keys: KeyOptions
  @OptionGroup var cipher: CipherOptions

  func run() async throws {
    let logger = try LogSettings.logger("primary")
    let factory = try ConnectionFactory(
      keys: try keys.load(logger), profile: try cipher.profile(), configuration: .mountingPageStores, logger: logger)
    let opened = try await PageStore.open(store, factory: factory)
    do { try await opened.beginNewHistory() } catch {
      await opened.close()
      throw error
    }
    await opened.close()
    try StandardOutput.line("\(store): a new history has begun; replicas pull all of it")
  }
}
