internal import LibSQLProtocol

/// How a replica's pages come.
public enum ReplicationProtocol: String, Sendable, CaseIterable {
  /// gRPC-web, as sqld speaks it.
  case v1
  /// `/info`, `/export` and `/sync`.
  case v2
  /// Turso's `POST /pull-updates`.
  case pullUpdates = "pull-updates"
}

/// A place in the remote's history, between two transactions.
public enum ReplicationPosition: Sendable, Hashable {
  /// The last frame of a log. Frame numbers of different logs have nothing to do with each other.
  case v1(logID: String, frameNumber: UInt64)
  /// Frames of a generation that are applied; 0 at its start.
  case v2(generation: UInt32, frame: UInt32)
  /// A name that the server has given; for equality only.
  case pullUpdates(revision: String)
}

/// A page as the remote has it.
public struct RemotePage: Sendable, Hashable {
  /// From 1.
  public let number: UInt32
  /// 4096 bytes.
  public let bytes: [UInt8]

  init(number: UInt32, bytes: [UInt8]) {
    self.number = number
    self.bytes = bytes
  }
}

/// What comes in a pull.
public enum ReplicationEvent: Sendable, Hashable {
  /// Pages of the transaction that is under way, at most ``ReplicationStream/runLengthMax``; of several with one number the
  /// last counts. Nothing of it counts before ``commit(_:pageCount:)``.
  case pages([RemotePage])
  /// The pages since the last commit make a transaction: the database is at this position and has so many pages.
  case commit(ReplicationPosition, pageCount: UInt32)
  /// The position moves without a change of pages: a generation of V2 has ended, a revision has no pages of its own.
  case moved(ReplicationPosition)
  /// The pages since the last commit do not count: the server has not committed them.
  case discard
  /// The remote has another history than the replica, which is to be emptied: what follows begins at nothing.
  case reset
}

/// The changes since a position, as they come, in bounded memory. Ends when the replica has what the server has committed.
///
/// Each iteration is a pull of its own. After an error, pull again from the last commit: nothing behind it counts.
public struct ReplicationStream: AsyncSequence, Sendable {
  /// An event.
  public typealias Element = ReplicationEvent
  /// Why it stopped.
  public typealias Failure = RemoteError

  /// Pages of one run: 1 MiB.
  public static let runLengthMax = 256

  private let begin: @Sendable () -> any ReplicationSource

  init(_ begin: @escaping @Sendable () -> any ReplicationSource) { self.begin = begin }

  /// Begins with the first event.
  public func makeAsyncIterator() -> Iterator { Iterator(source: begin()) }

  /// One pull.
  public struct Iterator: AsyncIteratorProtocol, Sendable {
    fileprivate var source: any ReplicationSource
    private var hasFailed = false

    fileprivate init(source: any ReplicationSource) { self.source = source }

    /// The next event, nil at the end, and after an error.
    public mutating func next() async throws(RemoteError) -> ReplicationEvent? {
      guard !hasFailed else { return nil }
      hasFailed = true
      let event = try await source.next()
      hasFailed = false
      return event
    }

    /// As ``next()``.
    public mutating func next(isolation actor: isolated (any Actor)?) async throws(RemoteError) -> ReplicationEvent? {
      try await next()
    }
  }
}

/// Makes the events of one pull.
protocol ReplicationSource: Sendable {
  mutating func next() async throws(RemoteError) -> ReplicationEvent?
}

/// Events that wait to be taken, with pages put together to runs.
struct EventQueue: Sendable {
  private var events: ArraySlice<ReplicationEvent> = []
  private var run: [RemotePage] = []

  var isEmpty: Bool { events.isEmpty }

  mutating func append(_ page: RemotePage) {
    run.append(page)
    if run.count == ReplicationStream.runLengthMax { endRun() }
  }

  /// Also ends the run of pages.
  mutating func append(_ event: ReplicationEvent) {
    if case .discard = event { run = [] }
    endRun()
    events.append(event)
  }

  mutating func endRun() {
    guard !run.isEmpty else { return }
    events.append(.pages(run))
    run = []
  }

  mutating func take() -> ReplicationEvent? { events.popFirst() }
}
