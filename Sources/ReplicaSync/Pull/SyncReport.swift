/// What one synchronisation did, and where the replica is afterwards.
public struct SyncReport: Sendable, Hashable, Encodable {
  /// What was done to the image.
  public enum Kind: String, Sendable, Encodable {
    /// The remote had nothing new.
    case unchanged
    /// Changes were applied.
    case changed
    /// The image was pulled for the first time.
    case bootstrapped
    /// The image was pulled anew, because the remote has another history than the replica had.
    case replaced
  }

  /// What was done to the image.
  public internal(set) var kind = Kind.unchanged
  /// The protocol that was spoken: `v1` or `v2`.
  public internal(set) var `protocol` = ""
  /// The position of the replica in its remote's history; comparable within one history only.
  public internal(set) var position: Int64 = 0
  /// Pages of the image, of 4096 bytes.
  public internal(set) var imagePageCount: UInt32 = 0
  /// Pages that were received.
  public internal(set) var pages: Int64 = 0
  /// Their bytes.
  public internal(set) var bytes: Int64 = 0
  /// When the synchronisation began, in seconds since 1970-01-01 UTC: what the remote had committed by then is here.
  public internal(set) var lastSync: Int64 = 0
  /// How long it took.
  public internal(set) var seconds = 0.0
}
