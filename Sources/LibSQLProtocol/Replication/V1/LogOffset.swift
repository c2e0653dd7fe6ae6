/// `wal_log.LogOffset`: from where a V1 client wants frames. The request of `BatchLogEntries`, `LogEntries` and `Snapshot`.
///
/// - Source: tursodatabase/libsql, libsql-replication/proto/replication_log.proto.
public struct LogOffset: Sendable, Hashable {
  /// Which frames the client can apply.
  public enum WALFlavor: UInt64, Sendable, CaseIterable {
    /// Pages of a SQLite log: the frames of this module.
    case sqlite = 0
    /// Segments of libsql-wal, which this module does not make.
    case libsql = 1
  }

  /// Field 1: the last frame number that the client has, plus 1; 0 at first.
  public let nextOffset: UInt64
  /// Field 2; nil where the client does not say, which means SQLite frames.
  public let flavor: WALFlavor?

  /// An offset.
  public init(nextOffset: UInt64, flavor: WALFlavor? = nil) {
    self.nextOffset = nextOffset
    self.flavor = flavor
  }

  /// Reads the message.
  ///
  /// - Throws: ``WireFormatError``; `.unsupported` for a flavor that does not exist.
  public init(_ message: ArraySlice<UInt8>) throws(WireFormatError) {
    let structure = "LogOffset"
    var reader = ProtobufReader(message, structure)
    var offset: UInt64 = 0
    var flavor: WALFlavor?
    while let field = try reader.next() {
      switch field.number {
      case 1: offset = try field.uint64()
      case 2:
        guard let value = WALFlavor(rawValue: try field.uint64()) else {
          throw WireFormatError(.unsupported, structure, at: field.offset, "an unknown flavor of frames")
        }
        flavor = value
      default: continue
      }
    }
    self.init(nextOffset: offset, flavor: flavor)
  }

  /// The message.
  public var encoded: [UInt8] {
    ProtobufWriter.encode {
      $0.uint64(1, nextOffset)
      $0.optionalUInt64(2, flavor?.rawValue)
    }
  }
}
