public import EncryptionKeys

/// Saves what can be saved from a damaged file, or from one whose pages are under several keys, into a new encrypted file.
///
/// Nothing enters the new file but what a MAC vouches for: a page counts when it is authentic under one of the keys, and is
/// lost otherwise. The source is only read; no lock is taken, so programs that use it should be stopped first.
///
/// A page store is saved only as a whole: rows of a store are pages of a database, and most of them are none.
///
/// What a MAC cannot tell: an old version of a page that was put back, whole, in the place of a newer one.
public struct Recovery: Sendable {
  /// How the new file was made.
  public enum Method: String, Sendable {
    /// Every page was authentic under one of the keys: rewritten under one key, nothing lost.
    case pages
    /// Rows were saved from the authentic pages.
    case rows
  }

  /// What became of one table.
  public struct Table: Sendable, Equatable {
    /// Its name.
    public let name: String
    /// Rows in the new file.
    public let recoveredRowCount: Int
    /// Rows that were seen, but part of them is on a lost page. Rows wholly on lost pages cannot be counted.
    public let unreadableRowCount: Int
    /// Rows that have the key of another one, or that a constraint refuses.
    public let refusedRowCount: Int
  }

  /// What was saved.
  public struct Outcome: Sendable {
    /// How it was done.
    public let method: Method
    /// Pages of the damaged database.
    public let pageCount: UInt32
    /// Authentic pages by the key they are under; keys without any are not listed.
    public let authenticPageCounts: [KeyID: Int]
    /// Pages that are altered, zeroed or missing.
    public let lostPageCount: Int
    /// Their numbers, ascending, at most ``lostPagesMax`` of them.
    public let lostPages: [UInt32]
    /// Tables in the order of the schema, SQLite's own not counted; empty for ``Method/pages``.
    public let tables: [Table]
    /// Rows in the table `lost_and_found`.
    public let orphanRowCount: Int
    /// Whether page 1, the root of the schema, is lost.
    public let schemaLost: Bool
    /// What else a person should know, a sentence each.
    public let notes: [String]

    /// More numbers than this help nobody, and could fill the memory.
    public static let lostPagesMax = 100_000
  }

  private let keys: [KeyMaterial]
  private let target: KeyMaterial
  private let profile: CipherProfile
  private let progress: Progress?

  /// - Parameters:
  ///   - keys: every key that pages may be under, the likeliest first; older SQLCipher formats are recognised.
  ///   - target: the key of the new file.
  ///   - profile: the profile of the new file.
  public init(keys: [KeyMaterial], target: KeyMaterial, profile: CipherProfile) {
    self.init(keys: keys, target: target, profile: profile, progress: nil)
  }

  package init(keys: [KeyMaterial], target: KeyMaterial, profile: CipherProfile, progress: Progress?) {
    self.keys = keys
    self.target = target
    self.profile = profile
    self.progress = progress
  }

  /// Recovers `source` into the new file `destination`.
  ///
  /// - Throws: `.exists`, `.missing`, `.noKey`, `.wrongKey` when no page is authentic, `.plaintext`, `.notADatabase`,
  ///   `.pageStore` when a page of a store is lost, `.diskFull`, `.readOnly`, `.cancelled`; nothing is left under `destination` then.
  /// - Durability: returns when the new file and its name are on the disk.
  /// - Complexity: O(pages); memory for a few pages and the largest row, and some bits per page.
  public func run(from source: String, to destination: String) async throws -> Outcome {
    try await BlockingWork.run { cancellation in try self.recover(source, destination, cancellation) }
  }

  private func recover(
    _ source: String, _ destination: String, _ cancellation: Cancellation
  ) throws(EncryptedStorageError) -> Outcome {
    let target = try NewDatabaseFile(destination)
    defer { target.discard() }
    let path = try FileSystem.absolutePath(source)
    try refuseWhatNoKeyCanOpen(path)
    do throws(EncryptedStorageError) {
      let image = try DatabaseImage(path, materials: keys)
      let census = try ImageCensus(of: image, progress: progress, cancellation: cancellation)
      let (output, outcome) = try write(image, census, to: target, cancellation)
      try output.synchronize()
      CrashPoint.reach("recovery synchronized")
      try cancellation.check("recover")
      try target.publish(output)
      return outcome
    } catch {
      throw error.naming(file: source)
    }
  }

  private func refuseWhatNoKeyCanOpen(_ path: String) throws(EncryptedStorageError) {
    let head = try RawDatabaseFile(path: path).bytes(at: 0, count: 4096)
    switch FileAppearance(head: head) {
    case .plaintext:
      throw EncryptedStorageError(
        .plaintext, operation: "recover", file: path, detail: "the file is not encrypted",
        hint: "use the .recover command of sqlite3, then albergue-crypt import")
    case .empty where (FileSystem.status(path + "-wal")?.byteCount ?? 0) == 0:
      throw EncryptedStorageError(
        .notADatabase, operation: "recover", file: path, detail: "the file is empty", hint: "there is nothing to save")
    default: break
    }
    guard !keys.isEmpty else {
      throw EncryptedStorageError(
        .noKey, operation: "recover", file: path, detail: "no key is given",
        hint: "give every key the file has ever been under")
    }
  }

  /// Page by page when nothing is lost and the pages fit the new format; otherwise row by row.
  private func write(
    _ image: DatabaseImage, _ census: ImageCensus, to file: NewDatabaseFile, _ cancellation: Cancellation
  ) throws(EncryptedStorageError) -> (OutputFile, Outcome) {
    var notes = image.notes
    let keys: PageKeys
    do { keys = try PageKeys(format: profile.format, salt: Salt.random(), material: target) } catch {
      throw EncryptedStorageError(error, operation: "recover", file: image.path)
    }
    let isPageStore = image.header?.applicationID == PageStoreMark.applicationID
    if isPageStore, census.lostCount > 0 { throw Self.unsavable(image.path, lostPageCount: census.lostCount) }
    if census.lostCount == 0, image.header != nil, image.keys.format == profile.format {
      let recovery = PageRecovery(image: image, targetKeys: keys, progress: progress, cancellation: cancellation)
      if let output = try recovery.write(to: file.temporaryPath) {
        var report = RowRecovery.Report()
        report.notes = notes
        return (output, outcome(.pages, image, census, report))
      }
      if isPageStore { throw Self.unsavable(image.path, lostPageCount: 0) }
      notes.append("every page is authentic, but together they make no sound database; rows were saved instead")
      file.discard()
    }
    var (output, report) = try RowRecovery(
      image: image, census: census, targetKeys: keys, progress: progress, cancellation: cancellation
    ).write(to: file.temporaryPath)
    report.notes = notes + report.notes
    return (output, outcome(.rows, image, census, report))
  }

  /// The pages of an image without some of them are no database, and what is left of one cannot be told from what was.
  private static func unsavable(_ path: String, lostPageCount: Int) -> EncryptedStorageError {
    EncryptedStorageError(
      .pageStore, operation: "recover", file: path,
      detail: lostPageCount > 0
        ? "a page store that has lost \(lostPageCount) of its pages cannot be recovered"
        : "a page store whose pages make no sound database cannot be recovered",
      hint: "a replica: make a new one and pull it again; a primary: put a backup back")
  }

  private func outcome(
    _ method: Method, _ image: DatabaseImage, _ census: ImageCensus, _ report: RowRecovery.Report
  ) -> Outcome {
    Outcome(
      method: method, pageCount: image.pageCount, authenticPageCounts: census.authenticCounts,
      lostPageCount: census.lostCount, lostPages: census.lostPages(Outcome.lostPagesMax), tables: report.tables,
      orphanRowCount: report.orphanRowCount, schemaLost: report.isSchemaLost, notes: report.notes)
  }
}
