import ArgumentParser
import CommandSupport
import EncryptedStorage
import EncryptionKeys

struct RecoverCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "recover",
    abstract: "Save what can be saved from a damaged or mixed-key file into a new encrypted one.",
    discussion: """
      Only authentic pages are used. Rows that belong to no table with certainty go to the table lost_and_found. Stop the \
      programs that use FILE first; it is only read. Exit code 1 when something is lost.

      Examples:
        albergue-crypt recover --keyring keys damaged.db saved.db
        albergue-crypt recover --keyring keys --old-key-file old.key --json damaged.db saved.db
      """)

  @Argument(help: "The damaged file.", completion: .file())
  var file: String

  @Argument(help: "The file to make.", completion: .file())
  var destination: String

  @Option(help: "File that holds another key that pages may be under.")
  var oldKeyFile: String?

  @Flag(help: "Print one JSON object.")
  var json = false

  @OptionGroup var keys: KeyOptions
  @OptionGroup var cipher: CipherOptions

  func run() async throws {
    let logger = try LogSettings.logger("storage")
    let keySet = try keys.load(logger)
    var materials = try keySet.candidates()
    if let oldKeyFile {
      materials.append(try KeySources.loadKeyFile(path: oldKeyFile, options: keys.loadingOptions(logger)))
    }
    let bar = ProgressBar()
    defer { bar.finish() }
    let recovery = Recovery(
      keys: materials, target: keySet.primary, profile: try cipher.profile() ?? keySet.primaryProfile ?? .sqlcipher4,
      progress: bar.progress)
    let outcome = try await recovery.run(from: file, to: destination)
    bar.finish()
    if json { try JSONOutput.print(Summary(destination, outcome)) } else { try show(outcome) }
    let isComplete =
      outcome.lostPageCount == 0 && !outcome.schemaLost
      && outcome.tables.allSatisfy { $0.unreadableRowCount == 0 && $0.refusedRowCount == 0 }
    guard isComplete else { throw CommandFailure(.checkFailed) }
  }

  private func show(_ outcome: Recovery.Outcome) throws {
    let authentic = outcome.authenticPageCounts.sorted { $0.key.name < $1.key.name }
      .map { "\($0.value) under key \($0.key)" }
    try StandardOutput.line(
      "\(file): \(outcome.pageCount) pages, \(authentic.joined(separator: ", ")), \(outcome.lostPageCount) lost")
    switch outcome.method {
    case .pages: try StandardOutput.line("\(destination): every page saved, under one key now")
    case .rows:
      try StandardOutput.line("\(destination): rows saved from the authentic pages")
      for table in outcome.tables {
        var line = "  \(table.name): \(table.recoveredRowCount) rows"
        if table.unreadableRowCount > 0 { line += ", \(table.unreadableRowCount) incomplete ones dropped" }
        if table.refusedRowCount > 0 { line += ", \(table.refusedRowCount) refused by a constraint" }
        try StandardOutput.line(line)
      }
      if outcome.orphanRowCount > 0 { try StandardOutput.line("  lost_and_found: \(outcome.orphanRowCount) rows") }
    }
    for note in outcome.notes { try StandardOutput.line("  note: \(note)") }
  }

  /// The outcome as JSON.
  private struct Summary: Encodable {
    struct Table: Encodable {
      let name: String
      let recoveredRows: Int
      let unreadableRows: Int
      let refusedRows: Int
    }

    let destination: String
    let method: String
    let pageCount: UInt32
    let authenticPages: [String: Int]
    let lostPageCount: Int
    let lostPages: [UInt32]
    let tables: [Table]
    let lostAndFoundRows: Int
    let schemaLost: Bool
    let notes: [String]

    init(_ destination: String, _ outcome: Recovery.Outcome) {
      self.destination = destination
      method = outcome.method.rawValue
      pageCount = outcome.pageCount
      authenticPages = Dictionary(uniqueKeysWithValues: outcome.authenticPageCounts.map { ($0.key.name, $0.value) })
      lostPageCount = outcome.lostPageCount
      lostPages = outcome.lostPages
      tables = outcome.tables.map {
        Table(
          name: $0.name, recoveredRows: $0.recoveredRowCount, unreadableRows: $0.unreadableRowCount,
          refusedRows: $0.refusedRowCount)
      }
      lostAndFoundRows = outcome.orphanRowCount
      schemaLost = outcome.schemaLost
      notes = outcome.notes
    }
  }
}
