import ArgumentParser
import CommandSupport
import EncryptedStorage
import EncryptionKeys

struct StatusCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Say what files are, without writing anything. Works without a key, too.")

  @Argument(help: "Files to look at.", completion: .file())
  var files: [String]

  @Flag(help: "Print one JSON object.")
  var json = false

  @OptionGroup var keys: KeyOptions

  func run() async throws {
    let logger = try LogSettings.logger("storage")
    let classifier = FileClassifier(keys: try candidates(try keys.loadIfAny(logger)))
    var statuses: [FileStatus] = []
    var list = FileList()
    for file in files {
      try await list.run(file, program: "albergue-crypt") {
        let status = try await classifier.run(file)
        statuses.append(status)
        if !json { try show(status) }
      }
    }
    if json { try JSONOutput.print(Output(files: statuses, errors: list.failures)) }
    try list.check()
  }

  private struct Output: Encodable {
    let files: [FileStatus]
    let errors: [FileList.Failure]
  }

  private func candidates(_ keySet: KeySet?) throws -> [KeyMaterial] { try keySet?.candidates() ?? [] }

  private func show(_ status: FileStatus) throws {
    try StandardOutput.line("\(status.file): \(status.kind.rawValue)")
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
    if status.isExposed { try StandardOutput.line("  warning: group or others can open this file; chmod 600 it") }
  }
}
