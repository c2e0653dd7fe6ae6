public import LibSQLClient

/// Where a replica is, what it is a copy of, and how it is kept fresh.
public struct ReplicaSettings: Sendable {
  /// `DB_MODE`: what kind of file the replica is.
  public enum Mode: String, Sendable, CaseIterable {
    /// A page store: read locally, written through the remote, kept fresh while it is read.
    case embeddedReplica = "libsql_embedded_replica"
    /// An ordinary encrypted database, synchronised by hand while nobody has it open.
    case ordinaryFile = "seaorm_sqlite"
  }

  /// What kind of file the replica is.
  public var mode = Mode.embeddedReplica
  /// The local file.
  public var path: String
  /// The remote.
  public var url: RemoteURL
  /// The protocol of a first pull; nil to ask the remote. Later pulls use the one that the replica remembers.
  public var replicationProtocol: ReplicationProtocol?
  /// Time between two syncs; zero for none without being asked. Default 60 s.
  public var interval = Duration.seconds(60)
  /// Whether a read sees what was written through this replica before. Default true.
  public var readsYourWrites = true
  /// How long a read waits for that. Default 5 s.
  public var readDeadline = Duration.seconds(5)
  /// Connections that read at a time. Default 4.
  public var readerCount = 4
  /// Bounds of memory.
  public var limits = Limits()

  /// Bounds of memory during a pull.
  public struct Limits: Sendable, Hashable {
    /// Bytes of pages of several transactions that are applied together. Default 64 MiB.
    public var batchByteCount = 64 << 20
    /// Bytes of pages of one transaction, which is applied as a whole. Default 512 MiB.
    public var transactionByteCount = 512 << 20

    /// The defaults.
    public init() {}
  }

  /// A replica at `path` of the database at `url`.
  public init(path: String, url: RemoteURL) {
    self.path = path
    self.url = url
  }
}

extension ReplicaSettings {
  /// What the variables of the environment say; an empty one counts as unset.
  ///
  /// | variable | meaning |
  /// |---|---|
  /// | `DB_MODE` | ``mode`` |
  /// | `TURSO_DATABASE_URL`, else `DATABASE_URL` if it is of a remote | ``url`` |
  /// | `TURSO_REPLICA_PATH` | ``path`` |
  /// | `TURSO_SYNC_INTERVAL_SECS` | ``interval``, 0 to 86400 |
  /// | `TURSO_READ_YOUR_WRITES` | ``readsYourWrites``: `true`, `false`, `1` or `0` |
  ///
  /// - Parameter value: gives a variable.
  /// - Throws: ``SyncError`` `.configuration` for what is missing or not known, and for a mode that is not there yet;
  ///   `RemoteError` for an address that cannot be used.
  public init(
    environment value: (String) -> String?, path: String? = nil, url: String? = nil
  ) throws {
    func variable(_ name: String) -> String? { value(name).flatMap { $0.isEmpty ? nil : $0 } }
    let mode = try Self.mode(variable("DB_MODE"))
    guard let path = path ?? variable("TURSO_REPLICA_PATH") else {
      throw SyncError(.configuration, "it is not said where the replica is", hint: "set TURSO_REPLICA_PATH")
    }
    let general = variable("DATABASE_URL").flatMap { RemoteURL.hasRemoteScheme($0) ? $0 : nil }
    guard let url = url ?? variable("TURSO_DATABASE_URL") ?? general else {
      throw SyncError(.configuration, "it is not said where the remote is", hint: "set TURSO_DATABASE_URL")
    }
    self.init(path: path, url: try RemoteURL(url))
    self.mode = mode
    if let text = variable("TURSO_SYNC_INTERVAL_SECS") {
      interval = try Self.interval(text, named: "TURSO_SYNC_INTERVAL_SECS")
    }
    if let text = variable("TURSO_READ_YOUR_WRITES") { readsYourWrites = try Self.flag(text) }
  }

  /// - Throws: ``SyncError`` `.configuration`.
  package static func mode(_ name: String?) throws(SyncError) -> Mode {
    guard let name else { return .embeddedReplica }
    guard let mode = Mode(rawValue: name) else {
      throw SyncError(
        .configuration, "DB_MODE: an unknown mode",
        hint: "use \(Mode.allCases.map(\.rawValue).joined(separator: " or "))")
    }
    return mode
  }

  /// Whole seconds or a decimal fraction.
  ///
  /// - Throws: ``SyncError`` `.configuration`.
  package static func interval(_ text: String, named name: String) throws(SyncError) -> Duration {
    guard let seconds = Double(text), (0...86_400).contains(seconds) else {
      throw SyncError(.configuration, "\(name): not a number of seconds between 0 and 86400")
    }
    return .seconds(seconds)
  }

  private static func flag(_ text: String) throws(SyncError) -> Bool {
    switch text.lowercased() {
    case "true", "1": return true
    case "false", "0": return false
    default: throw SyncError(.configuration, "TURSO_READ_YOUR_WRITES: neither true nor false")
    }
  }
}
