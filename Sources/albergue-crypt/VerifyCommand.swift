import ArgumentParser
import CommandSupport
import EncryptedStorage
import LibSQLClient
import PageStore
import ReplicaSync
import Verification

struct VerifyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Check every page MAC of file and log, the page count, and the structure. Exit code 1 with findings.",
    discussion: """
      Of a page store, also its state, that it holds every page of its image and no other, and the structure of the \
      database inside. A store whose first pull has not finished is not damaged.

      With --remote a replica is also compared with its remote, page by page, which reads the whole remote once; \
      nothing is stored. TURSO_AUTH_TOKEN, TURSO_AUTH_TOKEN_FILE or TURSO_AUTH_TOKEN_COMMAND give the token.

      Examples:
        albergue-crypt verify --keyring keys hostel.db
        albergue-crypt verify --quick --json --keyring keys *.db
        albergue-crypt verify --remote --url libsql://hostel.example --keyring keys replica.db
      """)

  @Argument(help: "Files to verify.", completion: .file())
  var files: [String]

  @Flag(help: "Print one JSON object.")
  var json = false

  @Flag(help: "Page MACs, page count, log and the pages of a page store only; no integrity_check.")
  var quick = false

  @Flag(help: "Compare replicas with the remote at TURSO_DATABASE_URL, too.")
  var remote = false

  @Option(help: "Address of the remote, for --remote. Wins over TURSO_DATABASE_URL.")
  var url: String?

  @OptionGroup var keys: KeyOptions
  @OptionGroup var cipher: CipherOptions

  func run() async throws {
    let logger = try LogSettings.logger("storage")
    let factory = try ConnectionFactory(keys: keys.load(logger), profile: cipher.profile(), logger: logger)
    let remote = try remote ? makeRemote() : nil
    var reports: [Report] = []
    var list = FileList()
    for file in files {
      let bar = ProgressBar()
      defer { bar.finish() }
      try await list.run(file, program: "albergue-crypt") {
        var report = Report(
          file: try await Verifier(factory: factory, isQuick: quick, progress: bar.progress).run(file))
        if let remote {
          report.remote = try await RemoteComparison(
            file, factory: factory.mounting(PageStoreMounting()), remote: remote, progress: bar.progress
          ).run()
        }
        bar.finish()
        reports.append(report)
        if !json { try show(report) }
      }
    }
    if json { try JSONOutput.print(Output(files: reports, errors: list.failures)) }
    // A file that could not be verified at all says more than findings in another one.
    try list.check()
    guard reports.allSatisfy(\.isClean) else { throw CommandFailure(.checkFailed) }
  }

  /// Token and customer key are read; nothing is sent.
  private func makeRemote() throws -> Remote {
    guard let url = url ?? Environment.value("TURSO_DATABASE_URL") else {
      throw CommandError(.usage, "it is not said where the remote is", hint: "set TURSO_DATABASE_URL")
    }
    let options = keys.loadingOptions(try LogSettings.logger("keys"))
    return try .fromEnvironment(try RemoteURL(url), options: options, logger: try LogSettings.logger("remote"))
  }

  private struct Output: Encodable {
    let files: [Report]
    let errors: [FileList.Failure]
  }

  /// What a file alone shows, and what its remote does.
  private struct Report: Encodable {
    let file: VerificationReport
    var remote: RemoteComparisonReport?

    var isClean: Bool { file.isClean && remote?.isEqual != false }

    private enum CodingKeys: String, CodingKey { case remote }

    /// One object: the report of the file, and the comparison in it.
    func encode(to encoder: any Encoder) throws {
      try file.encode(to: encoder)
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encodeIfPresent(remote, forKey: .remote)
    }
  }

  private func show(_ report: Report) throws {
    try show(report.file)
    guard let remote = report.remote else { return }
    try StandardOutput.line("  \(remote.summary)")
    for page in remote.differingPages.prefix(100) {
      try StandardOutput.line("  remote-differs: page \(page) of the image is not the remote's")
    }
  }

  private func show(_ report: VerificationReport) throws {
    var checked = "\(report.pageCount) pages, \(report.logFrameCount) log frames"
    if report.checkedStructure { checked += ", structure" }
    if report.checkedImage { checked += ", structure of the image" }
    if report.isClean {
      try StandardOutput.line("\(report.file): ok (\(checked); \(report.profile), key \(report.keyID))")
    } else {
      try StandardOutput.line("\(report.file): \(report.findings.count) findings (\(checked) checked)")
    }
    if let store = report.store { try StandardOutput.line("  \(store.summary)") }
    for finding in report.findings.prefix(100) {
      try StandardOutput.line("  \(finding.kind.rawValue): \(finding.detail)")
    }
    if report.findings.count > 100 {
      try StandardOutput.line("  … and \(report.findings.count - 100) more; --json lists all")
    }
  }
}

extension RemoteComparisonReport {
  /// One line for people.
  fileprivate var summary: String {
    var text =
      isEqual ? "equal to the remote" : "NOT equal to the remote: \(differingPages.count) pages differ"
    text += " at position \(position): \(comparedPageCount) pages compared"
    if missingPageCount > 0 { text += ", \(missingPageCount) not sent by it" }
    if !isCurrent { text += ", \(changedPageCount) changed there since, up to position \(remotePosition)" }
    return text
  }
}
