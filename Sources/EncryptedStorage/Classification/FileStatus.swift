public import EncryptionKeys

/// What a file is, found out without writing anything and without SQLite.
public struct FileStatus: Sendable, Encodable {
  /// The kinds of file that are told apart.
  public enum Kind: String, Sendable, Encodable {
    /// An unencrypted SQLite database.
    case plaintext
    /// A SQLCipher 4 database under one of the keys.
    case sqlcipher
    /// A SQLCipher 4 database under one of the keys that holds the pages of another database.
    case pageStore = "page-store"
    /// Encrypted, but not under any of the keys tried.
    case wrongKey = "wrong-key"
    /// Encrypted, as far as can be told without a key.
    case encrypted
    /// Under one of the keys, but not all pages looked at are authentic.
    case damaged
    /// Pages under more than one key: an in-place rekey was interrupted.
    case mixedKeys = "mixed-keys"
    /// Turso's own encryption.
    case tursoEncrypted = "turso-encrypted"
    /// An older SQLCipher format, or libSQL's unauthenticated `aes256cbc`.
    case legacy
    /// No bytes at all.
    case empty
    /// Something else.
    case notADatabase = "not-a-database"
  }

  /// The file as named by the caller.
  public let file: String
  /// What the file is.
  public internal(set) var kind: Kind = .notADatabase
  /// What was seen, one sentence.
  public internal(set) var detail = ""
  /// Cipher profile, or the MAC of a format that is none.
  public internal(set) var profile: String?
  /// Id of the key that fits.
  public internal(set) var keyID: String?
  /// Bytes per page.
  public internal(set) var pageSize: Int?
  /// Whole pages in the file.
  public internal(set) var pageCount: UInt32?
  /// Size in bytes.
  public let byteCount: Int64
  /// Size of the write-ahead log in bytes; 0 when there is none.
  public let logByteCount: Int64
  /// Size of a rollback journal that waits to be rolled back; 0 when there is none.
  public let journalByteCount: Int64
  /// What a rotation left: `none`, `interrupted`, `running`.
  public let rotation: String
  /// What the first pull of a replica left beside it, in `FILE.albergue-bootstrap`: `none`, `unfinished`, `running`.
  public let bootstrap: String
  /// Permission bits in octal, `600`.
  public let permissions: String
  /// Whether group or others can read or write the file.
  public let isExposed: Bool
}

/// Looks at files.
public struct FileClassifier: Sendable {
  private let candidates: [KeyMaterial]
  /// Pages looked at, spread over the file, to see whether all are under one key.
  private static let sampleCount: UInt32 = 64

  /// - Parameter keys: tried in order; without any, only appearance is told.
  public init(keys: [KeyMaterial]) { candidates = keys }

  /// Classifies one file. Takes no lock and writes nothing.
  ///
  /// - Throws: `.missing`, `.notADatabase` for a folder, `.inputOutput`.
  public func run(_ path: String) async throws -> FileStatus {
    try await BlockingWork.run { _ in try self.classify(path) }
  }

  private func classify(_ path: String) throws -> FileStatus {
    let file = try RawDatabaseFile(path: path)
    let absolute = try FileSystem.absolutePath(path)
    let permissions = FileSystem.status(absolute)?.permissions ?? 0
    var status = FileStatus(
      file: path, byteCount: try file.byteCount(), logByteCount: FileSystem.status(absolute + "-wal")?.byteCount ?? 0,
      journalByteCount: FileSystem.status(absolute + "-journal")?.byteCount ?? 0, rotation: rotation(of: absolute),
      bootstrap: bootstrap(of: absolute),
      permissions: String(permissions, radix: 8), isExposed: permissions & 0o077 != 0)
    let head = try file.bytes(at: 0, count: 4096)
    switch FileAppearance(head: head) {
    case .empty: status.set(.empty, "no bytes; any key would open it")
    case .plaintext: describePlaintext(head, &status)
    case .tursoEncrypted: status.set(.tursoEncrypted, "Turso's own page encryption")
    case .legacyUnauthenticated:
      status.set(.legacy, "looks like libSQL's aes256cbc: encrypted without authentication")
      try describeEncrypted(file, at: absolute, isCertain: false, &status)
    case .encrypted: try describeEncrypted(file, at: absolute, isCertain: true, &status)
    case .other:
      status.set(.notADatabase, "neither SQLite nor encrypted")
      try describeEncrypted(file, at: absolute, isCertain: false, &status)
    }
    return status
  }

  private func describePlaintext(_ head: [UInt8], _ status: inout FileStatus) {
    status.set(.plaintext, "an unencrypted SQLite database; everyone who can read the file can read the data")
    // Behind the magic there can be anything, a size of no bytes too.
    guard unsafe DatabaseHeader.isPlausible(head.span.bytes), let header = unsafe DatabaseHeader(page: head.span.bytes)
    else { return }
    status.pageSize = header.pageSize
    status.pageCount = PageGeometry(pageSize: header.pageSize).pageCount(ofBytes: status.byteCount)
  }

  /// - Parameter isCertain: false when the appearance speaks for something else, which a fitting key overrules.
  private func describeEncrypted(
    _ file: RawDatabaseFile, at path: String, isCertain: Bool, _ status: inout FileStatus
  ) throws {
    guard let match = try KeyTrial.match(file, at: path, candidates: candidates, scope: .includingLegacy) else {
      guard isCertain else { return }
      if candidates.isEmpty {
        status.set(.encrypted, "looks encrypted; give a key to learn more")
      } else {
        status.set(.wrongKey, "encrypted, and none of the \(candidates.count) keys fits")
      }
      return
    }
    let geometry = PageGeometry(pageSize: match.format.pageSize)
    status.keyID = match.material.id.name
    status.pageSize = geometry.pageSize
    status.pageCount = geometry.pageCount(ofBytes: status.byteCount)
    status.profile = match.profileName
    if match.format.mac == .sha1 {
      status.set(.legacy, "an older SQLCipher format; convert it with albergue-crypt import")
    } else {
      try describeSample(file, at: path, match, geometry, &status)
    }
  }

  private func describeSample(
    _ file: RawDatabaseFile, at path: String, _ match: KeyMatch, _ geometry: PageGeometry, _ status: inout FileStatus
  ) throws {
    let others = try candidates.filter { $0 !== match.material }.map {
      try PageKeys(format: match.format, salt: match.keys.salt, material: $0)
    }
    var flawedPages: Set<UInt32> = []
    var otherCount = 0
    let pages = samplePages(status.pageCount ?? 0, geometry)
    for page in pages {
      let stored = try file.bytes(at: geometry.offset(of: page), count: geometry.pageSize)
      if try isAuthentic(stored, page, match.keys) { continue }
      if try others.contains(where: { try isAuthentic(stored, page, $0) }) {
        otherCount += 1
      } else {
        flawedPages.insert(page)
      }
    }
    if !flawedPages.isEmpty { flawedPages.subtract(try replacedPages(path, match.keys)) }
    if otherCount > 0 {
      status.set(
        .mixedKeys, "\(otherCount) of \(pages.count) pages looked at are under another key; use albergue-crypt recover")
    } else if !flawedPages.isEmpty {
      status.set(
        .damaged,
        flawedPages.contains(1)
          ? "page 1 is damaged, other pages are authentic; use albergue-crypt recover"
          : "\(flawedPages.count) of \(pages.count) pages looked at are not authentic; run albergue-crypt verify")
    } else if status.logByteCount == 0, status.journalByteCount == 0,
      geometry.trailingByteCount(ofBytes: status.byteCount) > 0
    {
      status.set(.damaged, "the file ends inside a page; run albergue-crypt verify")
    } else {
      // A page 1 that a power cut has torn is in the log; where it is not found, the kind is told without it.
      let header =
        try StoredHeader.read(file, keys: match.keys) ?? (try? DatabaseImage(path, materials: candidates))?.header
      if let count = header?.pageCount, count > status.pageCount ?? 0, status.logByteCount == 0 {
        status.set(.damaged, "the file has \(status.pageCount ?? 0) pages, its header says \(count)")
        return
      }
      let looked = pages.count == 1 ? "the page" : "the \(pages.count) pages"
      status.set(
        header?.applicationID == PageStoreMark.applicationID ? .pageStore : .sqlcipher,
        "encrypted and authentic in \(looked) looked at")
    }
  }

  /// Pages that a power cut may have torn, and that the next opening takes from the log or the journal.
  private func replacedPages(_ path: String, _ keys: PageKeys) throws -> Set<UInt32> {
    if let journal = try RollbackJournal(path: path + "-journal") { return Set(journal.pageOffsets.keys) }
    return try WriteAheadLogScan(path: path + "-wal", keys: keys).run().replacedPages
  }

  private func samplePages(_ count: UInt32, _ geometry: PageGeometry) -> [UInt32] {
    guard count > 0 else { return [] }
    let step = max(1, count / Self.sampleCount)
    return stride(from: 1, through: count, by: Int(step)).filter { $0 != geometry.lockBytePage }
  }

  private func isAuthentic(_ page: [UInt8], _ number: UInt32, _ keys: PageKeys) throws -> Bool {
    let codec = try PageCodec(keys)
    return unsafe codec.isAuthentic(page.span.bytes, number: number)
  }

  private func rotation(of path: String) -> String {
    let journal = RotationJournal.path(for: path)
    guard FileSystem.exists(journal) else { return "none" }
    return isLocked(journal) ? "running" : "interrupted"
  }

  private func bootstrap(of path: String) -> String {
    guard FileSystem.exists(path + PageStoreMark.bootstrapSuffix) else { return "none" }
    return isLocked(path + PageStoreMark.bootstrapLockSuffix) ? "running" : "unfinished"
  }

  /// Whether a process works under a lock file.
  private func isLocked(_ lockFile: String) -> Bool {
    do throws(EncryptedStorageError) {
      _ = try FileLock(lockFile, creating: false, isShared: true, operation: "status")
      return false
    } catch { return error.code == .busy }
  }
}

extension FileStatus {
  fileprivate mutating func set(_ kind: Kind, _ detail: String) {
    self.kind = kind
    self.detail = detail
  }
}
