public import EncryptedStorage
public import LibSQLClient
internal import PageStore

/// Synchronises one replica, one pull at a time, for any number of callers.
///
/// A call that comes while a pull is running waits for the next one, so that what a caller knows to be committed on the
/// remote is in what it gets; all calls that wait share one pull.
public actor Syncer {
  /// What happened last.
  public struct Status: Sendable {
    /// The last pull that succeeded.
    public internal(set) var report: SyncReport?
    /// Why the newest pull failed; nil when it succeeded.
    public internal(set) var error: (any Error)?
    /// Pulls that failed since the last one that succeeded.
    public internal(set) var failureCount = 0
  }

  private let settings: ReplicaSettings
  private let remote: Remote
  private let factory: ConnectionFactory
  private let clock: WallClock
  private let progress: Progress?
  /// Where pulls run, if they give way to others.
  private let tasks: BackgroundTasks?
  private var file: ReplicaFile?
  /// Where the replica stands, as long as the file is open.
  private var standing: Pull.Standing?
  private var waiting: [(id: UInt64, continuation: CheckedContinuation<SyncReport, any Error>)] = []
  private var worker: Task<Void, Never>?
  private var nextID: UInt64 = 0
  private var isClosed = false

  /// What happened last.
  public private(set) var status = Status()

  /// A synchroniser. Nothing is opened or sent yet.
  public init(_ settings: ReplicaSettings, remote: Remote, factory: ConnectionFactory, clock: WallClock = .system) {
    self.init(settings, remote: remote, factory: factory, clock: clock, progress: nil)
  }

  /// - Parameter inBackground: whether pulls take the processor only as far as the rest of the process leaves it.
  package init(
    _ settings: ReplicaSettings, remote: Remote, factory: ConnectionFactory, clock: WallClock = .system,
    progress: Progress?, inBackground: Bool = false
  ) {
    self.settings = settings
    self.remote = remote
    self.factory = inBackground ? factory.configured { $0.writesInBackground = true } : factory
    tasks = inBackground ? BackgroundTasks() : nil
    self.clock = clock
    self.progress = progress
  }

  /// Takes the lock of the replica and opens it, or makes an empty one, without asking the remote.
  ///
  /// - Throws: ``SyncError``, `EncryptedStorageError`.
  public func open() async throws { _ = try await openedFile() }

  /// What the replica says about itself, without asking the remote.
  ///
  /// - Throws: as ``open()``.
  package func replicaStatus() async throws -> ReplicaStatus {
    let state = try await openedFile().store.state()
    return ReplicaStatus(state: state, lag: state.lastSync.map(clock.age), isBeingSynchronised: true)
  }

  private func openedFile() async throws -> ReplicaFile {
    guard !isClosed else { throw Self.closed }
    if let file {
      if !file.isGone { return file }
      await file.close()
      (self.file, standing) = (nil, nil)
    }
    let opened = try await ReplicaFile.open(settings.path, factory)
    guard !isClosed else {
      await opened.close()
      throw Self.closed
    }
    file = opened
    return opened
  }

  /// Brings the replica to what the remote has committed when this is called, or later.
  ///
  /// Cancelling the task gives up waiting; the pull itself goes on for those that wait with it, and ends when nobody does.
  ///
  /// - Throws: `RemoteError`, `EncryptedStorageError`, ``SyncError``.
  @discardableResult
  public nonisolated func sync() async throws -> SyncReport {
    let id = await makeID()
    return try await withTaskCancellationHandler {
      try await enqueue(id)
    } onCancel: {
      Task { await self.giveUp(id) }
    }
  }

  /// Pulls the whole image anew, whatever the replica is a copy of.
  ///
  /// - Throws: as ``sync()``; ``SyncError`` `.busy` while a sync is running.
  package func replaceImage() async throws -> SyncReport {
    guard worker == nil else { throw SyncError(.busy, "the replica is being synchronised", hint: "try again") }
    return try await pull(replacingImage: true)
  }

  /// Ends a running pull and closes the replica. Calls that wait throw `.closed`.
  public func close() async {
    isClosed = true
    worker?.cancel()
    await worker?.value
    for waiter in waiting { waiter.continuation.resume(throwing: Self.closed) }
    waiting.removeAll()
    await file?.close()
    (file, standing) = (nil, nil)
  }

  private static var closed: SyncError { SyncError(.closed, "the synchroniser is closed", hint: "open it again") }

  // MARK: - One pull for many

  private func makeID() -> UInt64 {
    nextID += 1
    return nextID
  }

  private func enqueue(_ id: UInt64) async throws -> SyncReport {
    guard !isClosed else { throw Self.closed }
    try Task.checkCancellation()
    return try await withCheckedThrowingContinuation { continuation in
      waiting.append((id, continuation))
      if worker == nil { startWorker() }
    }
  }

  /// Callers of the pull that is running.
  private var served: [(id: UInt64, continuation: CheckedContinuation<SyncReport, any Error>)] = []

  private func work() async {
    while !waiting.isEmpty, !isClosed, !Task.isCancelled {
      (served, waiting) = (waiting, [])
      let result: Result<SyncReport, any Error>
      do { result = .success(try await pull(replacingImage: false)) } catch { result = .failure(error) }
      let finished = served
      served = []
      for caller in finished { caller.continuation.resume(with: result) }
    }
    worker = nil
    // Somebody came after those who were waiting before had all given up.
    if !waiting.isEmpty, !isClosed { startWorker() }
  }

  private func startWorker() { worker = Task(executorPreference: tasks) { await self.work() } }

  private func giveUp(_ id: UInt64) {
    if let index = waiting.firstIndex(where: { $0.id == id }) {
      waiting.remove(at: index).continuation.resume(throwing: CancellationError())
    }
    if let index = served.firstIndex(where: { $0.id == id }) {
      served.remove(at: index).continuation.resume(throwing: CancellationError())
      // Nobody wants it any more. What was applied stays.
      if served.isEmpty, waiting.isEmpty { worker?.cancel() }
    }
  }

  private func pull(replacingImage: Bool) async throws -> SyncReport {
    let start = ContinuousClock.now
    do {
      let opened = try await openedFile()
      var pull = Pull(
        path: settings.path, store: opened.store, factory: factory, remote: remote, settings: settings,
        replacesImage: replacingImage, clock: clock, progress: progress, standing: standing)
      standing = nil
      // Only a first pull puts another file in the place of this one.
      let hadImage = pull.standing != nil
      defer { if !hadImage { file?.remember() } }
      var report = try await pull.run()
      // The file may have been opened anew meanwhile.
      if file?.store === opened.store { standing = pull.standing }
      report.seconds = (ContinuousClock.now - start) / .seconds(1)
      (status.report, status.error, status.failureCount) = (report, nil, 0)
      return report
    } catch {
      status.error = error
      status.failureCount += 1
      throw error
    }
  }
}
