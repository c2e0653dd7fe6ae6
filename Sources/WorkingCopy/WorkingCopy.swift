public import EncryptedStorage
internal import EncryptionKeys
internal import Glibc
public import LibSQLClient

/// An ordinary SQLCipher database that is a copy of a remote one, to be changed by any program that knows its key, and pushed
/// back: `DB_MODE=seaorm_sqlite`.
///
/// Beside it lies the encrypted image that it was made from, `PATH.albergue-base`: what was changed is what differs from
/// that. Nobody may have the file open during a run.
public struct WorkingCopy: Sendable {
  /// Limits of what is sent.
  public struct Limits: Sendable {
    /// Bytes of statements in one request. Default 2 MiB.
    public var requestByteCount = 2 << 20
    /// Statements in one request. Default 500.
    public var requestStatementCount = 500
    /// Bytes of one statement, which is one row. Default 24 MiB.
    public var statementByteCount = 24 << 20
    /// How often a push is planned anew because the remote has changed meanwhile. Default 5.
    public var planCount = 5

    /// The defaults.
    public init() {}
  }

  /// What follows the name of the working copy in that of its base, a page store.
  public static let baseSuffix = ".albergue-base"

  private let files: CopyFiles
  private let desks: @Sendable () -> CopyDesk
  private let sender: PushSender
  private let limits: Limits
  private let pullImage: @Sendable (String) async throws -> Void

  /// A working copy, which need not be there yet. Nothing is opened.
  ///
  /// - Parameters:
  ///   - path: of the working copy.
  ///   - factory: for the keys, the profile of new files, and the mounting of page stores, which it must do.
  ///   - remote: where pushes go.
  ///   - pullImage: brings the page store at a path to where the remote is; makes it if there is none.
  /// - Throws: `.missing` for a folder that is not there; `.noKey`.
  public init(
    _ path: String, factory: ConnectionFactory, remote: Remote, limits: Limits = Limits(),
    pullImage: @escaping @Sendable (String) async throws -> Void
  ) throws(EncryptedStorageError) {
    guard let key = factory.keys.first else {
      throw EncryptedStorageError(.noKey, operation: "pull", file: path, detail: "no key was given")
    }
    let files = try CopyFiles(path)
    self.files = files
    desks = { CopyDesk(files, factory, key: key, profile: factory.profile) }
    sender = PushSender(client: HranaClient(remote), retries: remote.retries)
    self.limits = limits
    self.pullImage = pullImage
  }

  // MARK: - Pulling

  /// What a pull did.
  public struct PullOutcome: Sendable, Hashable, Encodable {
    /// Whether the working copy has a new content.
    public let hasChanged: Bool
    /// Position of the remote that the working copy is at, as the replication protocol counts.
    public let position: Int64
  }

  /// Brings the working copy to where the remote is, or makes it.
  ///
  /// - Parameter droppingChanges: whether changes that were not pushed are lost.
  /// - Throws: ``WorkingCopyError`` `.unpushedChanges`, `.busy`, `.notAWorkingCopy`; `EncryptedStorageError` `.busy` while a
  ///   process has the file open; what pulling throws. The working copy is then as it was.
  public func pull(droppingChanges: Bool = false) async throws -> PullOutcome {
    try await atDesk { desk in
      guard let record = await desk.record else {
        try await renewNext(desk)
        return PullOutcome(hasChanged: true, position: try await desk.install().origin.position)
      }
      let digest = try await desk.digest()
      let isUnchanged = digest == record.digest
      // Before anything is fetched, where nothing has to be asked.
      if !isUnchanged, !droppingChanges, record.pending == nil { try await refuseChanges(desk, record) }
      try await renewNext(desk)
      if !isUnchanged, !droppingChanges, let pending = record.pending {
        let hasArrived = try await desk.nextHas(pending.id)
        if !hasArrived || digest != pending.digest { try await refuseChanges(desk, record) }
      }
      if isUnchanged, try await desk.isUpToDate(record) {
        try await desk.removeNext()
        return PullOutcome(hasChanged: false, position: record.origin.position)
      }
      return PullOutcome(hasChanged: true, position: try await desk.install().origin.position)
    }
  }

  private func refuseChanges(_ desk: CopyDesk, _ record: CopyRecord) async throws {
    try await desk.requireBase(record)
    guard try await desk.hasChanges() else { return }
    throw WorkingCopyError(
      .unpushedChanges, "\(files.path) has changes that were not pushed, and a pull would lose them",
      hint: "push them, or pull with --drop-changes")
  }

  private func renewNext(_ desk: CopyDesk) async throws {
    try await desk.prepareNext()
    try await pullImage(files.next)
  }

  private func atDesk<T: Sendable>(_ body: (CopyDesk) async throws -> T) async throws -> T {
    let desk = desks()
    let result: Result<T, any Error>
    do {
      try await desk.open()
      result = .success(try await body(desk))
    } catch {
      result = .failure(error)
    }
    await desk.close()
    return try result.get()
  }

  // MARK: - Pushing

  /// What a push did.
  public struct PushOutcome: Sendable, Hashable, Encodable {
    /// What happened.
    public enum Kind: String, Sendable, Hashable, Encodable {
      /// The remote has the changes, and the working copy is at the remote's position.
      case pushed
      /// There was nothing to push. The working copy has been brought to the remote's position.
      case nothingToPush = "nothing-to-push"
      /// An earlier push, whose answer was lost, had been committed. The working copy is at the remote's position.
      case alreadyPushed = "already-pushed"
      /// Nothing was sent: see ``PushOutcome/conflicts``.
      case conflicts
      /// The remote has the changes, but its image does not show them yet: pull later.
      case pushedNotPulled = "pushed-not-pulled"
    }

    /// What happened.
    public let kind: Kind
    /// The first 1000 conflicts.
    public var conflicts: [Conflict] = []
    /// How many there are.
    public var conflictCount = 0
    /// What was sent, or, with conflicts, would have been.
    public var counts = PushCounts()
    /// Position of the remote that the working copy is at; nil while it is where it was.
    public var position: Int64?
  }

  /// Sends what was changed in the working copy, as one transaction, then pulls.
  ///
  /// - Parameter preference: which side rows take that were changed on both; nil for conflicts.
  /// - Throws: ``WorkingCopyError``; `EncryptedStorageError` `.busy` while a process has the file open; what pulling throws;
  ///   `RemoteError`. Unless the outcome is unknown, nothing was changed at the remote then.
  public func push(preferring preference: Preference? = nil) async throws -> PushOutcome {
    try await atDesk { desk in
      guard let record = await desk.record, let digest = try await desk.digest() else {
        throw WorkingCopyError(.missing, "\(files.path) is not there", hint: "pull first")
      }
      var mayBePushed = false
      if let pending = record.pending {
        let isCommitted = try await sender.isCommitted(pending.id)
        if isCommitted, digest == pending.digest {
          return try await finish(desk, .alreadyPushed, PushCounts(), id: pending.id)
        }
        mayBePushed = isCommitted || Self.now() - pending.time > Self.pendingSecondsMax
      }
      if digest != record.digest { try await desk.requireBase(record) }
      let hasChanges = digest == record.digest ? false : try await desk.hasChanges()
      try await renewNext(desk)
      guard try await desk.origin(of: files.next)?.remote == record.origin.remote else {
        throw WorkingCopyError(
          .otherRemote, "the remote is another database than the one that the working copy was made from",
          hint: "check TURSO_DATABASE_URL; if the remote was made anew, pull with --drop-changes")
      }
      if hasChanges { return try await send(desk, digest, preference, mayBePushed) }
      guard digest == record.digest, try await desk.isUpToDate(record) else {
        return try await finish(desk, .nothingToPush, PushCounts(), id: nil)
      }
      try await desk.removeNext()
      return PushOutcome(kind: .nothingToPush, position: record.origin.position)
    }
  }

  /// Rows of delegated writes are removed after a day, by whatever writes then; after half of that a name that is not there
  /// proves nothing.
  private static let pendingSecondsMax: Int64 = 43_200

  private static func now() -> Int64 { Int64(time(nil)) }

  private func send(
    _ desk: CopyDesk, _ digest: [UInt8], _ preference: Preference?, _ mayBePushed: Bool
  ) async throws -> PushOutcome {
    for _ in 1...limits.planCount {
      let plan = try await desk.plan(
        preferring: preference, statementByteCountMax: limits.statementByteCount, refusesRowsWithoutKey: mayBePushed)
      guard plan.conflictCount == 0 else {
        try await desk.removeNext()
        return PushOutcome(
          kind: .conflicts, conflicts: plan.conflicts, conflictCount: plan.conflictCount, counts: plan.counts)
      }
      let first = try await statements(desk, after: Spool.Place())
      guard !first.statements.isEmpty else { return try await finish(desk, .nothingToPush, plan.counts, id: nil) }
      let pending = CopyRecord.PendingPush(id: Self.randomID(), digest: digest, time: Self.now())
      // Before the first byte is sent: whoever comes after a lost answer has to know what to ask for.
      try await desk.note(pending)
      let planned = try await desk.origin(of: files.next)
      var place = Spool.Place()
      let outcome = try await sender.send(pending.id) {
        try await pullImage(files.next)
        return try await desk.origin(of: files.next) == planned
      } next: {
        let batch = try await statements(desk, after: place)
        place = batch.place
        return batch.statements
      }
      if case .committed = outcome { return try await finish(desk, .pushed, plan.counts, id: pending.id) }
      // After a lost commit that did not happen, too, the image has to be the newest one.
      try await pullImage(files.next)
    }
    throw WorkingCopyError(
      .restless, "the remote was changed \(limits.planCount) times while it was pushed to; nothing was changed",
      hint: "try again when it is quieter")
  }

  private func statements(
    _ desk: CopyDesk, after place: Spool.Place
  ) async throws -> (statements: [PushStatement], place: Spool.Place) {
    try await desk.statements(
      after: place, byteCountMax: limits.requestByteCount, countMax: limits.requestStatementCount)
  }

  /// Pulls, and makes the working copy anew.
  ///
  /// - Parameter id: of the push that the image has to hold.
  private func finish(
    _ desk: CopyDesk, _ kind: PushOutcome.Kind, _ counts: PushCounts, id: String?
  ) async throws -> PushOutcome {
    if let id {
      try await renewNext(desk)
      // A remote may give out images that lag behind its writes.
      guard try await desk.nextHas(id) else {
        try await desk.removeNext()
        return PushOutcome(kind: .pushedNotPulled, counts: counts)
      }
    }
    let record = try await desk.install()
    return PushOutcome(kind: kind, counts: counts, position: record.origin.position)
  }

  private static func randomID() -> String {
    (0..<4).map { _ in String(UInt32.random(in: .min ... .max), radix: 36) }.joined(separator: "-")
  }
}
