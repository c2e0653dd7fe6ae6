/// One step of a schema's history.
public struct Migration: Sendable, Hashable {
  /// Its name in the tracker, and its place in the order: `m20260111_000001_users`.
  public let version: String
  /// What brings it into the database.
  public let up: MigrationScript
  /// What takes it back; nil when that is impossible.
  public let down: MigrationScript?

  /// A migration of scripts that were read.
  ///
  /// - Throws: ``MigrationError`` `.invalidScript` for a version that is not letters, digits and `_`.
  public init(version: String, up: MigrationScript, down: MigrationScript?) throws(MigrationError) {
    guard Self.isVersion(version) else {
      throw MigrationError(
        .invalidScript, "\"\(version)\" is no name of a migration", hint: "use letters, digits and _, at most 200")
    }
    self.version = version
    self.up = up
    self.down = down
  }

  /// A migration that is written in Swift: its SQL runs on local and on remote databases alike.
  ///
  /// - Throws: ``MigrationError`` `.invalidScript`.
  public init(version: String, up: String, down: String?) throws(MigrationError) {
    var downScript: MigrationScript?
    if let down { downScript = try MigrationScript(down, source: "\(version) (down)") }
    try self.init(version: version, up: MigrationScript(up, source: "\(version) (up)"), down: downScript)
  }

  private static func isVersion(_ text: String) -> Bool {
    (1...200).contains(text.utf8.count)
      && text.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
          true
        default: false
        }
      }
  }
}
