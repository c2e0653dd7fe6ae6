import ArgumentParser
import CommandSupport
import EncryptedStorage
import PageStore
import Verification

struct VerifyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Check every page MAC of file and log, the page count, and the structure. Exit code 1 with findings.",
    discussion: """
      Of a page store, also its state, that it holds every page of its image and no other, and the structure of the \
      database inside. A store whose first pull has not finished is not damaged.

      Examples:
        albergue-crypt verify --keyring keys hostel.db
        albergue-crypt verify --quick --json --keyring keys *.db
      """)

  @Argument(help: "Files to verify.", completion: .file())
  var files: [String]

  @Flag(help: "Print one JSON object.")
  var json = false

  @Flag(help: "Page MACs, page count, log and the pages of a page store only; no integrity_check.")
  var quick = false

  @OptionGroup var keys: KeyOptions
  @OptionGroup var cipher: CipherOptions

  func run() async throws {
    let logger = try LogSettings.logger("storage")
    let factory = try ConnectionFactory(keys: keys.load(logger), profile: cipher.profile(), logger: logger)
    var reports: [VerificationReport] = []
    var list = FileList()
    for file in files {
      let bar = ProgressBar()
      defer { bar.finish() }
      try await list.run(file, program: "albergue-crypt") {
        let report = try await Verifier(factory: factory, isQuick: quick, progress: bar.progress).run(file)
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

  private struct Output: Encodable {
    let files: [VerificationReport]
    let errors: [FileList.Failure]
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
