/// Where a V2 pull is, and what to ask for next. A state machine without I/O: it is told what has arrived, and says which
/// request follows.
///
/// Frames of one transaction may come in several answers. What counts as pulled ends at a commit; a pull that ends inside a
/// transaction begins again behind the last commit.
public struct PullCursor: Sendable, Hashable {
  /// A place between transactions: what a replica keeps.
  public struct Position: Sendable, Hashable {
    /// From 1.
    public let generation: UInt32
    /// Frames of it that are applied; 0 at its start.
    public let frame: UInt32

    /// A position.
    public init(generation: UInt32, frame: UInt32) {
      self.generation = generation
      self.frame = frame
    }
  }

  /// What follows the end of a generation.
  public enum Step: Sendable, Hashable {
    /// The replica has everything that the server has committed. Frames behind the last commit are to be forgotten.
    case finished
    /// The next generation begins: the replica's log is closed, and the next request is for frame 1.
    case nextGeneration
  }

  /// The last commit that has arrived.
  public private(set) var committed: Position
  /// Frames that have arrived after it.
  public private(set) var pendingFrameCount: UInt32 = 0

  /// A pull from a position on.
  public init(from position: Position) { committed = position }

  /// The frame that has to come next.
  private var nextFrame: UInt64 { UInt64(committed.frame) + UInt64(pendingFrameCount) + 1 }

  /// The next request: `GET` this range.
  ///
  /// - Throws: ``WireFormatError`` `.limitExceeded` when the generation has more frames than numbers.
  public func range(window: UInt32 = SyncRange.defaultWindow) throws(WireFormatError) -> SyncRange {
    let end = nextFrame + UInt64(window)
    guard end <= UInt64(UInt32.max),
      let range = SyncRange(generation: committed.generation, first: UInt32(nextFrame), end: UInt32(end))
    else { throw WireFormatError(.limitExceeded, "pull", "no frame number is left in the generation, or no window") }
    return range
  }

  /// Says that the next frame has arrived.
  ///
  /// - Returns: the position after it if it commits, else nil.
  /// - Throws: ``WireFormatError`` `.limitExceeded` when the generation has more frames than numbers.
  public mutating func receive(_ frame: WALFrame) throws(WireFormatError) -> Position? {
    guard let number = UInt32(exactly: nextFrame) else {
      throw WireFormatError(.limitExceeded, "pull", "no frame number is left in the generation")
    }
    guard frame.isCommit else {
      pendingFrameCount += 1
      return nil
    }
    committed = Position(generation: committed.generation, frame: number)
    pendingFrameCount = 0
    return committed
  }

  /// Says that the server has no frames from the asked one on.
  ///
  /// - Throws: ``WireFormatError`` `.malformed` when the generation ends inside a transaction, or a server that has been in this
  ///   generation is in an earlier one.
  public mutating func receive(_ end: SyncEnd) throws(WireFormatError) -> Step {
    guard end.generation >= committed.generation else {
      throw WireFormatError(.malformed, "end of generation", "the server is in an earlier generation")
    }
    guard end.generation > committed.generation else {
      pendingFrameCount = 0
      return .finished
    }
    guard pendingFrameCount == 0 else {
      throw WireFormatError(.malformed, "end of generation", "the generation ends inside a transaction")
    }
    committed = Position(generation: committed.generation + 1, frame: 0)
    return .nextGeneration
  }
}
