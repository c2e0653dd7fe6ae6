internal import CSQLCipher
public import EncryptionKeys
public import Logging
internal import Synchronization

/// Opens and creates encrypted database files: the only way to a connection.
///
/// Before SQLite reads anything, the MAC of the file's own pages decides which key and format fit, so that a wrong key, a
/// damaged page, a plaintext file and another profile are different errors (SQLCipher answers 26 to all of them).
public final class ConnectionFactory: Sendable {
  /// What a connection is for.
  public enum Access: Sendable {
    /// Reads only. Recovers the file after a crash, as every SQLite reader does, if the file can be written.
    case reader
    /// Reads and writes, in WAL mode. The only kind that checkpoints.
    case writer
  }

  /// Settings of every connection.
  public struct Configuration: Sendable {
    /// How long a statement waits for a lock. Default 5 s.
    public var busyTimeout: Duration = .seconds(5)
    /// Page cache per connection in KiB. Default 2000, SQLite's own.
    public var cacheKibibytes = 2000
    /// Whether a commit waits for the disk (`FULL`), or may be lost, never torn, on a power failure (`NORMAL`).
    public var waitsForDisk = true
    /// SQLite's VFS below every file; tests put one there that fails on purpose.
    package var fileSystem = "unix"
    /// Shows the images of page stores as databases; nil refuses page stores.
    package var mounting: (any ImageMounting)?
    /// Page cache of the container below a mounted image in KiB; nil makes it fit the size of the image.
    package var containerCacheKibibytes: Int?
    /// Whether containers that are opened for writing give way to everybody else's work: for what changes the pages of a
    /// replica in a process that reads it.
    package var writesInBackground = false

    /// Set for connections that run the SQL of clients.
    package var clientLimits: ClientLimits?

    /// The defaults.
    public init() {}
  }

  let candidates: [KeyMaterial]
  let pinnedProfile: CipherProfile?
  let creationProfile: CipherProfile
  let configuration: Configuration
  let logger: Logger?
  private let recentMatches = Mutex<[KeyMatch]>([])

  private static let recentMatchCount = 8

  /// A factory for files under the keys of `keys`.
  ///
  /// - Parameter profile: when given, files under another profile are refused with `.profileMismatch`; when nil, an
  ///   existing file's profile is recognised by its MAC, and new files get the keyring's profile, else `sqlcipher4`.
  /// - Throws: `.keyUnusable` when a key of the set cannot be loaded.
  public convenience init(
    keys: KeySet, profile: CipherProfile? = nil, configuration: Configuration = Configuration(), logger: Logger? = nil
  ) throws(EncryptedStorageError) {
    do {
      self.init(
        candidates: try keys.candidates(), pinnedProfile: profile,
        creationProfile: profile ?? keys.primaryProfile ?? .sqlcipher4, configuration: configuration, logger: logger)
    } catch {
      throw EncryptedStorageError(error, operation: "load keys", file: nil)
    }
  }

  /// A factory for files under one key.
  public convenience init(
    key: KeyMaterial, profile: CipherProfile? = nil, configuration: Configuration = Configuration(),
    logger: Logger? = nil
  ) {
    self.init(
      candidates: [key], pinnedProfile: profile, creationProfile: profile ?? .sqlcipher4, configuration: configuration,
      logger: logger)
  }

  package init(
    candidates: [KeyMaterial], pinnedProfile: CipherProfile? = nil, creationProfile: CipherProfile = .sqlcipher4,
    configuration: Configuration = Configuration(), logger: Logger? = nil
  ) {
    self.candidates = candidates
    self.pinnedProfile = pinnedProfile
    self.creationProfile = creationProfile
    self.configuration = configuration
    self.logger = logger
  }

  /// The keys that are tried, the one for new files first.
  package var keys: [KeyMaterial] { candidates }

  /// The profile of new files.
  package var profile: CipherProfile { creationProfile }

  /// The same factory, with another way to mount page stores.
  package func mounting(_ mounting: any ImageMounting) -> ConnectionFactory { configured { $0.mounting = mounting } }

  /// The same factory with other settings.
  package func configured(_ change: (inout Configuration) -> Void) -> ConnectionFactory {
    var configuration = configuration
    change(&configuration)
    return ConnectionFactory(
      candidates: candidates, pinnedProfile: pinnedProfile, creationProfile: creationProfile,
      configuration: configuration, logger: logger)
  }

  /// A factory for files under the key and profile of one that was found.
  package func only(_ match: KeyMatch) -> ConnectionFactory {
    ConnectionFactory(
      candidates: [match.material], pinnedProfile: match.profile, creationProfile: match.profile ?? creationProfile,
      configuration: configuration, logger: logger)
  }

  // MARK: - Connections

  /// Opens an existing encrypted database, or the database inside a page store.
  ///
  /// - Throws: `.missing`, `.notADatabase`, `.plaintext`, `.wrongKey`, `.profileMismatch`, `.unsupportedFormat`,
  ///   `.damaged`, `.busy`, `.readOnly`, `.inputOutput`; `.pageStore` when the configuration mounts no page stores,
  ///   `.incomplete` while a store's image is not whole, `.denied` for a writer of a replica.
  public func open(_ path: String, _ access: Access = .reader) async throws -> Connection {
    try await Connection.make { interrupter throws(EncryptedStorageError) in
      try self.openSession(path, access, interrupter: interrupter)
    }
  }

  /// Creates a new, empty encrypted database and opens it for writing.
  ///
  /// - Throws: `.exists` when there is a file of that name, `.readOnly`, `.diskFull`.
  public func create(_ path: String) async throws -> Connection {
    try await Connection.make { interrupter throws(EncryptedStorageError) in
      try self.createDatabase(path)
      return try self.openSession(path, .writer, interrupter: interrupter)
    }
  }

  /// Opens an existing encrypted database for one writer and `readerCount` readers at a time.
  ///
  /// - Throws: as ``open(_:_:)``.
  public func openPool(_ path: String, readerCount: Int = 2) async throws -> ConnectionPool {
    let writer = try await open(path, .writer)
    do {
      return ConnectionPool(writer: writer, readers: try await openReaders(path, count: readerCount))
    } catch {
      await writer.close()
      throw error
    }
  }

  /// Opens the container of a page store: the database that holds pages, not the one that they make.
  package func openContainer(_ path: String, _ access: Access) async throws -> Connection {
    let isBackground = access == .writer && configuration.writesInBackground
    return try await Connection.make(isBackground: isBackground) { interrupter throws(EncryptedStorageError) in
      try self.openSession(path, access, interrupter: interrupter, view: .container)
    }
  }

  // MARK: - Sessions, blocking, for threads that may block

  /// What a session on a page store works on. Other files have only one view.
  package enum View: Sendable {
    /// The database whose pages are stored.
    case image
    /// The database that stores them.
    case container
    /// The file as it is: the container of a page store, the database of any other file.
    case stored
  }

  /// Opens a session on the calling thread.
  package func openSession(
    _ path: String, _ access: Access, view: View = .image
  ) throws(EncryptedStorageError) -> Session {
    try openSession(path, access, interrupter: Interrupter(), view: view)
  }

  func openSession(
    _ path: String, _ access: Access, interrupter: Interrupter, view: View = .image, settlesRotation: Bool = true
  ) throws(EncryptedStorageError) -> Session {
    let absolute = try FileSystem.existingFile(path)
    // A rotation of another process can rename a new file into place between our open and our first read.
    for _ in 1...3 {
      if settlesRotation { try RotationRecovery.settle(absolute, logger: logger) }
      let handle = try Opening.open(
        absolute,
        Opening.Mode(isImmutable: Opening.isUnwritable(absolute), fileSystem: configuration.fileSystem))
      do throws(EncryptedStorageError) {
        let file = try OpenedFile(handle)
        let match = try matchingKey(of: file, path: absolute)
        try lookAtLog(absolute, match.keys, access)
        try Opening.applyKey(match.keys, to: handle)
        try read(handle, match)
        if file.hasMoved() {
          handle.close()
          continue
        }
        let isPageStore =
          try Opening.text("PRAGMA application_id", on: handle) == String(PageStoreMark.applicationID)
        switch (isPageStore, view) {
        case (false, .image), (true, .container), (_, .stored):
          handle.attach(interrupter)
          return try configure(handle, access, ownsWriterLock: true)
        case (true, .image):
          // What happens on the container belongs to statements of the image, under the lock that these hold.
          return try mountImage(try configure(handle, access, ownsWriterLock: false), access, interrupter)
        case (false, .container):
          // As a session, so that nothing stays beside the file.
          Session(handle: handle).close()
          throw EncryptedStorageError(
            .notADatabase, operation: "open", file: path, detail: "an encrypted database, not a page store",
            hint: "name the file that albergue-crypt init --replica or a sync made")
        }
      } catch {
        handle.close()
        throw error.naming(file: path, keyID: nil)
      }
    }
    throw EncryptedStorageError(
      .busy, operation: "open", file: path, detail: "the file is being replaced", hint: "try again")
  }

  /// The keys of this factory but one, to recognise pages under them.
  package func otherCandidates(than material: KeyMaterial) -> [KeyMaterial] { candidates.filter { $0 !== material } }

  /// The key and format under which a file is authentic.
  ///
  /// - Throws: the precise reason when there is none.
  package func matchingKey(of file: some StoredBytes, path: String) throws(EncryptedStorageError) -> KeyMatch {
    var found = try recentMatch(file)
    if found == nil { found = try newMatch(file, path) }
    guard let match = found else { throw try misfit(file, path) }
    if let pinnedProfile, match.format.mac != pinnedProfile.format.mac {
      throw EncryptedStorageError(
        .profileMismatch, operation: "open", file: path, keyID: match.material.id,
        detail: "the file is encrypted under \(match.profileName), not under \(pinnedProfile.rawValue)",
        hint: "set TURSO_ENCRYPTION_CIPHER to the file's profile, or change it with albergue-crypt rekey --cipher")
    }
    return match
  }

  /// A match of an earlier opening, so that a service that opens its file often derives nothing again.
  private func recentMatch(_ file: some StoredBytes) throws(EncryptedStorageError) -> KeyMatch? {
    for match in recentMatches.withLock({ $0 }) where try KeyTrial.confirm(match, file) { return match }
    return nil
  }

  private func newMatch(_ file: some StoredBytes, _ path: String) throws(EncryptedStorageError) -> KeyMatch? {
    let absolute = try FileSystem.absolutePath(path)
    guard let match = try KeyTrial.match(file, at: absolute, candidates: candidates) else { return nil }
    guard match.firstPageIsAuthentic else { return match }
    recentMatches.withLock { recent in
      recent.insert(match, at: 0)
      if recent.count > Self.recentMatchCount { recent.removeLast() }
    }
    return match
  }

  /// Why no key fits.
  private func misfit(_ file: some StoredBytes, _ path: String) throws(EncryptedStorageError) -> EncryptedStorageError {
    func error(
      _ code: EncryptedStorageError.Code, _ detail: String, _ hint: String?, keyID: KeyID? = nil
    ) -> EncryptedStorageError {
      EncryptedStorageError(code, operation: "open", file: path, keyID: keyID, detail: detail, hint: hint)
    }
    let appearance = FileAppearance(head: try file.bytes(at: 0, count: 4096))
    switch appearance {
    case .empty:
      return error(
        .notADatabase, "the file is empty, and any key would open it", "create it with albergue-crypt init")
    case .plaintext:
      return error(
        .plaintext, "the file is an unencrypted SQLite database", "encrypt it with albergue-crypt import")
    case .tursoEncrypted:
      return error(
        .unsupportedFormat, "the file is encrypted in Turso's own format",
        "export it with the program that wrote it, then use albergue-crypt import")
    default: break
    }
    guard !candidates.isEmpty else {
      return error(.noKey, "no key was given", "name a key file or a keyring")
    }
    if let legacy = try KeyTrial.match(file, candidates: candidates, scope: .includingLegacy) {
      return error(
        .unsupportedFormat, "the file is in an older SQLCipher format (\(legacy.profileName))",
        "convert it with albergue-crypt import", keyID: legacy.material.id)
    }
    switch appearance {
    case .legacyUnauthenticated:
      return error(
        .unsupportedFormat, "the file looks like libSQL's aes256cbc encryption, which has no authentication",
        "export it with the program that wrote it, then use albergue-crypt import")
    case .other:
      return error(.notADatabase, "the file is neither a SQLite nor a SQLCipher database", "check the path")
    default:
      return error(
        .wrongKey,
        candidates.count == 1
          ? "the key does not fit this file" : "none of the \(candidates.count) keys fits this file",
        "check which key the file was written with (albergue-crypt status)", keyID: candidates.last?.id)
    }
  }

  // MARK: - Creating

  /// Makes an encrypted database: complete under its name, or not there.
  ///
  /// - Parameter script: run on the empty database before it gets its name.
  package func createDatabase(_ path: String, script: String = "") throws(EncryptedStorageError) {
    let file = try NewDatabaseFile(path)
    defer { file.discard() }
    guard let material = candidates.first else {
      throw EncryptedStorageError(.noKey, operation: "create", file: path, detail: "no key was given")
    }
    do throws(EncryptedStorageError) {
      // The file gets its mode before SQLite writes to it.
      let output = try OutputFile(creating: file.temporaryPath)
      let handle = try Opening.open(file.temporaryPath, Opening.Mode(fileSystem: configuration.fileSystem))
      defer { handle.close() }
      let keys: PageKeys
      do {
        keys = try PageKeys(format: creationProfile.format, salt: Salt.random(), material: material)
      } catch { throw EncryptedStorageError(error, operation: "create", file: path) }
      try Opening.applyKey(keys, to: handle)
      // A statement that writes page 1 without leaving anything in the schema.
      for sql in ["PRAGMA journal_mode=DELETE", "PRAGMA user_version=1", "PRAGMA user_version=0"] {
        try Opening.run(sql, on: handle)
      }
      try Opening.run("PRAGMA temp_store=MEMORY; \(script)", on: handle)
      handle.close()
      try output.synchronize()
      try file.publish(output)
    } catch {
      throw error.naming(file: path)
    }
  }

  // MARK: - Setting up

  /// SQLite passes over everything behind a frame that does not continue the log, without a word, and the next writer
  /// overwrites it. A power cut during a commit leaves that as well as manipulation does, and then it is harmless; so it is
  /// said, and not refused.
  ///
  /// A writer will move the frames into the database, so for a writer each must be authentic.
  private func lookAtLog(_ path: String, _ keys: PageKeys, _ access: Access) throws(EncryptedStorageError) {
    guard (FileSystem.status(path + "-wal")?.byteCount ?? 0) > 0 else { return }
    var scan = WriteAheadLogScan(path: path + "-wal", keys: keys)
    scan.checksChainOnly = access == .reader
    let flaws = try scan.run().flaws
    guard !flaws.isEmpty else { return }
    if flaws.contains(where: \.isUnauthenticFrame) {
      throw EncryptedStorageError(
        .damaged, operation: "open", file: path, detail: "the write-ahead log holds a frame that is not authentic",
        hint: "run albergue-crypt verify, then albergue-crypt recover")
    }
    logger?.warning(
      """
      \(path): the write-ahead log breaks before its end; what was committed behind the break is not read, and the next \
      write discards it. After a power cut that is an unfinished commit. If there was none, stop and run albergue-crypt verify
      """)
  }

  /// The first page through SQLCipher: from here on its view and ours agree, or the open fails.
  private func read(_ handle: DatabaseHandle, _ match: KeyMatch) throws(EncryptedStorageError) {
    _ = unsafe sqlite3_busy_timeout(
      try handle.opened("open"), Int32(clamping: configuration.busyMilliseconds))
    do { try Opening.run("SELECT count(*) FROM sqlite_schema", on: handle) } catch {
      guard let code = error.resultCode, [SQLITE_NOTADB, SQLITE_CORRUPT].contains(code & 0xff) else { throw error }
      throw EncryptedStorageError(
        .damaged, operation: "open", file: handle.path, keyID: match.material.id,
        detail: match.firstPageIsAuthentic
          ? "the key fits page 1, but the write-ahead log or the schema cannot be read"
          : "the key fits other pages, but page 1 is damaged",
        hint: "run albergue-crypt verify, then albergue-crypt recover", resultCode: code)
    }
  }
}
