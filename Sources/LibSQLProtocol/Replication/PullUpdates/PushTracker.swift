/// How far a Turso client's changes have been pushed: one row for each client, in the server's database, so that it arrives
/// by a pull like any other row.
///
/// A push is a batch of `POST /v2/pipeline`: begin, make the table, the changes, this row, commit. The batch itself is
/// Hrana; here is what it means.
///
/// - Source: tursodatabase/turso, sync/engine; recorded clients.
public struct PushTracker: Sendable, Hashable {
  /// The table, as every Turso client names it.
  public static let table = "turso_sync_last_change_id"
  /// Makes the table.
  public static let createStatement =
    "CREATE TABLE IF NOT EXISTS \(table) (client_id TEXT PRIMARY KEY, pull_gen INTEGER, change_id INTEGER)"
  /// Reads the row of a client. One parameter: the client id.
  public static let selectStatement = "SELECT pull_gen, change_id FROM \(table) WHERE client_id = ?"
  /// Writes the row. Three parameters: client id, pull generation, change id.
  public static let upsertStatement = """
    INSERT INTO \(table) (client_id, pull_gen, change_id) VALUES (?, ?, ?) \
    ON CONFLICT (client_id) DO UPDATE SET pull_gen = excluded.pull_gen, change_id = excluded.change_id
    """

  /// Counts the pulls of the client that changed its base, and with it the ids of its changes.
  public let pullGeneration: Int64
  /// The last change that is in the server's database.
  public let changeID: Int64

  /// A row.
  public init(pullGeneration: Int64, changeID: Int64) {
    self.pullGeneration = pullGeneration
    self.changeID = changeID
  }

  /// Whether the failure of ``selectStatement`` says that nobody has pushed yet. Clients look for these words, so a server
  /// has to keep them.
  public static func isMissingTable(message: String) -> Bool {
    message.utf8.count <= 4096 && message.contains("no such table") && message.contains(table)
  }

  /// After which change a client goes on.
  ///
  /// - Parameters:
  ///   - remote: the server's row; nil when there is none.
  ///   - pullGeneration: the client's own.
  /// - Returns: a change id; 0 for all changes.
  /// - Throws: ``WireFormatError`` `.malformed` when the server is ahead of the client: the client's state is older than its
  ///   own pushes, as after a restored copy.
  public static func lastPushedChange(
    remote: PushTracker?, pullGeneration: Int64
  ) throws(WireFormatError) -> Int64 {
    guard let remote, remote.pullGeneration >= pullGeneration else { return 0 }
    guard remote.pullGeneration == pullGeneration else {
      throw WireFormatError(.malformed, "push tracker", "the server has a later pull generation than this client")
    }
    return remote.changeID
  }
}
