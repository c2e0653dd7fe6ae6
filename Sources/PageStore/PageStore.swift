public import EncryptedStorage

/// A SQLCipher database that holds the pages of another database, with the sync position they are at.
///
/// The image is kept page by page as its remote has it; the database in it is opened as any other, through a connection
/// factory whose configuration mounts page stores, for any number of readers while pages are applied.
public actor PageStore {
  /// What a store is for, fixed when it is made.
  public enum Role: String, Sendable {
    /// A copy of a remote database: changed by `apply`, read by everyone else.
    case replica
    /// A database of its own, changed by SQL.
    case primary
  }

  /// The file, as given.
  public nonisolated let path: String
  nonisolated let factory: ConnectionFactory
  /// On the container, writing.
  private(set) var container: Connection
  private var isClosed = false
  var compactions = ChangeLog.Schedule()

  init(path: String, factory: ConnectionFactory, container: Connection) {
    self.path = path
    self.factory = factory
    self.container = container
  }

  /// Makes a new store; a replica's has no image yet, a primary's is an empty database.
  ///
  /// - Throws: `.exists` when there is a file of that name, `.readOnly`, `.diskFull`.
  public static func create(_ path: String, role: Role, factory: ConnectionFactory) async throws -> PageStore {
    try await BlockingWork.run { _ in
      try factory.createDatabase(path, script: StoreFormat.script(for: role))
    }
    return try await open(path, factory: factory)
  }

  /// Opens a store for changing its pages.
  ///
  /// - Throws: as `ConnectionFactory.open`; `.notADatabase` for a file that is no page store.
  public static func open(_ path: String, factory: ConnectionFactory) async throws -> PageStore {
    let container = try await factory.openContainer(path, .writer)
    do {
      try await container.run { try StoreFormat.check($0) }
      return PageStore(path: path, factory: factory, container: container)
    } catch {
      await container.close()
      throw error
    }
  }

  /// Where the store stands.
  public func state() async throws -> StoreState {
    try await container.run { try StoreState.read($0) }
  }

  /// Numbers of the pages that changed after `position`, ascending; all pages when it is older than the image.
  public func pages(changedSince position: Int64) async throws -> [UInt32] {
    try await container.transaction(.deferred) { container in
      let state = try StoreState.read(container)
      guard let image = state.image else { return [] }
      if position < state.basePosition {
        return try container.query("SELECT page FROM head ORDER BY page") { row in
          guard let page = row[0].integer.flatMap(UInt32.init(exactly:)), page > 0 else {
            throw EncryptedStorageError(
              .damaged, operation: "read", file: container.path, detail: "a page of the store has no valid number",
              hint: "run albergue-crypt verify")
          }
          return page
        }
      }
      return try ChangeLog.pages(since: position, container).filter { $0 <= image.pageCount }
    }
  }

  /// The stored page, as the remote or the last writer left it; nil when the image has no such page.
  public func page(_ number: UInt32) async throws -> Page? {
    try await container.transaction(.deferred) { container in
      let parts = try container.query(
        "SELECT head.data, tail.data FROM head JOIN tail USING (page) WHERE page = ?", [.integer(Int64(number))]
      ) { ($0[0].blob ?? []) + ($0[1].blob ?? []) }
      return parts.first.map { Page(number: number, bytes: $0) }
    }
  }

  /// Notes that the remote has nothing newer than the image.
  ///
  /// - Parameter time: seconds since 1970-01-01 UTC.
  public func noteSync(at time: Int64) async throws {
    try await container.transaction { _ = try $0.execute("UPDATE meta SET last_sync = ?", [.integer(time)]) }
  }

  /// Lets `replace` put another file in the place of the store, which is closed meanwhile.
  func replaceContainer(_ replace: @escaping @Sendable () throws -> Void) async throws {
    await container.close()
    let result: Result<Void, any Error>
    do { result = .success(try await BlockingWork.run { _ in try replace() }) } catch { result = .failure(error) }
    if !isClosed { container = try await factory.openContainer(path, .writer) }
    if isClosed { await container.close() }
    try result.get()
  }

  /// Closes the store. Connections to its image are not affected.
  public func close() async {
    isClosed = true
    await container.close()
  }
}
