/// `wal_log.Frame`: a frame and what is known about it. An element of ``FrameBatch``, and a whole message of the streams
/// `Snapshot` and `LogEntries`.
///
/// - Source: tursodatabase/libsql, libsql-replication/proto/replication_log.proto.
public struct FrameMessage: Sendable, Hashable {
  /// Field 1.
  public let frame: ReplicationFrame
  /// Field 2: milliseconds since 1970-01-01 UTC, on frames that commit; nil where it is not said.
  public let timestamp: Int64?
  /// Field 3: up to which frame the server's log is durable; nil where it is not said.
  public let durableFrameNumber: UInt64?

  /// A message.
  public init(frame: ReplicationFrame, timestamp: Int64? = nil, durableFrameNumber: UInt64? = nil) {
    self.frame = frame
    self.timestamp = timestamp
    self.durableFrameNumber = durableFrameNumber
  }

  /// Reads the message.
  ///
  /// - Throws: ``WireFormatError``; `.malformed` without a frame.
  public init(_ message: ArraySlice<UInt8>) throws(WireFormatError) {
    let structure = "Frame"
    var reader = ProtobufReader(message, structure)
    var frame: ReplicationFrame?
    var timestamp: Int64?
    var durable: UInt64?
    while let field = try reader.next() {
      switch field.number {
      case 1: frame = try ReplicationFrame(try field.bytes())
      case 2: timestamp = try field.int64()
      case 3: durable = try field.uint64()
      default: continue
      }
    }
    guard let frame else { throw WireFormatError(.malformed, structure, at: message.startIndex, "no frame in it") }
    self.init(frame: frame, timestamp: timestamp, durableFrameNumber: durable)
  }

  /// The message, as the official server's encoder writes it.
  public var encoded: [UInt8] {
    ProtobufWriter.encode {
      $0.bytes(1, frame.bytes)
      $0.optionalInt64(2, timestamp)
      $0.optionalUInt64(3, durableFrameNumber)
    }
  }
}

/// `wal_log.Frames`, the answer of `BatchLogEntries`: frames in ascending order, none when the client has everything.
public enum FrameBatch {
  /// The message.
  public static func encode(_ frames: [FrameMessage]) -> [UInt8] {
    ProtobufWriter.encode { writer in
      for frame in frames { writer.element(1, frame.encoded) }
    }
  }

  /// Reads a whole message; ``FrameBatchReader`` reads it in pieces.
  ///
  /// - Throws: ``WireFormatError``.
  public static func decode(_ message: ArraySlice<UInt8>) throws(WireFormatError) -> [FrameMessage] {
    var reader = ProtobufReader(message, "Frames")
    var frames: [FrameMessage] = []
    while let field = try reader.next() {
      if field.number == 1 { frames.append(try FrameMessage(try field.bytes())) }
    }
    return frames
  }
}
