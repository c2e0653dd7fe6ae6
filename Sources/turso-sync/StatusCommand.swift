import ArgumentParser
import CommandSupport
import PageStore
import ReplicaSync
import WorkingCopy

struct StatusCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Say where the replica stands and how old it is, without asking the remote.",
    discussion: """
      Examples:
        turso-sync status --replica hostel.db --keyring keys
        turso-sync status --json | jq .lagSeconds
      """)

  @Flag(help: "Print one JSON object.")
  var json = false

  @OptionGroup var replica: ReplicaOptions

  func run() async throws {
    let mode = try ReplicaSettings.mode(Environment.value("DB_MODE"))
    let path = try replica.path() + (mode == .ordinaryFile ? WorkingCopy.baseSuffix : "")
    let status = try await ReplicaStatus.of(path, try replica.factory())
    if json {
      try JSONOutput.print(Output(file: path, status: status))
    } else {
      try StandardOutput.line("\(path): \(status.summary)")
    }
  }

  private struct Output: Encodable {
    let file: String
    let status: ReplicaStatus

    private enum CodingKeys: String, CodingKey { case file, lagSeconds, syncing }

    /// One object: the state, and these beside it.
    func encode(to encoder: any Encoder) throws {
      try status.state.encode(to: encoder)
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(file, forKey: .file)
      try container.encodeIfPresent(status.lag, forKey: .lagSeconds)
      try container.encode(status.isBeingSynchronised, forKey: .syncing)
    }
  }
}

extension ReplicaStatus {
  /// One line for people.
  fileprivate var summary: String {
    guard let image = state.image else { return "empty: its first pull has not finished" }
    var facts = ["position \(image.position)", "\(image.pageCount) pages"]
    if let remote = state.remote { facts.append("protocol \(remote.protocolName)") }
    facts.append(lag.map { "\($0) s old" } ?? "of unknown age")
    if isBeingSynchronised { facts.append("being synchronised") }
    return facts.joined(separator: ", ")
  }
}
