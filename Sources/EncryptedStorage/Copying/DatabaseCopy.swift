public import EncryptionKeys

/// Copies a database to a new file: import of plaintext, change of key into another file, export.
///
/// The source is verified first, in the snapshot that is copied: SQLCipher would hand out zeros for a tampered overflow
/// page without an error. The target is complete, durable and equal to the source, or absent, also after `kill -9`.
/// Of a page store, the database inside is copied.
public struct DatabaseCopy: Sendable {
  /// What the copy is written as.
  public enum Target: Sendable {
    /// An encrypted database under this key.
    case encrypted(KeyMaterial, CipherProfile)
    /// An ordinary SQLite file: everything in it can be read by anyone.
    case plaintext
  }

  /// What was copied.
  public struct Outcome: Sendable {
    /// The key the source is under; nil when it is plaintext.
    public let sourceKeyID: KeyID?
    /// Size of the new file in bytes.
    public let byteCount: Int64
    /// Tables copied, SQLite's own not counted.
    public let tableCount: Int
  }

  private let sourceKeys: [KeyMaterial]
  private let target: Target
  private let expectsEncryptedSource: Bool
  private let configuration: ConnectionFactory.Configuration
  private let progress: Progress?

  /// - Parameters:
  ///   - sourceKeys: tried on an encrypted source, older SQLCipher formats included; a plaintext source needs none.
  ///   - configuration: one that mounts page stores, or they are refused as a source.
  public init(
    sourceKeys: [KeyMaterial], target: Target,
    configuration: ConnectionFactory.Configuration = ConnectionFactory.Configuration()
  ) {
    self.init(
      sourceKeys: sourceKeys, target: target, configuration: configuration, expectsEncryptedSource: false,
      progress: nil)
  }

  /// - Parameter expectsEncryptedSource: when a key was given for the source alone, plaintext is not what its owner thinks.
  package init(
    sourceKeys: [KeyMaterial], target: Target, configuration: ConnectionFactory.Configuration,
    expectsEncryptedSource: Bool, progress: Progress?
  ) {
    self.expectsEncryptedSource = expectsEncryptedSource
    self.configuration = configuration
    self.sourceKeys = sourceKeys
    self.target = target
    self.progress = progress
  }

  /// Copies `source` to the new file `destination`.
  ///
  /// - Throws: `.exists`, `.missing`, `.notADatabase`, `.wrongKey`, `.damaged`, `.pageStore`, `.incomplete`, `.diskFull`,
  ///   `.readOnly`, `.busy`, `.cancelled`; nothing is left under `destination` then.
  public func run(from source: String, to destination: String) async throws -> Outcome {
    try await BlockingWork.run { cancellation in try self.copy(source, destination, cancellation) }
  }

  private func copy(
    _ source: String, _ destination: String, _ cancellation: Cancellation
  ) throws(EncryptedStorageError) -> Outcome {
    let target = try NewDatabaseFile(destination)
    defer { target.discard() }
    let path = try FileSystem.absolutePath(source)
    try RotationRecovery.settle(path)
    do throws(EncryptedStorageError) {
      let keys = try sourceKeys(of: path)
      let session = try openVerified(path, keys, cancellation)
      defer { session.close() }
      let output = try EncryptedCopy(
        source: session, target: try copyTarget(session), progress: progress, cancellation: cancellation
      ).write(to: target.temporaryPath)
      try output.synchronize()
      CrashPoint.reach("copy synchronized")
      try cancellation.check("copy")
      try target.publish(output)
      let tables = try session.value(
        "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")
      return Outcome(
        sourceKeyID: keys?.material.id, byteCount: FileSystem.status(target.path)?.byteCount ?? 0,
        tableCount: Int(tables.integer ?? 0))
    } catch {
      throw error.naming(file: source)
    }
  }

  private func copyTarget(_ session: Session) throws(EncryptedStorageError) -> EncryptedCopy.Target {
    switch target {
    case .encrypted(let material, let profile): return .encrypted(material, profile.format)
    case .plaintext: return .plaintext(pageSize: Int(try session.value("PRAGMA page_size").integer ?? 4096))
    }
  }

  /// Nil for a plaintext source.
  private func sourceKeys(of path: String) throws(EncryptedStorageError) -> KeyMatch? {
    let file = try RawDatabaseFile(path: path)
    switch FileAppearance(head: try file.bytes(at: 0, count: 4096)) {
    case .plaintext:
      guard !expectsEncryptedSource else {
        throw EncryptedStorageError(
          .plaintext, operation: "open", file: path, detail: "a key is given for the source, which is not encrypted",
          hint: "leave the source's key out if that is as it should be")
      }
      return nil
    case .empty:
      throw EncryptedStorageError(
        .notADatabase, operation: "open", file: path, detail: "the file is empty",
        hint: "use albergue-crypt init for a new database")
    default: break
    }
    guard let match = try KeyTrial.match(file, at: path, candidates: sourceKeys, scope: .includingLegacy) else {
      // The factory knows the precise words for every kind of misfit.
      throw sourceKeys.isEmpty
        ? EncryptedStorageError(
          .noKey, operation: "open", file: path, detail: "the source is not plaintext, and no key is given")
        : try misfit(of: file, path)
    }
    return match
  }

  private func misfit(of file: RawDatabaseFile, _ path: String) throws(EncryptedStorageError) -> EncryptedStorageError {
    do throws(EncryptedStorageError) {
      _ = try ConnectionFactory(candidates: sourceKeys).matchingKey(of: file, path: path)
    } catch { return error }
    return EncryptedStorageError(.wrongKey, operation: "open", file: path, detail: "the key does not fit this file")
  }

  // MARK: - The source

  /// The database to copy, in a read transaction, verified in it.
  private func openVerified(
    _ path: String, _ keys: KeyMatch?, _ cancellation: Cancellation
  ) throws(EncryptedStorageError) -> Session {
    progress?.step("verifying source")
    let session = try CopySessions.openSource(path, keys: keys?.keys)
    do throws(EncryptedStorageError) {
      guard let keys, try session.holdsPageStore() else {
        if let keys { try verifyPages(path, keys.keys, cancellation) }
        try verifyStructure(
          session,
          hint: keys == nil
            ? "repair it first, for example with the .recover command of sqlite3" : "use albergue-crypt recover")
        return session
      }
      session.close()
      return try openVerifiedImage(path, keys.keys, cancellation)
    } catch {
      session.close()
      throw error
    }
  }

  /// The same of a page store: first the container, then the image in it, both in the container's transaction.
  private func openVerifiedImage(
    _ path: String, _ keys: PageKeys, _ cancellation: Cancellation
  ) throws(EncryptedStorageError) -> Session {
    let factory = ConnectionFactory(candidates: sourceKeys, configuration: configuration)
    let container = try factory.openSession(path, .reader, view: .container)
    do throws(EncryptedStorageError) {
      try container.executeScript("BEGIN; SELECT count(*) FROM sqlite_schema")
      try verifyPages(path, keys, cancellation)
      try verifyStructure(container, hint: "run albergue-crypt verify for the list")
    } catch {
      container.close()
      throw error
    }
    let image = try factory.openImage(of: container)
    do throws(EncryptedStorageError) {
      try image.executeScript("PRAGMA ignore_check_constraints=ON; BEGIN; SELECT count(*) FROM sqlite_schema")
      try verifyStructure(image, hint: "run albergue-crypt verify for the list")
      return image
    } catch {
      image.close()
      throw error
    }
  }

  /// Every MAC of the file and its log; while a snapshot is held, nobody takes the log away.
  private func verifyPages(
    _ path: String, _ keys: PageKeys, _ cancellation: Cancellation
  ) throws(EncryptedStorageError) {
    let log = try WriteAheadLogScan(path: path + "-wal", keys: keys).requireIntact()
    var scan = PageScan(path: path, keys: keys, progress: progress, cancellation: cancellation)
    scan.isLive = true
    scan.replacedPages = log.replacedPages
    try scan.requireAuthentic()
  }

  private func verifyStructure(_ session: Session, hint: String) throws(EncryptedStorageError) {
    guard try session.value("PRAGMA quick_check(1)") == .text("ok") else {
      throw EncryptedStorageError(
        .damaged, operation: "verify", file: session.path, detail: "the structure of the source is damaged", hint: hint)
    }
  }
}
