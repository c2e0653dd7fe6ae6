internal import LibSQLProtocol
internal import ServerAccess

/// The streams of all clients, and the connections to the database that they share.
///
/// A stream keeps its connection from one request to the next, so that `last_insert_rowid()` and `changes()` answer what the
/// client expects, until another client needs it: streams are many and cheap, connections are few and have caches. A stream
/// in a transaction, or with settings or temporary tables of its own, keeps its connection in any case.
actor StreamTable {
  typealias Opening = @Sendable (AccessRight) async throws -> SQLConnection

  /// One request's hold on a stream.
  struct Lease: Sendable {
    let stream: UInt64
    let connection: SQLConnection
    var stored: StoredSQL
    /// With which the client's next request finds the stream.
    let nextBaton: String
  }

  /// Why a request does not get a stream.
  enum Refusal: Error {
    /// The baton is none, or was used before.
    case invalidBaton
    /// The stream is gone, with the transaction that it may have been in.
    case expired
    /// Every connection is in use by others.
    case busy
    /// The server has as many streams as it may have.
    case tooMany
    /// The server is stopping.
    case closing
  }

  struct Entry {
    let right: AccessRight
    let isSocket: Bool
    var sequence: UInt64 = 0
    var stored = StoredSQL()
    var connection: SQLConnection?
    var lastInsertedRowID: Int64 = 0
    var transactionEnd: ContinuousClock.Instant?
    var isNeutral = true
    var isInUse = false
    var lastUse = ContinuousClock.now
    /// Requests that wait for the one before to let go.
    var waiting: [CheckedContinuation<Void, Never>] = []
  }

  struct Waiter {
    let right: AccessRight
    let end: ContinuousClock.Instant
    let continuation: CheckedContinuation<SQLConnection, any Error>
  }

  let limits: PrimaryLimits
  private let seal: BatonSeal
  let open: Opening
  private let committed: @Sendable () -> Void
  var entries: [UInt64: Entry] = [:]
  private var nextStream: UInt64 = 1
  private(set) var isClosing = false
  // Of StreamTable+Connections.
  var idle: [SQLConnection] = []
  var connectionCount = 0
  var waiters: [Waiter] = []

  /// - Parameter committed: called when a request may have committed something.
  init(
    limits: PrimaryLimits, seal: BatonSeal, open: @escaping Opening, committed: @escaping @Sendable () -> Void
  ) {
    self.limits = limits
    self.seal = seal
    self.open = open
    self.committed = committed
  }

  /// How many streams there are, how many of them are in a transaction, and how many connections are open.
  var counts: (streams: Int, transactions: Int, connections: Int) {
    (entries.count, entries.values.count { $0.transactionEnd != nil }, connectionCount)
  }

  // MARK: - Requests

  /// The stream of a request over HTTP: a new one without a baton.
  func lease(_ baton: String?, _ right: AccessRight) async throws -> Lease {
    guard let baton else { return try await lease(stream: try add(right, isSocket: false)) }
    switch seal.open(baton) {
    case .malformed: throw Refusal.invalidBaton
    case .foreign: throw Refusal.expired
    case .genuine(let content):
      guard let entry = entries[content.stream] else { throw Refusal.expired }
      // A stream belongs to those who may do the same.
      guard entry.right == right, content.sequence == entry.sequence else { throw Refusal.invalidBaton }
      return try await lease(stream: content.stream)
    }
  }

  /// Opens a stream of a WebSocket, which lives until it is closed.
  func openSocketStream(_ right: AccessRight) throws -> UInt64 { try add(right, isSocket: true) }

  /// Opens a stream that is found by its number, and ends like those over HTTP when nobody uses it.
  func openDelegatedStream(_ right: AccessRight) throws -> UInt64 { try add(right, isSocket: false) }

  private func add(_ right: AccessRight, isSocket: Bool) throws -> UInt64 {
    guard !isClosing else { throw Refusal.closing }
    guard entries.count < limits.streamCount else { throw Refusal.tooMany }
    defer { nextStream += 1 }
    entries[nextStream] = Entry(right: right, isSocket: isSocket)
    return nextStream
  }

  /// Takes the stream for a request, when the one before it has let go.
  func lease(stream: UInt64) async throws -> Lease {
    guard entries[stream] != nil else { throw Refusal.expired }
    // The next baton is valid from the moment it is issued; the answer that carries it may still be on its way.
    let expected = entries[stream]?.sequence
    while entries[stream]?.isInUse == true {
      await withCheckedContinuation { entries[stream]?.waiting.append($0) }
    }
    guard let entry = entries[stream], !isClosing else { throw Refusal.expired }
    guard entry.isSocket || entry.sequence == expected else { throw Refusal.invalidBaton }
    entries[stream]?.isInUse = true
    entries[stream]?.sequence += 1
    do {
      let connection: SQLConnection
      if let own = entry.connection {
        connection = own
      } else {
        connection = try await acquire(entry.right, lastInsertedRowID: entry.lastInsertedRowID)
        entries[stream]?.connection = connection
      }
      let content = BatonSeal.Content(stream: stream, sequence: entry.sequence + 1)
      return Lease(stream: stream, connection: connection, stored: entry.stored, nextBaton: seal.baton(content))
    } catch {
      await end(stream, closing: !entry.isSocket && entry.sequence == 0)
      throw error
    }
  }

  /// Gives the stream back after a request.
  func release(
    _ lease: Lease, stored: StoredSQL, _ situation: SQLConnection.Situation, closing: Bool = false
  ) async {
    if situation.mayHaveCommitted { committed() }
    entries[lease.stream]?.stored = stored
    entries[lease.stream]?.transactionEnd = situation.transactionEnd
    entries[lease.stream]?.isNeutral = situation.isNeutral
    entries[lease.stream]?.lastInsertedRowID = situation.lastInsertedRowID
    await end(lease.stream, closing: closing || isClosing)
  }

  private func end(_ stream: UInt64, closing: Bool) async {
    entries[stream]?.isInUse = false
    entries[stream]?.lastUse = .now
    let waiting = entries[stream]?.waiting ?? []
    entries[stream]?.waiting = []
    if closing {
      await close(stream: stream)
    } else if !waiters.isEmpty, waiting.isEmpty, entries[stream]?.isNeutral == true,
      let connection = takeConnection(of: stream)
    {
      await giveBack(connection)
    }
    for continuation in waiting { continuation.resume() }
  }

  /// Closes a stream. One that is in use closes at the end of its request.
  func close(stream: UInt64) async {
    guard let entry = entries[stream], !entry.isInUse else { return }
    entries[stream] = nil
    for continuation in entry.waiting { continuation.resume() }
    if let connection = entry.connection { await giveBack(connection) }
  }

  // MARK: - Time

  /// Ends what has had its time. To be called often.
  func sweep() async {
    let now = ContinuousClock.now
    refuseWaiters(before: now)
    for (stream, entry) in entries where !entry.isInUse {
      if let end = entry.transactionEnd, end <= now, let connection = entry.connection {
        // Held as by a request, so that none comes in between.
        entries[stream]?.isInUse = true
        await connection.endTransactionInTime()
        let situation = await connection.situation()
        entries[stream]?.transactionEnd = situation.transactionEnd
        entries[stream]?.isNeutral = situation.isNeutral
        let lastUse = entry.lastUse
        await self.end(stream, closing: false)
        entries[stream]?.lastUse = lastUse
      } else if !entry.isSocket, entry.lastUse + limits.streamIdleTime <= now {
        await close(stream: stream)
      }
    }
  }

  /// Takes no more requests, ends transactions, and closes all connections when the running requests have ended.
  func close() async {
    isClosing = true
    for waiter in waiters { waiter.continuation.resume(throwing: Refusal.closing) }
    waiters.removeAll()
    for stream in Array(entries.keys) { await close(stream: stream) }
    for connection in idle { await connection.close() }
    connectionCount -= idle.count
    idle.removeAll()
  }
}
