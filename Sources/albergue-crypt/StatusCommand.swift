import ArgumentParser
import CommandSupport
import EncryptedStorage
import EncryptionKeys
import PageStore

struct StatusCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Say what files are, without writing anything. Works without a key, too.",
    discussion: """
      Examples:
        albergue-crypt status hostel.db
        albergue-crypt status --keyring keys --json *.db
      """)

  @Argument(help: "Files to look at.", completion: .file())
  var files: [String]

  @Flag(help: "Print one JSON object.")
  var json = false

  @OptionGroup var keys: KeyOptions

  func run() async throws {
    let logger = try LogSettings.logger("storage")
    let materials = try candidates(try keys.loadIfAny(logger))
    let classifier = FileClassifier(keys: materials)
    var entries: [Entry] = []
    var list = FileList()
    for file in files {
      try await list.run(file, program: "albergue-crypt") {
        let status = try await classifier.run(file)
        var entry = Entry(status: status)
        if status.kind == .pageStore { try await look(into: file, materials, &entry) }
        entries.append(entry)
        if !json { try show(entry) }
      }
    }
    if json { try JSONOutput.print(Output(files: entries, errors: list.failures)) }
    try list.check()
  }

  private struct Output: Encodable {
    let files: [Entry]
    let errors: [FileList.Failure]
  }

  /// A file, and what it says about itself if it is a page store.
  private struct Entry: Encodable {
    let status: FileStatus
    var store: StoreState?
    /// Why there is no `store`.
    var storeError: String?

    private enum CodingKeys: String, CodingKey { case store, storeError }

    /// One object: the fields of the status, and these beside them.
    func encode(to encoder: any Encoder) throws {
      try status.encode(to: encoder)
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encodeIfPresent(store, forKey: .store)
      try container.encodeIfPresent(storeError, forKey: .storeError)
    }
  }

  /// A state that cannot be read is part of the answer, as damage is.
  private func look(into file: String, _ materials: [KeyMaterial], _ entry: inout Entry) async throws {
    do { entry.store = try await StoreState.stored(in: file, keys: materials) } catch let error as EncryptedStorageError
      where error.code != .cancelled
    {
      entry.storeError = error.detail
    }
  }

  private func candidates(_ keySet: KeySet?) throws -> [KeyMaterial] { try keySet?.candidates() ?? [] }

  private func show(_ entry: Entry) throws {
    let status = entry.status
    try StandardOutput.line("\(status.file): \(status.kind.rawValue)")
    if let store = entry.store { try StandardOutput.line("  \(store.summary)") }
    if let storeError = entry.storeError { try StandardOutput.line("  its state cannot be read: \(storeError)") }
    try StandardOutput.line("  \(status.detail)")
    var facts: [String] = []
    if let profile = status.profile { facts.append("profile \(profile)") }
    if let keyID = status.keyID { facts.append("key \(keyID)") }
    if let pageCount = status.pageCount, let pageSize = status.pageSize {
      facts.append("\(pageCount) \(pageCount == 1 ? "page" : "pages") of \(pageSize) bytes")
    } else {
      facts.append("\(status.byteCount) bytes")
    }
    if status.logByteCount > 0 { facts.append("write-ahead log of \(status.logByteCount) bytes") }
    if status.journalByteCount > 0 { facts.append("journal of \(status.journalByteCount) bytes to roll back") }
    if status.rotation != "none" { facts.append("key rotation \(status.rotation)") }
    facts.append("mode \(status.permissions)")
    try StandardOutput.line("  " + facts.joined(separator: ", "))
    if status.bootstrap != "none" {
      try StandardOutput.line(
        "  first pull \(status.bootstrap): what it has so far is in \(status.file)\(PageStoreMark.bootstrapSuffix)")
    }
    if status.isExposed { try StandardOutput.line("  warning: group or others can open this file; chmod 600 it") }
  }
}
