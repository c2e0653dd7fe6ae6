/// What a script says about itself in its front matter: comment lines at its very start, between two lines `-- ---`.
///
/// ```
/// -- ---
/// -- foreign-keys: off
/// -- ---
/// ```
public struct ScriptOptions: Sendable, Hashable {
  /// What becomes of the enforcement of foreign keys while the script runs.
  public enum ForeignKeys: String, Sendable, CaseIterable {
    /// Off for a script that makes a table anew, else on. The default.
    case automatic
    /// Enforced by every statement.
    case on
    /// Not enforced, but compared before and after: the script may leave no new violation.
    case off
  }

  /// How many transactions a script is at a remote. A local file always runs it in one.
  public enum RemoteTransactions: String, Sendable, CaseIterable {
    /// One, with its record. The default.
    case whole
    /// One for each statement, for changes of rows that take longer than a remote lets a transaction take. What was done is
    /// recorded with each, so that a run that stops in between is continued by the next one.
    case eachStatement = "each-statement"
  }

  /// `remote-transactions`
  public var remoteTransactions = RemoteTransactions.whole
  /// `foreign-keys`
  public var foreignKeys = ForeignKeys.automatic
  /// `description`, a text for people.
  public var description: String?

  /// The defaults.
  public init() {}

  private static let fence = "---"

  /// - Throws: ``MigrationError`` `.invalidScript` for a name or a setting that is not known: a misspelt option is never
  ///   passed over.
  init(frontMatterOf bytes: [UInt8], source: String) throws(MigrationError) {
    var isOpen = false
    for (offset, line) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
      let text = String(decoding: line, as: UTF8.self)
      guard text.hasPrefix("--") else { break }
      let content = Self.trimmed(text.dropFirst(2))
      if content == Self.fence {
        if isOpen { return }
        isOpen = true
      } else if isOpen {
        try set(content, place: "\(source):\(offset + 1)")
      } else {
        return
      }
    }
    guard !isOpen else {
      throw MigrationError(
        .invalidScript, "\(source): the front matter has no end", hint: "end it with a line: -- ---")
    }
  }

  private mutating func set(_ line: String, place: String) throws(MigrationError) {
    guard !line.isEmpty else { return }
    let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map { Self.trimmed($0) }
    let value = parts.count == 2 ? parts[1] : ""
    switch parts[0] {
    case "foreign-keys":
      guard let setting = ForeignKeys(rawValue: value) else {
        throw MigrationError(
          .invalidScript, "\(place): unknown setting of foreign-keys",
          hint: "use \(ForeignKeys.allCases.map(\.rawValue).joined(separator: ", "))")
      }
      foreignKeys = setting
    case "remote-transactions":
      guard let setting = RemoteTransactions(rawValue: value) else {
        throw MigrationError(
          .invalidScript, "\(place): unknown setting of remote-transactions",
          hint: "use \(RemoteTransactions.allCases.map(\.rawValue).joined(separator: ", "))")
      }
      remoteTransactions = setting
    case "description": description = value
    default:
      throw MigrationError(
        .invalidScript, "\(place): unknown option in the front matter",
        hint: "options are: foreign-keys, remote-transactions, description")
    }
  }

  private static func trimmed(_ text: some StringProtocol) -> String {
    String(text.drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
  }
}
