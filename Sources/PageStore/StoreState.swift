internal import EncryptedStorage

/// Which database a replica is a copy of. Pages of another one, or of another generation, never mix with it.
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
public struct StoreState: Sendable, Hashable {
  /// What the store is for.
  public let role: PageStore.Role
  /// Nil in a primary, and in a replica before its first pull.
  public let remote: RemoteIdentity?
  /// Nil while the image is not whole.
  public let image: ImageState?
  /// Position at which the image was made; pages not changed since have no position of their own.
  public let basePosition: Int64
  /// When the image was last known to be the remote's, in seconds since 1970-01-01 UTC.
  public let lastSync: Int64?

  /// Whether there is an image to be read.
  public var isComplete: Bool { image != nil }
}

extension StoreState {
  /// Reads the state in the session's transaction, or in one of its own.
  static func read(_ container: Session) throws(EncryptedStorageError) -> StoreState {
    do {
      let rows = try container.query(
        """
        SELECT role, remote, protocol, generation, base_position, complete, last_sync, position, epoch, page_count
        FROM meta LEFT JOIN (SELECT * FROM change ORDER BY position DESC LIMIT 1) ON complete
        """
      ) { $0.values }
      guard let row = rows.first, rows.count == 1, let role = row[0].text.flatMap(PageStore.Role.init),
        let basePosition = row[4].integer, let isComplete = row[5].integer
      else { throw damaged(container) }
      var remote: RemoteIdentity?
      if let name = row[1].text, let protocolName = row[2].text, let generation = row[3].integer {
        remote = RemoteIdentity(name: name, protocolName: protocolName, generation: generation)
      }
      var image: ImageState?
      if isComplete == 1 {
        guard let position = row[7].integer, let epoch = row[8].integer.flatMap(UInt32.init(exactly:)),
          let pageCount = row[9].integer.flatMap(UInt32.init(exactly:))
        else { throw damaged(container) }
        image = ImageState(position: position, epoch: epoch, pageCount: pageCount)
      }
      return StoreState(
        role: role, remote: remote, image: image, basePosition: basePosition, lastSync: row[6].integer)
    } catch { throw EncryptedStorageError(error, file: container.path) }
  }

  private static func damaged(_ container: Session) -> EncryptedStorageError {
    EncryptedStorageError(
      .damaged, operation: "open", file: container.path, detail: "the page store has no valid state",
      hint: "run albergue-crypt verify")
  }
}
