public import EncryptionKeys
internal import Logging

/// Gives a file another key, or another profile, without ever changing the file: a new one is written beside it, verified,
/// made durable, and put in its place in one step.
///
/// Killed at any point, it leaves `FILE` complete under exactly one key, the old or the new one; the next rotation or open
/// removes what else is left. `PRAGMA rekey` is never used: it reports success when it failed and then mixes keys
/// (docs/security/file-formats.md).
public struct Rotation: Sendable {
  /// How the new file was made.
  public enum Method: String, Sendable {
    /// The file was under the new key already.
    case none
    /// Page by page: same profile, same layout.
    case pages
    /// Row by row: the profile, and with it the room in each page, changed.
    case copy
  }

  /// What a rotation did.
  public struct Outcome: Sendable {
    /// How it was done.
    public let method: Method
    /// Pages of the new file.
    public let pageCount: UInt32
    /// Bytes per page.
    public let pageSize: Int
    /// The key the file was under.
    public let fromKeyID: KeyID
    /// The key it is under now.
    public let toKeyID: KeyID
    /// What an earlier, interrupted rotation had left.
    public let settledEarlierRotation: Bool
    /// Other hard links to the file: they still lead to the old file, under the old key.
    public internal(set) var otherLinkCount = 0
  }

  private let factory: ConnectionFactory
  private let newKey: KeyMaterial
  private let newProfile: CipherProfile?
  private let progress: Progress?

  /// A rotation of files that `factory` can open.
  ///
  /// - Parameter profile: nil keeps the file's own.
  public init(factory: ConnectionFactory, to key: KeyMaterial, profile: CipherProfile? = nil) {
    self.init(factory: factory, to: key, profile: profile, progress: nil)
  }

  package init(factory: ConnectionFactory, to key: KeyMaterial, profile: CipherProfile?, progress: Progress?) {
    self.factory = factory
    newKey = key
    newProfile = profile
    self.progress = progress
  }

  /// Rotates one file. Cancelling the task undoes it.
  ///
  /// - Throws: `.busy` while anyone else has the file open; `.incomplete` for a replica whose first pull has begun and not
  ///   finished; `.damaged` when a page is not authentic; `.diskFull`,
  ///   `.readOnly`, `.wrongKey`, `.cancelled`. The file is as it was, unless the error says that the new one is in place.
  public func run(_ path: String) async throws -> Outcome {
    try await BlockingWork.run { cancellation in try self.rotate(path, cancellation) }
  }

  private func rotate(_ path: String, _ cancellation: Cancellation) throws(EncryptedStorageError) -> Outcome {
    let absolute = try FileSystem.absolutePath(path)
    guard FileSystem.status(absolute) != nil else {
      throw EncryptedStorageError(
        .missing, operation: "rekey", file: path, detail: "no such file", hint: "check the path")
    }
    let settled = try RotationRecovery.settle(absolute, logger: factory.logger)
    // Locked before the first look: two rotations that both had the file open would each refuse because of the other.
    let lock: FileLock
    do throws(EncryptedStorageError) { lock = try lockRotation(of: absolute) } catch {
      // In a folder that cannot be written there may be nothing to do.
      if error.code == .readOnly, let done = try alreadyRotated(absolute, settled) { return done }
      throw error
    }
    do throws(EncryptedStorageError) {
      let outcome: Outcome
      if let done = try alreadyRotated(absolute, settled) {
        outcome = done
      } else {
        outcome = try replace(absolute, lock, settled, cancellation)
      }
      try FileSystem.remove(lock.path)
      try FileSystem.synchronizeFolder(of: absolute)
      return outcome
    } catch {
      try? RotationRecovery.settle(absolute, lock)
      throw error.naming(file: path)
    }
  }

  private func lockRotation(of path: String) throws(EncryptedStorageError) -> FileLock {
    do throws(EncryptedStorageError) {
      return try FileLock(RotationJournal.path(for: path), database: path, operation: "rekey")
    } catch {
      guard error.code == .busy else { throw error }
      throw EncryptedStorageError(
        .busy, operation: "rekey", file: path, detail: "another rotation of this file is running",
        hint: "try again when it has finished")
    }
  }

  /// Nil unless the file is under the new key, and under the wanted profile, already.
  private func alreadyRotated(_ path: String, _ settled: Bool) throws(EncryptedStorageError) -> Outcome? {
    let file = try RawDatabaseFile(path: path)
    guard let match = try KeyTrial.match(file, candidates: [newKey]), match.firstPageIsAuthentic,
      wantedFormat(for: match.format) == match.format
    else { return nil }
    let geometry = PageGeometry(pageSize: match.format.pageSize)
    return Outcome(
      method: .none, pageCount: geometry.pageCount(ofBytes: try file.byteCount()), pageSize: geometry.pageSize,
      fromKeyID: newKey.id, toKeyID: newKey.id, settledEarlierRotation: settled)
  }

  /// The page size stays, and so does the profile unless another one is asked for.
  private func wantedFormat(for format: CipherFormat) -> CipherFormat {
    guard let newProfile else { return format }
    return CipherFormat(
      pageSize: format.pageSize, mac: newProfile.format.mac, derivation: newProfile.format.derivation)
  }

  // MARK: - Under the lock

  private func replace(
    _ path: String, _ lock: FileLock, _ settled: Bool, _ cancellation: Cancellation
  ) throws(EncryptedStorageError) -> Outcome {
    // Before anything is touched; and again when no pull can begin any more, since that takes an open connection.
    try refuseUnfinishedBootstrap(of: path)
    let source = try ExclusiveSession(path, factory: factory)
    defer { source.close() }
    try refuseUnfinishedBootstrap(of: path)
    let temporary = TemporaryFile(beside: path)
    try lock.write(
      RotationJournal(
        temporaryName: String(temporary.path.dropFirst(FileSystem.folder(of: path).count + 1)),
        fromKeyID: source.match.material.id.name, toKeyID: newKey.id.name
      ).bytes)
    try FileSystem.synchronizeFolder(of: path)
    CrashPoint.reach("journal")
    let format = wantedFormat(for: source.match.format)
    let method: Method = format == source.match.format ? .pages : .copy
    let output =
      method == .pages
      ? try rewritePages(source, to: temporary.path, format, cancellation)
      : try copyRows(source, to: temporary.path, format, cancellation)
    var linkCount = 1
    if let status = FileSystem.status(path) {
      linkCount = Int(status.linkCount)
      try output.adopt(status)
    }
    try output.synchronize()
    CrashPoint.reach("synchronized")
    try cancellation.check("rekey")
    try OpenFiles.refuseOthers(having: path, expectedHere: nil)
    output.close()
    try OpenFiles.requireClosedHere(temporary.path)
    try source.removeLog()
    CrashPoint.reach("log removed")
    try FileSystem.rename(temporary.path, to: path)
    CrashPoint.reach("renamed")
    try FileSystem.synchronizeName(of: path)
    CrashPoint.reach("folder synchronized")
    var outcome = Outcome(
      method: method, pageCount: UInt32(clamping: (FileSystem.status(path)?.byteCount ?? 0) / Int64(format.pageSize)),
      pageSize: format.pageSize, fromKeyID: source.match.material.id, toKeyID: newKey.id,
      settledEarlierRotation: settled)
    outcome.otherLinkCount = linkCount - 1
    return outcome
  }

  /// What the first pull of a replica has stored so far lies in a file of its own, which would stay under the old key.
  private func refuseUnfinishedBootstrap(of path: String) throws(EncryptedStorageError) {
    let bootstrap = path + PageStoreMark.bootstrapSuffix
    guard FileSystem.exists(bootstrap) else { return }
    throw EncryptedStorageError(
      .incomplete, operation: "rekey", file: path,
      detail: "its first pull has not finished, and \(bootstrap) would stay under the old key",
      hint: "finish it with turso-sync pull, or remove that file, from which nothing is lost but time; then try again")
  }

  private func rewritePages(
    _ source: ExclusiveSession, to path: String, _ format: CipherFormat, _ cancellation: Cancellation
  ) throws(EncryptedStorageError) -> OutputFile {
    let keys: PageKeys
    do { keys = try PageKeys(format: format, salt: Salt.random(), material: newKey) } catch {
      throw EncryptedStorageError(error, operation: "rekey", file: source.path)
    }
    let output = try OutputFile(creating: path)
    CrashPoint.reach("created")
    progress?.step("rewriting")
    var rewriter = PageRewriter(
      source: source.path, sourceKeys: source.match.keys, targetKeys: keys, pageCount: source.pageCount)
    rewriter.progress = progress
    rewriter.cancellation = cancellation
    try rewriter.write(to: output)
    CrashPoint.reach("rewritten")
    try PageScan(path: path, keys: keys, progress: progress, cancellation: cancellation)
      .requireWritten(pages: source.pageCount, operation: "rekey")
    try confirm(path, keys, equals: source)
    CrashPoint.reach("verified")
    return output
  }

  /// SQLCipher itself must read the new file, and find the same schema in it.
  private func confirm(_ path: String, _ keys: PageKeys, equals source: ExclusiveSession) throws(EncryptedStorageError)
  {
    let copy = try CopySessions.openSource(path, keys: keys, isImmutable: true)
    defer { copy.close() }
    for sql in ["PRAGMA schema_version", "PRAGMA page_count", "SELECT count(*) FROM sqlite_schema"] {
      guard try copy.value(sql) == source.session.value(sql) else {
        throw EncryptedStorageError(
          .inputOutput, operation: "rekey", file: path, detail: "the new file differs from the old one",
          hint: "the file is unchanged; please report this")
      }
    }
  }

  private func copyRows(
    _ source: ExclusiveSession, to path: String, _ format: CipherFormat, _ cancellation: Cancellation
  ) throws(EncryptedStorageError) -> OutputFile {
    progress?.step("verifying source")
    var scan = PageScan(path: source.path, keys: source.match.keys, progress: progress, cancellation: cancellation)
    scan.pageLimit = source.pageCount
    try scan.requireAuthentic()
    try source.session.executeScript("PRAGMA ignore_check_constraints=ON; BEGIN; SELECT count(*) FROM sqlite_schema")
    let output = try EncryptedCopy(
      source: source.session, target: .encrypted(newKey, format), progress: progress, cancellation: cancellation
    ).write(to: path)
    try source.session.executeScript("COMMIT")
    CrashPoint.reach("verified")
    return output
  }
}
