internal import EncryptedStorage
package import EncryptionKeys

/// Which database a replica is a copy of. Pages of another one, or of another generation, never mix with it. In a primary: its
/// own identity, see ``PrimaryState``.
public struct RemoteIdentity: Sendable, Hashable {
  /// What tells the remote from every other: its database id, or its address where it has none.
  public let name: String
  /// The protocol its pages come by, as `ReplicaSync` names it.
  public let protocolName: String
  /// Rises when the remote starts its history anew; 0 for remotes without generations.
  public let generation: Int64

  /// An identity.
  public init(name: String, protocolName: String, generation: Int64) {
    self.name = name
    self.protocolName = protocolName
    self.generation = generation
  }
}

/// Where an image stands.
public struct ImageState: Sendable, Hashable {
  /// The last change of the remote, or of the primary, that is in the image.
  public let position: Int64
  /// Rises by one with every change, whoever makes it: SQLite's change counter, as readers of the image see it.
  public let epoch: UInt32
  /// Pages of the image, of 4096 bytes.
  public let pageCount: UInt32
}

/// What a store says about itself.
public struct StoreState: Sendable, Hashable, Encodable {
  /// What the store is for.
  public let role: PageStore.Role
  /// Where the pages come from; nil in a replica before its first pull. A primary's own identity.
  public let remote: RemoteIdentity?
  /// Nil while the image is not whole.
  public let image: ImageState?
  /// Position at which the image was made; pages not changed since have no position of their own.
  public let basePosition: Int64
  /// Pages of the image when it was made, or of the one that is being made.
  public let basePageCount: UInt32
  /// When the image was last known to be the remote's, in seconds since 1970-01-01 UTC.
  public let lastSync: Int64?

  /// Whether there is an image to be read.
  public var isComplete: Bool { image != nil }

  private enum CodingKeys: String, CodingKey {
    case role, complete, position, imagePageCount, `protocol`, generation, lastSync
  }

  /// One flat object. The name of the remote, which may be an address, is left out.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(role.rawValue, forKey: .role)
    try container.encode(isComplete, forKey: .complete)
    try container.encodeIfPresent(image?.position, forKey: .position)
    try container.encodeIfPresent(image?.pageCount, forKey: .imagePageCount)
    try container.encodeIfPresent(remote?.protocolName, forKey: .protocol)
    try container.encodeIfPresent(remote?.generation, forKey: .generation)
    try container.encodeIfPresent(lastSync, forKey: .lastSync)
  }
}

extension StoreState {
  /// The columns of `meta` that ``init(meta:change:)`` takes, and their places in a row.
  private static let metaPlaces = [1, 2, 3, 4, 5, 6, 7, 9]
  static let metaColumns = "role, remote, protocol, generation, base_position, base_page_count, complete, last_sync"

  /// Nil when the values contradict each other.
  ///
  /// - Parameter change: position, epoch and page count of the newest change; nil when there is none.
  init?(meta: [Value], change: [Value]?) {
    guard meta.count == 8, let role = meta[0].text.flatMap(PageStore.Role.init), let basePosition = meta[4].integer,
      let basePageCount = meta[5].integer.flatMap(UInt32.init(exactly:)), let complete = meta[6].integer,
      (0...1).contains(complete)
    else { return nil }
    self.role = role
    self.basePosition = basePosition
    self.basePageCount = basePageCount
    lastSync = meta[7].integer
    switch (meta[1].text, meta[2].text, meta[3].integer) {
    case (let name?, let protocolName?, let generation?):
      remote = RemoteIdentity(name: name, protocolName: protocolName, generation: generation)
    case (nil, nil, nil): remote = nil
    default: return nil
    }
    guard complete == 1 else {
      image = nil
      return
    }
    guard let change, change.count == 3, let position = change[0].integer,
      let epoch = change[1].integer.flatMap(UInt32.init(exactly:)),
      let pageCount = change[2].integer.flatMap(UInt32.init(exactly:))
    else { return nil }
    image = ImageState(position: position, epoch: epoch, pageCount: pageCount)
  }

  /// Reads the state in the session's transaction, or in one of its own.
  static func read(_ container: Session) throws(EncryptedStorageError) -> StoreState {
    do {
      let rows = try container.query(
        """
        SELECT \(metaColumns), position, epoch, page_count
        FROM meta LEFT JOIN (SELECT * FROM change ORDER BY position DESC LIMIT 1) ON complete
        """
      ) { $0.values }
      guard rows.count == 1, let row = rows.first,
        let state = StoreState(meta: Array(row.prefix(8)), change: Array(row.dropFirst(8)))
      else { throw damaged(container.path) }
      return state
    } catch { throw EncryptedStorageError(error, file: container.path) }
  }

  /// Reads the state out of the stored pages of a file, without SQLite, while others may use it, and writes nothing.
  ///
  /// - Throws: `.wrongKey`, `.damaged`, `.unsupportedFormat` for a store of a later version, `.busy`.
  package static func stored(in path: String, keys: [KeyMaterial]) async throws -> StoreState {
    try await BlockingWork.run { _ in
      try StoredTables.read(path, keys: keys) { (tables) throws(EncryptedStorageError) in
        guard let version = tables.header?.userVersion, version == UInt32(StoreFormat.version) else {
          throw StoreFormat.otherVersion(path)
        }
        let meta = try tables.rows(of: "meta")
        let change = try tables.lastRow(of: "change")
        // The keys of both tables are their rowids.
        guard meta.count == 1, meta[0].values.count == 10,
          let state = StoreState(
            meta: metaPlaces.map { meta[0].values[$0] },
            change: change.map { [.integer($0.rowid)] + $0.values.dropFirst().prefix(2) })
        else { throw damaged(path) }
        return state
      }
    }
  }

  private static func damaged(_ path: String) -> EncryptedStorageError {
    EncryptedStorageError(
      .damaged, operation: "open", file: path, detail: "the page store has no valid state",
      hint: "run albergue-crypt verify")
  }
}
