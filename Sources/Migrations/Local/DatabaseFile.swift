/// A local file, as `DATABASE_URL` names it for SeaORM: `sqlite:path` or `sqlite://path`, with `?mode=ro|rw|rwc`.
/// Source: https://docs.rs/sqlx/latest/sqlx/sqlite/struct.SqliteConnectOptions.html
public struct DatabaseFile: Sendable, Hashable {
  /// What may be done to the file.
  public enum Mode: String, Sendable, CaseIterable {
    /// It is read.
    case readOnly = "ro"
    /// It is changed, and must be there. The default.
    case readWrite = "rw"
    /// It is changed, and made where it is missing: encrypted, as every file here.
    case readWriteCreate = "rwc"
  }

  /// The file; relative to the working directory unless it begins with a slash.
  public let path: String
  /// What may be done to it.
  public let mode: Mode

  /// A file.
  public init(path: String, mode: Mode = .readWrite) {
    self.path = path
    self.mode = mode
  }

  /// Reads an address.
  ///
  /// - Throws: ``MigrationError`` `.usage` for every other kind of address, a database in memory, and settings that are not
  ///   known: none is passed over. The message does not quote the address, which may hold a token.
  public init(url: String) throws(MigrationError) {
    guard url.lowercased().hasPrefix("sqlite:") else {
      throw MigrationError(
        .usage, "the address of the database is not of a local file",
        hint: "use sqlite://path, as in sqlite://hostel.db")
    }
    var rest = url.dropFirst("sqlite:".count)
    if rest.hasPrefix("//") { rest = rest.dropFirst(2) }
    let parts = rest.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    guard let path = Self.percentDecoded(parts[0]), !path.isEmpty, !path.utf8.contains(0) else {
      throw MigrationError(.usage, "the address of the database names no file", hint: "use sqlite://path")
    }
    guard path != ":memory:" else { throw Self.memory }
    var mode = Mode.readWrite
    for setting in parts.count == 2 ? parts[1].split(separator: "&") : [] {
      let pair = setting.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard pair[0] == "mode" else {
        throw MigrationError(
          .usage, "the address of the database has a setting that is not supported",
          hint: "only mode=ro, mode=rw and mode=rwc are")
      }
      let value = pair.count == 2 ? String(pair[1]) : ""
      guard value != "memory" else { throw Self.memory }
      guard let known = Mode(rawValue: value) else {
        throw MigrationError(.usage, "the address of the database has an unknown mode", hint: "use ro, rw or rwc")
      }
      mode = known
    }
    self.init(path: path, mode: mode)
  }

  private static let memory = MigrationError(
    .usage, "a database in memory would be gone with this program", hint: "name a file")

  /// Nil when an escape is not one, or the bytes are no UTF-8.
  private static func percentDecoded(_ text: Substring) -> String? {
    var bytes: [UInt8] = []
    var rest = text.utf8[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      guard let digits = String(rest.prefix(2)), digits.utf8.count == 2, let value = UInt8(digits, radix: 16) else {
        return nil
      }
      bytes.append(value)
      rest = rest.dropFirst(2)
    }
    return String(validating: bytes, as: UTF8.self)
  }
}
