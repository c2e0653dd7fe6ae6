import EncryptedStorage
import FaultInjection
import PageStore
import TestSupport

/// A page store on a disk that fails or loses power, used by this process. Its content is that of `Bookkeeping`.
struct DiskCrash {
  private let scene: Scene
  private let record: RoundRecord
  private let path: String

  init(_ scene: Scene, _ record: RoundRecord) {
    self.scene = scene
    self.record = record
    path = scene.root.file("store.db")
  }

  /// What was done before the disk failed.
  private struct Progress {
    var acknowledged = 0
    var attempted = 0
    var failure: EncryptedStorageError?
  }

  private struct Plan {
    let waitsForDisk: Bool
    let fault: Fault
    let extent: FaultExtent
    let operation: Int
    let versionCount: Int

    init(_ choices: inout WorkloadChoices) {
      waitsForDisk = !choices.oneIn(3)
      fault = choices.oneIn(4) ? .diskFull : .inputOutput
      extent = choices.oneIn(4) ? .once : .everyOneAfter
      operation = CrashRound.operation(&choices)
      versionCount = choices.number(2...8)
    }

    func factory(on disk: FaultyDisk) throws -> ConnectionFactory {
      try Scene.serverFactory {
        $0.fileSystem = disk.name
        $0.waitsForDisk = waitsForDisk
        // Small enough for a transaction to reach the log before it commits.
        $0.cacheKibibytes = 64
        $0.containerCacheKibibytes = 64
      }
    }
  }

  // MARK: - A replica to which batches are applied

  func apply(_ series: ImageSeries) async throws {
    var choices = WorkloadChoices(scene.generator(1))
    let plan = Plan(&choices)
    let store = try await PageStore.create(path, role: .replica, factory: Scene.serverFactory())
    let bootstrap = try await store.beginBootstrap(series.target())
    try await bootstrap.append(ImageSeries.pages(series.image(0)))
    try await bootstrap.finish()
    await store.close()

    let disk = try FaultyDisk()
    disk.failOperation(plan.operation, with: plan.fault, plan.extent)
    let progress = await applyUntilFailure(series, plan, disk, &choices)
    try losePower(disk)
    let version = try await judge(plan, progress)
    // The series goes on where the file is.
    let healed = try await PageStore.open(path, factory: Scene.serverFactory())
    let position = try await healed.state().image?.position ?? 0
    record.check(series.version(at: position) == version, "position \(position) holds version \(version)")
    for page in ImageSeries.pages(try series.image(version)) {
      let stored = try await healed.page(page.number)
      if stored != page { record.fail("page \(page.number) is not that of version \(version)") }
    }
    try await healed.apply(series.batch(after: position))
    await healed.close()
    record.check(try await self.version() == version + 1, "version \(version + 1) cannot be applied afterwards")
  }

  private func applyUntilFailure(
    _ series: ImageSeries, _ plan: Plan, _ disk: FaultyDisk, _ choices: inout WorkloadChoices
  ) async -> Progress {
    var progress = Progress()
    do {
      let store = try await PageStore.open(path, factory: plan.factory(on: disk))
      do {
        for version in 1...plan.versionCount {
          progress.attempted = version
          try await store.apply(series.batch(after: ImageSeries.firstPosition + Int64(version - 1)))
          progress.acknowledged = version
          record.operated()
          if choices.oneIn(3) { try checkpoint(plan.factory(on: disk)) }
        }
      } catch { progress.failure = EncryptedStorageError(error, file: path) }
      await store.close()
    } catch { progress.failure = EncryptedStorageError(error, file: path) }
    return progress
  }

  /// Moves the log into the file, from a connection of its own.
  private func checkpoint(_ factory: ConnectionFactory) throws {
    let container = try factory.openSession(path, .writer, view: .container)
    defer { container.close() }
    try container.checkpoint()
  }

  // MARK: - A primary that commits

  func commit() async throws {
    var choices = WorkloadChoices(scene.generator(1))
    let plan = Plan(&choices)
    try await PageStore.create(path, role: .primary, factory: Scene.serverFactory()).close()
    let first = try Scene.serverFactory().openSession(path, .writer)
    try first.executeScript(Bookkeeping.schema)
    first.close()

    let disk = try FaultyDisk()
    disk.failOperation(plan.operation, with: plan.fault, plan.extent)
    var generator = scene.generator(2)
    var progress = Progress()
    do {
      let writer = try plan.factory(on: disk).openSession(path, .writer)
      defer { writer.close() }
      for version in 1...plan.versionCount {
        progress.attempted = version
        let statements = Bookkeeping.change(to: version, &generator)
        try writer.transaction { session in for sql in statements { try session.execute(sql) } }
        progress.acknowledged = version
        record.operated()
        if choices.oneIn(4) { try writer.checkpoint() }
        if choices.oneIn(6) { try writer.execute("VACUUM") }
      }
    } catch { progress.failure = EncryptedStorageError(error, file: path) }
    try losePower(disk)
    let version = try await judge(plan, progress)
    let writer = try Scene.serverFactory().openSession(path, .writer)
    for sql in Bookkeeping.change(to: version + 1, &generator) { try writer.execute(sql) }
    writer.close()
    record.check(try await self.version() == version + 1, "version \(version + 1) cannot be written afterwards")
  }

  // MARK: - Afterwards

  private func losePower(_ disk: FaultyDisk) throws {
    record.injected(disk.failureCount > 0 ? 2 : 1)
    var generator = scene.generator(3)
    try disk.losePower(tearing: &generator)
  }

  /// - Returns: the version that the store is at.
  private func judge(_ plan: Plan, _ progress: Progress) async throws -> Int {
    if let failure = progress.failure {
      let expected: EncryptedStorageError.Code = plan.fault == .diskFull ? .diskFull : .inputOutput
      record.check(failure.code == expected, "a failure of the disk is reported as \(failure)")
    }
    let factory = try Scene.serverFactory()
    record.check(nothing: try await StoreCheck.findingsAfterPowerCut(path, factory), "after the power cut")
    let version = try await version()
    record.check(version <= progress.attempted, "version \(version), and only \(progress.attempted) were attempted")
    record.check(
      version >= (plan.waitsForDisk ? progress.acknowledged : 0),
      "version \(version), and \(progress.acknowledged) was acknowledged")
    record.check(nothing: try await StoreCheck.findings(path, factory), "after opening")
    return version
  }

  /// Opened by a writer, which puts away what a power cut left of the log, and read by a reader.
  private func version() async throws -> Int {
    let store = try await PageStore.open(path, factory: Scene.serverFactory())
    await store.close()
    let reader = try Scene.serverFactory().openSession(path, .reader)
    defer { reader.close() }
    return try reader.transaction(.deferred) { try Bookkeeping.check($0) }
  }
}
