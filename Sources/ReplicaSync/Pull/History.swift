internal import LibSQLClient
internal import PageStore

/// How a store keeps which history its image is of, and where in it.
///
/// | protocol | identity | position |
/// |---|---|---|
/// | V1 | the id of the log | the last frame's number; -1 for an empty log |
/// | V2 | the address, and `#` and the database's name where the server gives one | generation << 32, plus the frames of it |
///
/// A position of V2 rises when a generation ends, which continues the history. Both never fall within one history.
enum History {
  /// Position of a log of V1 that has no frames.
  static let emptyLog: Int64 = -1

  static func v1(logID: String) -> RemoteIdentity {
    RemoteIdentity(name: logID, protocolName: ReplicationProtocol.v1.rawValue, generation: 0)
  }

  static func v2(_ url: RemoteURL, database: String?) -> RemoteIdentity {
    RemoteIdentity(
      name: url.description + (database.map { "#" + $0 } ?? ""), protocolName: ReplicationProtocol.v2.rawValue,
      generation: 0)
  }

  /// The address that the identity of V2 begins with. Addresses have no `#`.
  static func address(in identity: RemoteIdentity) -> String { String(identity.name.prefix { $0 != "#" }) }

  /// The name of the database, where the server has given one.
  static func database(in identity: RemoteIdentity) -> String? {
    let rest = identity.name.drop { $0 != "#" }
    return rest.isEmpty ? nil : String(rest.dropFirst())
  }

  /// The number that a store keeps.
  ///
  /// - Throws: ``SyncError`` `.unsupportedProtocol` for a position that a store cannot keep.
  static func number(_ position: ReplicationPosition) throws(SyncError) -> Int64 {
    switch position {
    case .v1(_, let frame):
      if let number = Int64(exactly: frame) { return number }
    case .v2(let generation, let frame):
      if generation <= UInt32(Int32.max) { return Int64(generation) << 32 | Int64(frame) }
    case .pullUpdates: break
    }
    throw SyncError(.unsupportedProtocol, "the remote is at a position that a replica cannot keep")
  }

  /// Generation and frame of a position of V2; nil for a number that is none.
  static func v2(_ number: Int64) -> (generation: UInt32, frame: UInt32)? {
    guard let generation = UInt32(exactly: number >> 32), generation > 0 else { return nil }
    return (generation, UInt32(truncatingIfNeeded: number))
  }
}
