/// Where a V1 pull is, and what to ask for next. A state machine without I/O: it is told what has arrived, and says which
/// request follows.
///
/// It goes the way of libsql's client, but stops where that client asks for ever: when an answer brings the replica no
/// further although Hello has promised more.
public struct LogCursor: Sendable, Hashable {
  /// A place between transactions: what a replica keeps.
  public struct Position: Sendable, Hashable {
    /// Of Hello. Frame numbers of different logs have nothing to do with each other.
    public let logID: String
    /// The last frame that is applied.
    public let frameNumber: UInt64

    /// A position.
    public init(logID: String, frameNumber: UInt64) {
      self.logID = logID
      self.frameNumber = frameNumber
    }
  }

  /// What follows.
  public enum Request: Sendable, Hashable {
    /// ``ReplicationMethod/hello``.
    case hello
    /// ``ReplicationMethod/batchLogEntries``, with the session token.
    case batch(LogOffset)
    /// ``ReplicationMethod/snapshot``, with the session token.
    case snapshot(LogOffset)
  }

  private static let structure = "replication log"
  /// Hellos that are said without a frame in between, before the pull gives up.
  private static let helloLimit = 3

  /// The last commit that has arrived; nil for an empty replica.
  public private(set) var committed: Position?
  /// The next request; nil when the replica has what Hello has promised.
  public private(set) var request: Request? = .hello
  /// To be sent with every request but Hello.
  public private(set) var sessionToken: String?
  /// Frames that have arrived after the last commit. When it is 0 after ``finish(_:)``, what was not committed is to be
  /// forgotten.
  public private(set) var pendingFrameCount = 0

  private var logID = ""
  private var promised: UInt64?
  /// Frames of the answer at hand.
  private struct Answer: Hashable {
    let first: UInt64
    var last: UInt64
    var endsWithCommit: Bool
  }

  private var answer: Answer?
  /// The last frame that has arrived in batches, committed or not.
  private var received: UInt64?
  private var helloCount = 0

  /// A pull from a position on; from nothing for an empty replica.
  public init(from position: Position?) {
    committed = position
    received = position?.frameNumber
  }

  private var nextOffset: LogOffset { LogOffset(nextOffset: received.map { $0 + 1 } ?? 0) }

  /// Says what Hello has answered.
  ///
  /// - Returns: whether the log is another one than that of the replica, which is then to be emptied. The position is gone
  ///   already.
  public mutating func receive(_ hello: HelloResponse) -> Bool {
    let isOther = committed.map { $0.logID != hello.logID } ?? false
    if isOther { committed = nil }
    logID = hello.logID
    sessionToken = hello.sessionToken
    promised = hello.currentReplicationIndex
    forgetUncommitted()
    request = hasPromised ? nil : .batch(nextOffset)
    return isOther
  }

  private var hasPromised: Bool {
    guard let promised, let committed else { return false }
    return committed.frameNumber >= promised
  }

  private mutating func forgetUncommitted() {
    (received, pendingFrameCount, answer) = (committed?.frameNumber, 0, nil)
  }

  /// Says that the next frame of a batch or a snapshot has arrived.
  ///
  /// - Returns: the position after it if a transaction of a batch ends with it. A snapshot is one transaction, which ends with
  ///   ``finish(_:)``.
  /// - Throws: ``WireFormatError`` `.malformed` for frames of a batch that do not ascend, of a snapshot that do not descend, or
  ///   that go on behind a commit of a snapshot.
  public mutating func receive(_ frame: ReplicationFrame) throws(WireFormatError) -> Position? {
    let number = frame.frameNumber
    guard number < .max else { throw refused("a frame number that has no next one") }
    if case .snapshot = request {
      guard answer.map({ number < $0.last && !$0.endsWithCommit }) ?? true else {
        throw refused("a snapshot whose frames do not descend to one commit")
      }
    } else {
      guard received.map({ number > $0 }) ?? true else { throw refused("a batch whose frames do not ascend") }
      received = number
    }
    answer = Answer(first: answer?.first ?? number, last: number, endsWithCommit: frame.isCommit)
    pendingFrameCount += 1
    if case .snapshot = request { return nil }
    guard frame.isCommit else { return nil }
    return commit(number)
  }

  private mutating func commit(_ number: UInt64) -> Position {
    let position = Position(logID: logID, frameNumber: number)
    (committed, received, pendingFrameCount, helloCount) = (position, number, 0, 0)
    return position
  }

  /// Says how a batch or a snapshot ended. ``request`` is then the next one.
  ///
  /// - Returns: the position after a snapshot, to be committed with it; nil after a batch.
  /// - Throws: ``GRPCStatus`` for a failure that no other request gets around, and for a session that is refused again and
  ///   again; ``WireFormatError`` `.malformed` when the answer brings the replica no further, when the log ends inside a
  ///   transaction, and for a snapshot without a commit or behind what the replica has.
  public mutating func finish(_ status: GRPCStatus) throws -> Position? {
    guard status.code == .ok else {
      try turn(status)
      return nil
    }
    defer { answer = nil }
    if case .snapshot = request {
      guard let answer, answer.endsWithCommit else { throw refused("a snapshot without a commit") }
      guard committed.map({ answer.first > $0.frameNumber }) ?? true else {
        throw refused("a snapshot that brings the replica no further")
      }
      let position = commit(answer.first)
      request = hasPromised ? nil : .batch(nextOffset)
      return position
    }
    guard promised != nil else {
      // A log that promises nothing is asked once.
      guard pendingFrameCount == 0 else { throw refused("a log that ends inside a transaction") }
      request = nil
      return nil
    }
    if hasPromised && pendingFrameCount == 0 {
      request = nil
    } else {
      guard answer != nil else { throw refused("an answer without frames, although Hello has promised more") }
      request = .batch(nextOffset)
    }
    return nil
  }

  private mutating func turn(_ status: GRPCStatus) throws {
    let failed = request
    forgetUncommitted()
    switch (status.reason, failed) {
    case (.noHello, _):
      helloCount += 1
      guard helloCount < Self.helloLimit else { throw status }
      request = .hello
    case (.needSnapshot, .batch): request = .snapshot(nextOffset)
    default: throw status
    }
  }

  private func refused(_ detail: String) -> WireFormatError { WireFormatError(.malformed, Self.structure, detail) }
}
