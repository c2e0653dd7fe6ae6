internal import EncryptedStorage

/// Fills an empty replica: pages are streamed in, in any order and any number at a time, and become an image only when all
/// are there and the database in them is sound. Until then nobody can open it.
///
/// What has been stored survives a killed process; the next ``PageStore/beginBootstrap(_:)`` for the same image goes on
/// with what is missing.
public struct Bootstrap: Sendable {
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
  public let target: Target
  private let store: PageStore

  /// Size of the log after which it is emptied: larger than usual, since each time waits for the disk twice.
  private static let logByteCount: Int64 = 8000 * 4120

  init(_ target: Target, _ store: PageStore) {
    self.target = target
    self.store = store
  }

  /// Stores pages, durably after some more of them or at the end.
  ///
  /// - Throws: `.invalidPages`, `.diskFull`, `.busy`; `.positionMismatch` when another bootstrap has taken the store over.
  public func append(_ pages: [Page]) async throws {
    try ImageCheck.pages(pages, pageCount: target.pageCount, store.path)
    let target = target
    try await store.container.run { container in
      try container.transaction(.immediate) { container in
        try Self.checkTarget(target, container)
        try PageStore.store(pages.sorted { $0.number < $1.number }, container)
      }
      try? container.checkpoint(whenLogExceeds: Self.logByteCount)
    }
  }

  /// The ranges of pages that are still missing, ascending.
  public func missingPages() async throws -> [ClosedRange<UInt32>] {
    let target = target
    return try await store.container.run { try Self.missing(target, $0) }
  }

  /// Checks the image and publishes it.
  ///
  /// - Parameter time: seconds since 1970-01-01 UTC, noted as the first sync.
  /// - Throws: `.incomplete` when pages are missing; `.invalidPages` when the database in the image is not sound: then it
  ///   stays unpublished.
  @discardableResult
  public func finish(syncedAt time: Int64? = nil) async throws -> ImageState {
    let target = target
    let state = try await store.container.run { container in
      try container.transaction(.immediate) { try Self.complete(target, $0) }
    }
    try await check()
    try await store.container.transaction { container in
      try Self.checkTarget(target, container)
      try container.execute(
        "UPDATE meta SET complete = 1, last_sync = coalesce(?, last_sync)", [time.map(Value.integer) ?? .null])
    }
    try await store.container.run { _ = try? $0.checkpoint() }
    return state
  }

  // MARK: - Beginning

  /// Prepares the store: keeps what belongs to the same target, and removes what belongs to another.
  static func prepare(_ target: Target, _ container: Session) throws {
    try container.transaction(.immediate) { container in
      let state = try StoreState.read(container)
      guard state.role == .replica else {
        throw EncryptedStorageError(
          .denied, operation: "bootstrap", file: container.path,
          detail: "a primary is changed by SQL, not by pages")
      }
      guard !state.isComplete else {
        throw EncryptedStorageError(
          .exists, operation: "bootstrap", file: container.path, detail: "the store holds an image already",
          hint: "pull changes into it, or make a new replica")
      }
      try container.execute("DELETE FROM change")
      guard try !isTarget(target, container) else { return }
      try PageStore.truncate(to: 0, container)
      try container.execute(
        "UPDATE meta SET remote = ?, protocol = ?, generation = ?, base_position = ?, base_page_count = ?",
        [
          .text(target.remote.name), .text(target.remote.protocolName), .integer(target.remote.generation),
          .integer(target.position), .integer(Int64(target.pageCount)),
        ])
    }
  }

  private static func isTarget(_ target: Target, _ container: Session) throws -> Bool {
    let state = try StoreState.read(container)
    return try state.remote == target.remote && state.basePosition == target.position
      && container.value("SELECT base_page_count FROM meta") == .integer(Int64(target.pageCount))
  }

  private static func checkTarget(_ target: Target, _ container: Session) throws {
    guard try isTarget(target, container), try !StoreState.read(container).isComplete else {
      throw EncryptedStorageError(
        .positionMismatch, operation: "bootstrap", file: container.path,
        detail: "the store is being filled with another image, or is whole already", hint: "begin again")
    }
  }

  // MARK: - Ending

  private static func missing(_ target: Target, _ container: Session) throws -> [ClosedRange<UInt32>] {
    var ranges: [ClosedRange<UInt32>] = []
    var next: UInt32 = 1
    func close(before page: UInt32) {
      guard page > next, next...(page - 1) != StoreFormat.lockBytePage...StoreFormat.lockBytePage else { return }
      ranges.append(next...(page - 1))
    }
    // A page whose tail is missing is missing.
    try container.forEachRow("SELECT page FROM tail ORDER BY page") { row in
      let page = UInt32(clamping: row[0].integer ?? 0)
      close(before: page)
      next = page &+ 1
    }
    close(before: target.pageCount &+ 1)
    return ranges
  }

  /// Gives the image its state, still unpublished.
  private static func complete(_ target: Target, _ container: Session) throws -> ImageState {
    try checkTarget(target, container)
    let missing = try missing(target, container)
    guard missing.isEmpty else {
      let count = missing.reduce(0) { $0 + $1.count }
      throw EncryptedStorageError(
        .incomplete, operation: "bootstrap", file: container.path,
        detail: "\(count) of \(target.pageCount) pages are missing, the first is page \(missing[0].lowerBound)",
        hint: "pull again, which goes on where it stopped")
    }
    let head = try container.value("SELECT data FROM head WHERE page = 1")
    guard let bytes = head.blob else { throw ImageCheck.invalid(container.path, "page 1 cannot be read") }
    try ImageCheck.header(bytes, container.path)
    let changeCounter = unsafe bytes.span.bytes.bigEndianUInt32(at: ImageHeader.changeCounterOffset)
    if let header = unsafe DatabaseHeader(page: bytes.span.bytes), let pageCount = header.pageCount,
      pageCount != target.pageCount
    {
      throw ImageCheck.invalid(
        container.path, "the header of the image says \(pageCount) pages, \(target.pageCount) were sent")
    }
    let state = ImageState(position: target.position, epoch: changeCounter, pageCount: target.pageCount)
    try container.execute("DELETE FROM change")
    try ChangeLog.append(state, pages: [], container)
    return state
  }

  /// Reads the database in the image once.
  private func check() async throws {
    let answers: [String]
    do {
      answers = try await quickCheck()
    } catch let error as EncryptedStorageError where [.damaged, .notADatabase, .statement].contains(error.code) {
      answers = ["the image cannot be read"]
    }
    guard answers == ["ok"] else {
      throw ImageCheck.invalid(store.path, "the database in the image is not sound: \(answers.first ?? "no answer")")
    }
  }

  /// Opening reads the schema, and so fails for some images already.
  private func quickCheck() async throws -> [String] {
    let connection = try await store.factory.mounting(PageStoreMounting(allowsUnpublished: true)).open(store.path)
    do {
      let answers = try await connection.run { try $0.query("PRAGMA quick_check(1)") { $0[0].text ?? "" } }
      await connection.close()
      return answers
    } catch {
      await connection.close()
      throw error
    }
  }
}

extension PageStore {
  /// Begins to fill an empty replica, or goes on with what a killed run left.
  ///
  /// - Throws: `.exists` when the store holds an image; `.invalidPages` for an image without pages; `.denied` in a primary.
  public func beginBootstrap(_ target: Bootstrap.Target) async throws -> Bootstrap {
    guard target.pageCount > 0 else { throw ImageCheck.invalid(path, "an image without pages") }
    try await container.run { try Bootstrap.prepare(target, $0) }
    return Bootstrap(target, self)
  }
}
