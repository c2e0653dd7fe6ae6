internal import EncryptedStorage
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import LibSQLProtocol
internal import NIOCore
internal import PageStore
internal import ServerAccess

/// Answers the requests of replicas: V1 (gRPC-web), V2 (`/info`, `/export`, `/sync`) and Turso's `/pull-updates`, out of one
/// primary.
///
/// Every answer is made of one snapshot of the store, which ends with a commit, and carries the newest content of each page
/// that has changed since the replica's position: there is no log of former contents. What a replica has applied is
/// therefore always a state that the primary was in.
struct ReplicationService: Sendable {
  /// What is served.
  struct Options: Sendable {
    /// Whether V2 is there. Old clients drop their local encryption key where it is, and take V1 where it is not:
    /// tursodatabase/libsql#2165.
    var servesSync = true
    /// Snapshots at a time; who wants one more waits.
    var snapshotCountLimit = 16
    /// How long a client may take nothing of an answer.
    var stallLimit: Duration = .seconds(60)
    /// How long a request may take to arrive, other than a push.
    var requestTime: Duration = .seconds(60)
    /// How long the frames of a push may take to arrive.
    var pushTime: Duration = .seconds(600)
    /// How long a snapshot that a replica of Turso reads in several requests is kept after its last use.
    var pinExpiry: Duration = .seconds(30)
  }

  let pool: SnapshotPool
  let options: Options
  let tally = ReplicationCounters.Tally()
  let notifier = CommitNotifier()
  let pushes: PushReceiver
  let pinned: PinnedSnapshots
  /// Of this process: clients of V1 say Hello again after a restart.
  let sessionToken: String
  /// Of the store: replicas notice when another one is served at the same address.
  let identity: String

  /// Opens the primary at `path` for its replicas.
  ///
  /// - Throws: as `ConnectionFactory.open`; `.denied` for a replica.
  init(path: String, factory: ConnectionFactory, options: Options = Options()) async throws {
    pool = try await SnapshotPool.open(path, factory: factory, countLimit: options.snapshotCountLimit)
    identity = try await pool.state().identity
    pushes = PushReceiver(path: path, factory: factory)
    pinned = PinnedSnapshots(expiry: options.pinExpiry)
    self.options = options
    sessionToken = PrimaryState.makeIdentity()
  }

  /// To be called after every commit of SQL: ends long polls.
  func committed() { notifier.committed() }

  /// What was done since the start.
  func counters() async -> ReplicationCounters {
    var counters = tally.values
    counters.openSnapshots = await pool.openCount
    return counters
  }

  /// Closes the store. Answers that are being sent break off when they need another page.
  func close() async {
    await pushes.close()
    await pinned.close()
    await pool.close()
  }

  /// Answers a request. Calls of `proxy.Proxy` are not answered here.
  ///
  /// - Parameters:
  ///   - headers: of the request.
  ///   - right: what the client may do, which has been checked.
  /// - Throws: `CancellationError`. All else is an answer.
  func respond(
    to route: ReplicationRoute, headers: HTTPFields, body: RequestBody, right: AccessRight
  ) async throws -> Response {
    do {
      switch route {
      case .call(let method): return try await respond(to: method, headers, body)
      case .sync(let route):
        guard options.servesSync else { throw ReplicationFailure(.notFound, .unimplemented, "there is no V2 here") }
        return try await respond(to: route, body, right)
      case .pullUpdates: return try await pullUpdates(body)
      }
    } catch {
      try Task.checkCancellation()
      let failure = ReplicationFailure(error)
      if case .call = route { return failure.callResponse }
      return failure.response
    }
  }
}
