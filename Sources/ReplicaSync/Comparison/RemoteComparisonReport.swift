/// What a comparison with the remote showed. Holds numbers of pages, never content.
public struct RemoteComparisonReport: Sendable, Encodable {
  /// The protocol by which the pages came: `v1` or `v2`.
  public let `protocol`: String
  /// Where the replica is. Of V2: generation and frame, as in `turso-sync status`.
  public let position: Int64
  /// Where the remote was when it was compared.
  public let remotePosition: Int64
  /// Pages of the replica's image, of 4096 bytes.
  public let imagePageCount: UInt32
  /// Pages of the remote's image.
  public let remotePageCount: UInt32
  /// Pages that were compared and had to be equal.
  public let comparedPageCount: Int
  /// Pages that the remote has changed, or may have changed, since the replica's position: they say nothing.
  public let changedPageCount: Int
  /// Pages that have not changed since, and yet differ; ascending.
  public let differingPages: [UInt32]
  /// Pages that the remote has and did not send.
  public let missingPageCount: Int

  /// Whether the replica is what the remote was at the replica's position, as far as the remote has not changed since.
  public var isEqual: Bool {
    differingPages.isEmpty && missingPageCount == 0 && (changedPageCount > 0 || imagePageCount == remotePageCount)
  }

  /// Whether the replica was at the remote's newest position: then every page was compared.
  public var isCurrent: Bool { position == remotePosition }

  init(
    protocol name: String, position: Int64, remotePosition: Int64, imagePageCount: UInt32, remotePageCount: UInt32,
    changedSince: Set<UInt32>, differing: Set<UInt32>, missing: Int
  ) {
    self.protocol = name
    self.position = position
    self.remotePosition = remotePosition
    self.imagePageCount = imagePageCount
    self.remotePageCount = remotePageCount
    let changed = changedSince.count { $0 <= remotePageCount }
    changedPageCount = changedSince.count
    comparedPageCount = max(0, Int(remotePageCount) - changed - missing)
    differingPages = differing.subtracting(changedSince).sorted()
    missingPageCount = missing
  }
}
