internal import EncryptedStorage
internal import EncryptionKeys
internal import PageStore

/// One run's hold on a working copy: its lock, and the only connection to the file, from the beginning to the end, so that
/// nobody changes it between the comparison and the moment when another file takes its place.
///
/// An actor on a queue of its own, since all of this blocks.
actor CopyDesk {
  private let executor = ConnectionExecutor()
  nonisolated let files: CopyFiles
  nonisolated let factory: ConnectionFactory
  /// What new files are under.
  private var target: (key: KeyMaterial, profile: CipherProfile)
  private var lock: FileLock?
  private var copy: ExclusiveSession?
  /// What the working copy says about itself; nil when there is none.
  private(set) var record: CopyRecord?

  nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }

  init(_ files: CopyFiles, _ factory: ConnectionFactory, key: KeyMaterial, profile: CipherProfile) {
    self.files = files
    self.factory = factory
    target = (key, profile)
  }

  /// Takes the lock and the file, and settles what a killed run left.
  ///
  /// - Throws: ``WorkingCopyError`` `.busy`, `.notAWorkingCopy`; `EncryptedStorageError` `.busy` while a process has the file
  ///   open, `.wrongKey` and the other reasons why it cannot be opened.
  func open() async throws {
    do throws(EncryptedStorageError) {
      lock = try FileLock(files.lock, operation: "lock")
    } catch {
      guard error.code == .busy else { throw error }
      throw WorkingCopyError(.busy, "another run works on this working copy", hint: "try again when it has finished")
    }
    for file in [files.fresh, files.rehearsal, files.spool] { try files.remove(file) }
    if FileSystem.exists(files.path) {
      let session = try ExclusiveSession(files.path, factory: factory)
      copy = session
      // Its user may have chosen another one than that of new files.
      target.profile = session.match.profile ?? target.profile
      // The schema is that of other programs; and a commit has to wait for the disk.
      try session.session.executeScript("PRAGMA trusted_schema=OFF; PRAGMA synchronous=FULL")
      guard let record = try CopyRecord(of: session.session) else {
        throw WorkingCopyError(
          .notAWorkingCopy,
          "\(files.path) is a database that no pull has made, or that has lost its table \(OwnTable.record)",
          hint: "move it away, then pull")
      }
      self.record = record
    }
    try await settle()
  }

  /// Lets go of everything. A second call does nothing.
  func close() {
    // What cannot be moved into the file now stays in its log, where the next opening finds it.
    try? copy?.session.executeScript("PRAGMA wal_checkpoint(TRUNCATE)")
    copy?.session.close()
    copy = nil
    // Without the lock they are another run's.
    guard lock != nil else { return }
    for file in [files.fresh, files.rehearsal, files.spool] { try? files.remove(file) }
    lock = nil
  }

  // MARK: - Images

  /// Where an image stands; nil when there is none that is whole.
  func origin(of store: String) async throws -> CopyRecord.Origin? {
    guard FileSystem.exists(store) else { return nil }
    let store = try await PageStore.open(store, factory: factory)
    let state: StoreState
    do { state = try await store.state() } catch {
      await store.close()
      throw error
    }
    await store.close()
    return CopyRecord.Origin(state)
  }

  /// A run that was killed between giving the working copy its new file and giving the base its own has left the newer
  /// image beside the base. Every other image that was left is pulled again.
  private func settle() async throws {
    let base = try await origin(of: files.base)
    guard let next = try await origin(of: files.next) else {
      // Part of a first pull: the next one goes on with it.
      if base != nil { try files.remove(files.next) }
      return
    }
    if let record, record.origin == next, record.origin != base {
      try promoteNext()
    } else if base != nil || record != nil {
      try files.remove(files.next)
    }
  }

  private func promoteNext() throws {
    let base = FileSystem.exists(files.base) ? try ExclusiveSession(files.base, factory: factory) : nil
    defer { base?.close() }
    try CopyFiles.replace(files.base, with: files.next, locked: base)
    try files.remove(files.next)
  }

  /// Makes the newer image begin where the base is, so that only changes have to be pulled.
  func prepareNext() async throws {
    guard FileSystem.exists(files.base), !FileSystem.exists(files.next) else { return }
    // Alone, with everything in the file itself.
    let base = try ExclusiveSession(files.base, factory: factory)
    defer { base.session.close() }
    try CopyFiles.duplicate(files.base, to: files.next, Cancellation())
  }

  func removeNext() throws { try files.remove(files.next) }

  /// Whether working copy, base and newer image are at one position: then there is nothing to install.
  func isUpToDate(_ record: CopyRecord) async throws -> Bool {
    let base = try await origin(of: files.base)
    let next = try await origin(of: files.next)
    return base == record.origin && next == record.origin
  }

  // MARK: - What changed

  /// Whether the base is the image that the working copy was made from.
  func requireBase(_ record: CopyRecord) async throws {
    let origin = try await origin(of: files.base)
    guard origin == record.origin, try digestOfImage(files.base) == record.digest else {
      throw WorkingCopyError(
        .notAWorkingCopy, "\(files.base) is missing, or is not the image that the working copy was made from",
        hint: "save the changes of the working copy elsewhere, then pull, dropping them")
    }
  }

  /// The digest of the working copy.
  func digest() throws -> [UInt8]? { try copy.map { try ContentDigest.of($0.session) } }

  private func digestOfImage(_ store: String) throws -> [UInt8] {
    let session = try factory.openSession(store, .reader)
    defer { session.close() }
    return try ContentDigest.of(session)
  }

  /// Whether the working copy differs from its base.
  func hasChanges() throws -> Bool {
    guard let copy else { return false }
    let base = try factory.openSession(files.base, .reader)
    defer { base.close() }
    return try Differences.exist(base: base, copy: copy.session)
  }

  /// Whether the newer image has the row of a push.
  func nextHas(_ id: String) throws -> Bool {
    let session = try factory.openSession(files.next, .reader)
    defer { session.close() }
    guard
      try session.value("SELECT count(*) FROM sqlite_schema WHERE name = ?", [.text(OwnTable.pushes)]) == .integer(1)
    else { return false }
    return try session.value("SELECT count(*) FROM \(OwnTable.pushes) WHERE id = ? AND written_at > 0", [.text(id)])
      == .integer(1)
  }

  // MARK: - Pushing

  /// Plans a push against the newer image, and rehearses it.
  func plan(
    preferring preference: Preference?, statementByteCountMax: Int, refusesRowsWithoutKey: Bool
  ) async throws -> PushPlanner.Outcome {
    guard let copy else { throw WorkingCopyError(.missing, "there is no working copy") }
    for file in [files.rehearsal, files.spool] { try files.remove(file) }
    try await duplicateContent(of: files.next, to: files.rehearsal)
    // Neither outlives this run.
    let scratch = factory.configured { $0.waitsForDisk = false }
    try scratch.createDatabase(files.spool, script: Spool.script)
    let sessions = try [
      factory.openSession(files.base, .reader), factory.openSession(files.next, .reader),
      scratch.openSession(files.rehearsal, .writer), scratch.openSession(files.spool, .writer),
    ]
    defer { for session in sessions { session.close() } }
    var planner = PushPlanner(
      PushPlanner.Databases(
        base: sessions[0], copy: copy.session, remote: sessions[1], rehearsal: sessions[2], spool: sessions[3]),
      preference: preference, statementByteCountMax: statementByteCountMax, refusesRowsWithoutKey: refusesRowsWithoutKey
    )
    return try planner.plan()
  }

  /// The next statements of the push.
  ///
  /// - Returns: as many as fit into one request, and where the next ones begin; none at the end.
  func statements(
    after place: Spool.Place, byteCountMax: Int, countMax: Int
  ) throws -> (statements: [PushStatement], place: Spool.Place) {
    let session = try factory.openSession(files.spool, .reader)
    defer { session.close() }
    var statements: [PushStatement] = []
    var last: PushStatement?
    var byteCount = 0
    var end = place
    try session.transaction(.deferred) { session in
      try Spool.forEach(in: session, after: place) { statement, place in
        guard statements.isEmpty || byteCount + statement.byteCount <= byteCountMax else { return false }
        byteCount += statement.byteCount
        if let first = last, let index = statements.indices.last, statements[index].absorb(statement, first) {
          end = place
          return true
        }
        guard statements.count < countMax else { return false }
        statements.append(statement)
        last = statement
        end = place
        return true
      }
    }
    return (statements, end)
  }

  /// Notes that a push may be committed from now on, durably.
  func note(_ pending: CopyRecord.PendingPush) throws {
    guard let copy, var record else { throw WorkingCopyError(.missing, "there is no working copy") }
    record.pending = pending
    try record.write(to: copy.session)
    self.record = record
  }

  // MARK: - Installing

  /// Makes a working copy of the newer image, and puts both in their places.
  ///
  /// The working copy comes first: it says which image it was made from, so that a killed run can be settled.
  func install() async throws -> CopyRecord {
    guard let origin = try await origin(of: files.next) else {
      throw WorkingCopyError(.notAWorkingCopy, "the pull left no image", hint: "pull again")
    }
    try files.remove(files.fresh)
    try await duplicateContent(of: files.next, to: files.fresh)
    let fresh = try factory.openSession(files.fresh, .writer)
    var record = CopyRecord(origin: origin, digest: [])
    do {
      defer { fresh.close() }
      record.digest = try ContentDigest.of(fresh)
      try fresh.execute(CopyRecord.script)
      try record.write(to: fresh)
    }
    guard FileSystem.status(files.fresh + "-wal") == nil else {
      throw EncryptedStorageError(
        .busy, operation: "pull", file: files.fresh, detail: "another process has the new working copy open")
    }
    // Whoever reads the base is found before anything has been replaced.
    let base = FileSystem.exists(files.base) ? try ExclusiveSession(files.base, factory: factory) : nil
    defer { base?.close() }
    try copy?.session.executeScript("PRAGMA wal_checkpoint(TRUNCATE)")
    try CopyFiles.replace(files.path, with: files.fresh, locked: copy)
    copy?.close()
    copy = nil
    self.record = record
    try CopyFiles.replace(files.base, with: files.next, locked: base)
    try files.remove(files.next)
    return record
  }

  private func duplicateContent(of store: String, to path: String) async throws {
    let copy = DatabaseCopy(
      sourceKeys: factory.keys, target: .encrypted(target.key, target.profile), configuration: .mountingPageStores)
    _ = try await copy.run(from: store, to: path)
  }
}
