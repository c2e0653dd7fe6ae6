internal import EncryptedStorage

/// Fills an empty replica: pages are streamed in, in any order and any number at a time, and become an image only when all
/// are there and the database in them is sound. Until then nobody can open it.
///
/// What has been stored survives a killed process; the next ``PageStore/beginBootstrap(_:)`` for the same image goes on
/// with what is missing. After a restart of the machine it begins anew: only then could writes be lost in any order.
///
/// The pages go into a file of their own, `FILE.albergue-bootstrap`, which takes the place of the empty store at the end.
public actor Bootstrap {
  /// The image that is to be made.
  public struct Target: Sendable, Hashable {
    /// Where it comes from.
    public let remote: RemoteIdentity
    /// The position it is at.
    public let position: Int64
    /// Its pages, of 4096 bytes.
    public let pageCount: UInt32

    /// A target.
    public init(remote: RemoteIdentity, position: Int64, pageCount: UInt32) {
      self.remote = remote
      self.position = position
      self.pageCount = pageCount
    }
  }

  /// What is being made.
  public nonisolated let target: Target
  private let store: PageStore
  private let staging: StagingFile
  private let executor = ConnectionExecutor()
  /// Nil while the image is being published and afterwards, and when it could not be opened again after that failed.
  private var file: BulkFile?
  /// Whether the image is being published, or has been.
  private var isPublishing = false

  /// Encrypting and writing block, so they happen on a queue of their own.
  public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }

  init(_ target: Target, _ store: PageStore, _ staging: StagingFile) {
    self.target = target
    self.store = store
    self.staging = staging
  }

  func open() throws { file = try staging.open() }

  /// Stores pages; of several with one number the last counts.
  ///
  /// - Throws: `.invalidPages`, `.diskFull`, `.cancelled`; `.closed` while the image is being published, and afterwards.
  public func append(_ pages: [Page]) throws {
    try ImageCheck.pages(pages, pageCount: target.pageCount, store.path)
    for page in pages where page.number == StoreFormat.lockBytePage {
      throw ImageCheck.invalid(store.path, "page \(page.number) is one that SQLite never writes")
    }
    try openedFile().write(pages, Cancellation())
  }

  /// The ranges of pages that are still missing, ascending: all while nobody can tell.
  public func missingPages() -> [ClosedRange<UInt32>] {
    guard !isPublishing else { return [] }
    guard let file = try? openedFile() else { return [1...target.pageCount] }
    return file.missingPages
  }

  /// Checks the image and publishes it.
  ///
  /// - Parameter time: seconds since 1970-01-01 UTC, noted as the first sync.
  /// - Throws: `.incomplete` when pages are missing; `.invalidPages` when the database in the image is not sound: then it
  ///   stays unpublished; `.busy` when another process has the store open. After every error it can be called again, and
  ///   pages can be appended, unless the image has been published all the same.
  @discardableResult
  public func finish(syncedAt time: Int64? = nil) async throws -> ImageState {
    try complete()
    do {
      // The disk works while the processor does.
      async let isOnDisk: Void = BlockingWork.run { [staging] _ in try staging.synchronize() }
      let state = try staging.check()
      try await isOnDisk
      try staging.seal(syncedAt: time)
      try await store.replaceContainer { [staging] in try staging.publish() }
      return state
    } catch {
      // Once the file has its name it is the store, and nothing here may touch it again.
      if staging.isThere {
        isPublishing = false
        // What kept the image from being published may keep the file from being opened; then the next call tries again.
        file = try? staging.reopen()
      }
      throw error
    }
  }

  /// Writes the rest of the file, and lets go of it: from here on nothing is appended, also while `finish` waits, and no
  /// descriptor of the file is open when SQLite opens it. Closing one would drop the locks that SQLite has on it.
  private func complete() throws {
    let file = try openedFile()
    let missing = file.missingPages
    guard missing.isEmpty else {
      let count = missing.reduce(0) { $0 + $1.count }
      throw EncryptedStorageError(
        .incomplete, operation: "bootstrap", file: store.path,
        detail: "\(count) of \(target.pageCount) pages are missing, the first is page \(missing[0].lowerBound)",
        hint: "pull again, which goes on where it stopped")
    }
    try file.complete()
    self.file = nil
    isPublishing = true
  }

  /// The file, opened again if need be.
  ///
  /// - Throws: `.closed` when nothing may be written any more; what opening throws.
  private func openedFile() throws -> BulkFile {
    if let file { return file }
    guard !isPublishing else { throw Self.finished(store.path) }
    let file = try staging.reopen()
    self.file = file
    return file
  }

  private static func finished(_ path: String) -> EncryptedStorageError {
    EncryptedStorageError(
      .closed, operation: "bootstrap", file: path, detail: "the image is being published, or has been")
  }
}

extension PageStore {
  /// Begins to fill an empty replica, or goes on with what a killed run left.
  ///
  /// - Throws: `.exists` when the store holds an image; `.invalidPages` for an image without pages; `.denied` in a primary;
  ///   `.busy` while another process fills it.
  public func beginBootstrap(_ target: Bootstrap.Target) async throws -> Bootstrap {
    guard target.pageCount > 0 else { throw ImageCheck.invalid(path, "an image without pages") }
    guard target.pageCount <= BulkLayout.pageCountLimit else {
      throw ImageCheck.invalid(path, "an image of \(target.pageCount) pages is larger than a store can be")
    }
    let state = try await state()
    guard state.role == .replica else {
      throw EncryptedStorageError(
        .denied, operation: "bootstrap", file: path, detail: "a primary is changed by SQL, not by pages")
    }
    guard !state.isComplete else {
      throw EncryptedStorageError(
        .exists, operation: "bootstrap", file: path, detail: "the store holds an image already",
        hint: "pull changes into it, or make a new replica")
    }
    let (path, factory) = (path, factory)
    let staging = try await BlockingWork.run { _ in try StagingFile(beside: path, target, factory) }
    let bootstrap = Bootstrap(target, self, staging)
    try await bootstrap.open()
    return bootstrap
  }
}
