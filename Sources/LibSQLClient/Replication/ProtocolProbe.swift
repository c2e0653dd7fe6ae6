internal import LibSQLProtocol

/// Finds out which replication protocol a remote speaks.
///
/// Only an answer that says so decides: the one of a server that has the protocol, or that it has no such path. A server
/// that is starting, overloaded or out of reach is an error, so that a passing failure never changes the protocol of a
/// replica.
public struct ProtocolProbe: Sendable {
  private let remote: Remote

  /// A probe. Nothing is sent yet.
  public init(_ remote: Remote) { self.remote = remote }

  /// Tries V2, then V1, then pull-updates.
  ///
  /// - Throws: ``RemoteError``: `.unsupportedProtocol` when the server has none of them; else why it could not be asked.
  public func replicationProtocol() async throws(RemoteError) -> ReplicationProtocol {
    if try await exists({ () async throws(RemoteError) in _ = try await V2Client(remote).currentGeneration() }) {
      return .v2
    }
    if try await exists({ () async throws(RemoteError) in _ = try await V1Client(remote).hello() }) { return .v1 }
    if try await exists({ () async throws(RemoteError) in try await pullUpdates() }) { return .pullUpdates }
    throw RemoteError(
      .unsupportedProtocol, "probe", url: remote.url.description,
      detail:
        "the server has none of the replication protocols: not /info, not wal_log.ReplicationLog, not /pull-updates",
      hint: "check that the address is that of a database which allows replicas")
  }

  /// Whether a call is answered by a server that knows it.
  private func exists(_ call: () async throws(RemoteError) -> Void) async throws(RemoteError) -> Bool {
    do throws(RemoteError) {
      try await call()
      return true
    } catch {
      // No such path, no such method, or, for the last, another kind of database.
      let isAbsent = error.status == 404 || error.status == 405 || error.status == 501
      guard isAbsent || (error.code == .unsupportedProtocol && error.status == nil) else { throw error }
      return false
    }
  }

  /// Asks for page 1 alone.
  private func pullUpdates() async throws(RemoteError) {
    var request = PullUpdatesRequest()
    request.pages = PageSet([0...0])
    try await PullUpdatesAnswer.open(remote, request).requirePages()
  }
}
