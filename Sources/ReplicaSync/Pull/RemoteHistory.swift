internal import LibSQLClient
internal import LibSQLProtocol
internal import PageStore

/// A remote, asked for the history that a replica follows.
struct RemoteHistory {
  let remote: Remote

  /// - Throws: ``SyncError`` `.unsupportedProtocol` for a store that a later version has pulled.
  static func replicationProtocol(of identity: RemoteIdentity) throws -> ReplicationProtocol {
    guard let name = ReplicationProtocol(rawValue: identity.protocolName), name != .pullUpdates else {
      throw SyncError(.unsupportedProtocol, "the replica was pulled by a protocol that is not known here")
    }
    return name
  }

  /// A replica of V2 knows the address it was pulled from. At another one there has to be the same database.
  ///
  /// V1 needs no such check: the log says who it is.
  ///
  /// - Throws: ``SyncError`` `.otherRemote`; `RemoteError`.
  func requireSame(_ identity: RemoteIdentity) async throws {
    guard try Self.replicationProtocol(of: identity) == .v2,
      History.address(in: identity) != remote.url.description
    else { return }
    if let database = History.database(in: identity), try await V2Client(remote).info().database == database { return }
    throw SyncError(
      .otherRemote, "the replica is a copy of another database than the one at \(remote.url)",
      hint: "correct TURSO_DATABASE_URL or TURSO_REPLICA_PATH, or replace the copy with turso-sync pull --replace")
  }

  /// What has changed since a position that a replica keeps.
  func changes(since position: Int64, of identity: RemoteIdentity) throws -> ReplicationStream {
    switch try Self.replicationProtocol(of: identity) {
    case .v1:
      let place = UInt64(exactly: position).map { (logID: identity.name, frameNumber: $0) }
      return V1Client(remote).pull(from: place)
    case .v2, .pullUpdates:
      guard let (generation, frame) = History.v2(position) else {
        throw SyncError(.notAReplica, "the replica is at a position that V2 does not have")
      }
      return V2Client(remote).pull(generation: generation, frame: frame, database: History.database(in: identity))
    }
  }
}
