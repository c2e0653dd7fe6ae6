package import EncryptedStorage
package import LibSQLClient
internal import PageStore

/// Compares a replica with its remote, page by page, without changing either.
///
/// The remote's image is streamed past the replica's snapshot, page run by page run, and nothing of it is stored. Then it is
/// asked what has changed since the replica's position. Once both have come to one position, every page that has not changed
/// since must be equal; those that have will be replaced by the next pull, and are counted.
package struct RemoteComparison {
  private let path: String
  private let factory: ConnectionFactory
  private let remote: Remote
  private let progress: Progress?

  /// How often the remote is followed when it goes on meanwhile.
  private static let roundCountMax = 20

  package init(_ path: String, factory: ConnectionFactory, remote: Remote, progress: Progress? = nil) {
    self.path = path
    self.factory = factory
    self.remote = remote
    self.progress = progress
  }

  /// - Throws: `EncryptedStorageError` about the replica; `RemoteError`; ``SyncError`` `.otherRemote` when the replica is of
  ///   another database or history, `.restless` when the remote is written faster than it can be read.
  package func run() async throws -> RemoteComparisonReport {
    let snapshot = try await ImageSnapshot.open(path, factory: factory)
    do {
      let report = try await compare(snapshot)
      await snapshot.close()
      return report
    } catch {
      await snapshot.close()
      if let error = error as? RemoteError, error.code == .otherHistory { throw SyncError.otherHistory }
      throw error
    }
  }

  private func compare(_ snapshot: ImageSnapshot) async throws -> RemoteComparisonReport {
    let history = RemoteHistory(remote: remote)
    let identity = snapshot.remote
    try await history.requireSame(identity)
    progress?.step("comparing with the remote")
    progress?.begin(total: Int64(snapshot.image.pageCount) * Int64(RemotePageFormat.byteCount))
    var theirs = RemoteState(snapshot)
    try await readImage(of: identity, history, into: &theirs)
    // What has changed here is asked last, so that it is not older than what was read before.
    var since = ChangedSince(position: snapshot.image.position)
    for _ in 1...Self.roundCountMax {
      try await since.follow(identity, history)
      if since.position == theirs.position {
        return RemoteComparisonReport(
          protocol: identity.protocolName, position: snapshot.image.position, remotePosition: theirs.position,
          imagePageCount: snapshot.image.pageCount, remotePageCount: theirs.pageCount,
          changedSince: since.pages, differing: theirs.differing, missing: theirs.missingPages)
      }
      try await theirs.read(history.changes(since: theirs.position, of: identity), identity)
    }
    throw SyncError(
      .restless, "the remote went on each time it was asked where it is", hint: "try again when it is written less")
  }

  /// All that the remote has.
  private func readImage(
    of identity: RemoteIdentity, _ history: RemoteHistory, into theirs: inout RemoteState
  ) async throws {
    switch try RemoteHistory.replicationProtocol(of: identity) {
    case .v1, .pullUpdates:
      try await theirs.read(V1Client(remote).pull(from: nil), identity, progress)
    case .v2:
      let client = V2Client(remote)
      let database = History.database(in: identity)
      let generation = try await client.currentGeneration()
      let image = try await client.image(generation: generation, database: database)
      for try await run in image {
        try await theirs.receive(run)
        progress?.advance(by: Int64(run.count * RemotePageFormat.byteCount))
      }
      try theirs.commit(image.position, pageCount: image.pageCount)
      try await theirs.read(history.changes(since: theirs.position, of: identity), identity, progress)
    }
  }
}

/// What the remote has turned out to hold, compared with the replica as it came.
private struct RemoteState {
  private let snapshot: ImageSnapshot
  private(set) var position: Int64 = History.emptyLog
  private(set) var pageCount: UInt32 = 0
  /// Pages of the remote that the replica has not got as they are there.
  private var unequal: Set<UInt32> = []
  private var seen: Set<UInt32> = []
  /// What pages of the transaction that is under way will be: whether equal.
  private var pending: [UInt32: Bool] = [:]

  init(_ snapshot: ImageSnapshot) { self.snapshot = snapshot }

  /// Within the remote's image.
  var differing: Set<UInt32> { unequal.filter { $0 <= pageCount } }

  /// Pages that the remote has and never sent.
  var missingPages: Int {
    let hasLockBytePage = pageCount >= RemotePageFormat.lockBytePage && !seen.contains(RemotePageFormat.lockBytePage)
    return Int(pageCount) - seen.count { $0 <= pageCount } - (hasLockBytePage ? 1 : 0)
  }

  mutating func read(
    _ stream: ReplicationStream, _ identity: RemoteIdentity, _ progress: Progress? = nil
  ) async throws {
    for try await event in stream {
      switch event {
      case .pages(let run):
        try await receive(run)
        progress?.advance(by: Int64(run.count * RemotePageFormat.byteCount))
      case .commit(let place, let pageCount): try commit(place, pageCount: pageCount, of: identity)
      case .moved(let place): position = try History.number(place)
      case .discard: pending = [:]
      case .reset: throw SyncError.otherHistory
      }
    }
    pending = [:]
  }

  mutating func receive(_ run: [RemotePage]) async throws {
    let pages = run.filter { $0.number != RemotePageFormat.lockBytePage }
      .map { Page(number: $0.number, bytes: $0.bytes) }
    let differing = Set(try await snapshot.differing(pages))
    for page in pages { pending[page.number] = !differing.contains(page.number) }
  }

  mutating func commit(_ place: ReplicationPosition, pageCount: UInt32, of identity: RemoteIdentity? = nil) throws {
    if case .v1(let logID, _) = place, let identity, logID != identity.name { throw SyncError.otherHistory }
    for (page, isEqual) in pending {
      seen.insert(page)
      if isEqual { unequal.remove(page) } else { unequal.insert(page) }
    }
    pending = [:]
    position = try History.number(place)
    self.pageCount = pageCount
  }
}

/// Which pages the remote has changed since a position.
private struct ChangedSince {
  private(set) var position: Int64
  private(set) var pages: Set<UInt32> = []
  private var pending: Set<UInt32> = []

  init(position: Int64) { self.position = position }

  /// Goes on to where the remote is now.
  mutating func follow(_ identity: RemoteIdentity, _ history: RemoteHistory) async throws {
    for try await event in try history.changes(since: position, of: identity) {
      switch event {
      case .pages(let run): pending.formUnion(run.map(\.number))
      case .commit(let place, _):
        if case .v1(let logID, _) = place, logID != identity.name { throw SyncError.otherHistory }
        pages.formUnion(pending)
        pending = []
        position = try History.number(place)
      case .moved(let place): position = try History.number(place)
      case .discard: pending = []
      case .reset: throw SyncError.otherHistory
      }
    }
    pending = []
  }
}

extension SyncError {
  /// The replica follows a history that the remote does not have any more.
  fileprivate static var otherHistory: SyncError {
    SyncError(
      .otherRemote, "the remote has another history than the replica, which cannot be compared with it",
      hint: "run turso-sync pull, which replaces the image, and verify again")
  }
}
