/// The answer to a push, with status 200.
///
/// - Shape: `{"baton":"…","generation":N,"max_frame_no":F,"status":"ok"}`; `baton` can be absent or null.
/// - Source: tursodatabase/libsql, libsql/src/sync.rs; tursodatabase/turso, sync/engine; recorded clients.
public struct PushAnswer: Sendable, Hashable {
  /// What became of the frames.
  public enum Status: String, Sendable, CaseIterable {
    /// They are in the log, as far as ``PushAnswer/lastFrame`` says.
    case ok
    /// The log has other frames there.
    case conflict
    /// The generation is closed. Turso's older clients know it; libsql takes it for a failure.
    case checkpointNeeded = "checkpoint_needed"
  }

  /// What became of the frames.
  public let status: Status
  /// The generation that is being written, which the client takes over.
  public let generation: UInt32
  /// The last frame that the log has.
  public let lastFrame: UInt32
  /// To be appended to the path of the next request of the same push; nil where there is none.
  public let baton: String?

  /// An answer. A baton has to be one that ``SyncRoute/isBaton(_:)`` accepts.
  public init(_ status: Status, generation: UInt32, lastFrame: UInt32, baton: String? = nil) {
    precondition(baton.map(SyncRoute.isBaton) ?? true, "a baton that can stand in a path")
    self.status = status
    self.generation = generation
    self.lastFrame = lastFrame
    self.baton = baton
  }

  private struct Object: Codable {
    let status: String
    let generation: UInt32
    let lastFrame: UInt32
    let baton: String?

    enum CodingKeys: String, CodingKey {
      case status, generation, baton
      case lastFrame = "max_frame_no"
    }
  }

  /// Reads a body.
  ///
  /// - Throws: ``WireFormatError`` `.malformed` for other JSON, generation 0, or a baton that cannot stand in a path;
  ///   `.unsupported` for a status that is not known; `.limitExceeded` above 64 KiB.
  public init(_ body: [UInt8]) throws(WireFormatError) {
    let structure = "push answer"
    let object = try SyncJSON.decode(Object.self, body, structure)
    guard let status = Status(rawValue: object.status) else {
      throw WireFormatError(.unsupported, structure, "an unknown status")
    }
    guard object.generation > 0 else { throw WireFormatError(.malformed, structure, "generation 0") }
    if let baton = object.baton, !SyncRoute.isBaton(baton) {
      throw WireFormatError(.malformed, structure, "a baton that cannot stand in a path")
    }
    self.init(status, generation: object.generation, lastFrame: object.lastFrame, baton: object.baton)
  }

  /// The body.
  public var encoded: [UInt8] {
    SyncJSON.encode(
      Object(status: status.rawValue, generation: generation, lastFrame: lastFrame, baton: baton))
  }

  /// What the answer means to a client that has sent `range`.
  public enum Outcome: Sendable, Hashable {
    /// All frames are in the log. Go on behind `range`, with the baton.
    case stored(generation: UInt32, baton: String?)
    /// The log ends earlier than the sender thought: send again from the frame after `lastFrame`. libsql does this once.
    case resend(afterFrame: UInt32)
    /// The log has other frames, up to this one.
    case conflict(lastFrame: UInt32)
    /// The generation is closed, and the server is at this one.
    case generationClosed(current: UInt32)
    /// The log claims frames that nobody has sent: the server contradicts itself, or another client has pushed.
    case ahead(lastFrame: UInt32)
  }

  /// What the answer means to a client that has sent `range`.
  public func outcome(of range: SyncRange) -> Outcome {
    switch status {
    case .conflict: .conflict(lastFrame: lastFrame)
    case .checkpointNeeded: .generationClosed(current: generation)
    case .ok where lastFrame < range.last: .resend(afterFrame: lastFrame)
    case .ok where lastFrame > range.last: .ahead(lastFrame: lastFrame)
    case .ok: .stored(generation: generation, baton: baton)
    }
  }
}
