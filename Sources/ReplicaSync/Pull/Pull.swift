internal import EncryptedStorage
internal import LibSQLClient
internal import LibSQLProtocol
internal import PageStore

/// Brings one replica to where its remote is: the first pull, changes, or a new image when the remote's history is another.
struct Pull {
  let path: String
  let store: PageStore
  let factory: ConnectionFactory
  let remote: Remote
  let settings: ReplicaSettings
  /// Whether the image is pulled anew whatever it is, of another remote too.
  let replacesImage: Bool
  let clock: WallClock
  let progress: Progress?
  /// Where the replica stands, if that is known; it is read off the file otherwise, and nil after a run that did not succeed
  /// or has made another image.
  var standing: Standing?

  private var history: RemoteHistory { RemoteHistory(remote: remote) }

  /// Beside the replica, while a new image is pulled in place of one with another history.
  static let replacementSuffix = ".albergue-replacement"

  /// - Throws: `RemoteError`, `EncryptedStorageError`, ``SyncError``. Whatever was applied before is a state that the remote
  ///   was in.
  mutating func run() async throws -> SyncReport {
    var report = SyncReport()
    report.lastSync = clock.now
    guard let known = try await takeStanding() else {
      try await bootstrap(store, try await chosenProtocol(), &report)
      report.kind = .bootstrapped
      return report
    }
    guard !replacesImage else {
      try await replaceImage(try await chosenProtocol(), &report)
      return report
    }
    do {
      try await history.requireSame(known.identity)
      standing = try await applyChanges(to: store, known, &report)
    } catch  where Self.asksForNewImage(error) {
      try await replaceImage(try RemoteHistory.replicationProtocol(of: known.identity), &report)
    }
    return report
  }

  /// Where a replica stands. Only who has its lock changes that, so that whoever keeps the lock can remember it.
  struct Standing {
    let identity: RemoteIdentity
    var image: ImageState
    /// As the file has it.
    var lastSync: Int64?
  }

  /// Nil before the first pull.
  private mutating func takeStanding() async throws -> Standing? {
    if let known = standing.take() { return known }
    let state = try await store.state()
    guard state.role == .replica else {
      throw SyncError(
        .notAReplica, "the file is the store of a primary, not a replica", hint: "name another TURSO_REPLICA_PATH")
    }
    guard let image = state.image, let identity = state.remote else { return nil }
    return Standing(identity: identity, image: image, lastSync: state.lastSync)
  }

  /// The log is another one than the replica's.
  private struct OtherLog: Error {}

  /// Whether a new image is the remedy.
  private static func asksForNewImage(_ error: any Error) -> Bool {
    switch error {
    case is OtherLog: true
    case let error as RemoteError: error.code == .otherHistory
    case let error as SyncError: error.code == .transactionTooLarge
    // The changes do not fit the image, so one of them is not what the remote has.
    case let error as EncryptedStorageError: error.code == .invalidPages
    default: false
    }
  }

  // MARK: - Which remote, which protocol

  private func chosenProtocol() async throws -> ReplicationProtocol {
    if let name = settings.replicationProtocol { return name }
    return try await ProtocolProbe(remote).replicationProtocol()
  }

  // MARK: - Changes

  /// Applies what has changed since `former`.
  ///
  /// - Returns: where the replica stands afterwards.
  @discardableResult
  private func applyChanges(
    to store: PageStore, _ former: Standing, _ report: inout SyncReport
  ) async throws -> Standing {
    let identity = former.identity
    var standing = former
    var collector = ChangeCollector(pageCount: former.image.pageCount, limits: settings.limits)
    func apply(_ change: ChangeCollector.Change, syncedAt time: Int64?) async throws {
      let batch = PageBatch(
        remote: identity, basePosition: standing.image.position, position: change.position,
        pageCount: change.pageCount, pages: change.pages.map { Page(number: $0.key, bytes: $0.value) })
      standing.image = try await store.apply(batch, syncedAt: time)
      if let time { standing.lastSync = time }
      if !change.pages.isEmpty { report.kind = .changed }
    }
    progress?.step("pulling changes")
    for try await event in try history.changes(since: former.image.position, of: identity) {
      switch event {
      case .pages(let run):
        try collector.add(run)
        count(run.count, &report)
      case .commit(let place, let pageCount):
        if case .v1(let logID, _) = place, logID != identity.name { throw OtherLog() }
        for change in try collector.commit(History.number(place), pageCount: pageCount) {
          try await apply(change, syncedAt: nil)
        }
      case .moved(let place): try collector.move(to: History.number(place))
      case .discard: collector.discard()
      case .reset: throw OtherLog()
      }
    }
    if let rest = collector.finish() {
      try await apply(rest, syncedAt: report.lastSync)
    } else if standing.lastSync != report.lastSync {
      // At most once a second. Others wait for it, so it is not put off; but neither does it wait for the disk.
      try await store.noteSync(at: report.lastSync)
      standing.lastSync = report.lastSync
    }
    (report.protocol, report.position, report.imagePageCount) = (
      identity.protocolName, standing.image.position, standing.image.pageCount
    )
    return standing
  }

  func count(_ pageCount: Int, _ report: inout SyncReport) {
    report.pages += Int64(pageCount)
    report.bytes += Int64(pageCount * RemotePageFormat.byteCount)
    progress?.advance(by: Int64(pageCount * RemotePageFormat.byteCount))
  }

  // MARK: - Another history

  /// Pulls a new image beside the replica, and gives it to the replica in one step when it is whole.
  private func replaceImage(_ name: ReplicationProtocol, _ report: inout SyncReport) async throws {
    let path = path + Self.replacementSuffix
    let factory = factory
    // What a killed run left is of no use: the remote may have gone on.
    try await BlockingWork.run { _ in try PageStore.removeReplica(path) }
    let replacement = try await PageStore.create(path, role: .replica, factory: factory)
    do {
      try await bootstrap(replacement, name, &report)
      await replacement.close()
      try await store.replaceImage(withImageOf: path)
    } catch {
      await replacement.close()
      // The reason is the first error; what stays is encrypted, and removed by the next pull.
      try? await BlockingWork.run { _ in try PageStore.removeReplica(path) }
      throw error
    }
    try await BlockingWork.run { _ in try PageStore.removeReplica(path) }
    report.kind = .replaced
  }

  /// A first pull, and what has changed since.
  private func bootstrap(
    _ store: PageStore, _ name: ReplicationProtocol, _ report: inout SyncReport
  ) async throws {
    let (identity, image, isCurrent) =
      switch name {
      case .v2: try await bootstrapV2(store, &report)
      case .v1: try await bootstrapV1(store, &report)
      case .pullUpdates:
        throw SyncError(
          .unsupportedProtocol, "the remote has neither V1 nor V2, and pull-updates is not supported here yet")
      }
    (report.protocol, report.position, report.imagePageCount) = (
      identity.protocolName, image.position, image.pageCount
    )
    guard !isCurrent else { return }
    try await applyChanges(to: store, Standing(identity: identity, image: image, lastSync: nil), &report)
  }
}
