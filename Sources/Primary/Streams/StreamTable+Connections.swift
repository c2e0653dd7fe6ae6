internal import LibSQLProtocol
internal import ServerAccess

/// The connections behind the streams: opened when they are needed, as many as the limits allow, and then taken from the
/// stream that has not been used for the longest time.
extension StreamTable {
  /// A connection that nobody uses, as if it were new.
  ///
  /// - Parameter lastInsertedRowID: what the client had on its former connection.
  func acquire(_ right: AccessRight, lastInsertedRowID: Int64) async throws -> SQLConnection {
    while true {
      let connection = try await anyConnection(right)
      if await connection.prepare(lastInsertedRowID: lastInsertedRowID) { return connection }
      await discard(connection)
    }
  }

  private func anyConnection(_ right: AccessRight) async throws -> SQLConnection {
    guard !isClosing else { throw Refusal.closing }
    if let index = idle.lastIndex(where: { $0.right == right }) { return idle.remove(at: index) }
    if connectionCount < limits.connectionCount { return try await openConnection(right) }
    if !idle.isEmpty {
      await discard(idle.removeFirst())
      return try await openConnection(right)
    }
    if let taken = takeLeastRecentlyUsed() {
      if taken.right == right { return taken }
      await discard(taken)
      return try await openConnection(right)
    }
    let end = ContinuousClock.now + limits.connectionWaitingTime
    return try await withCheckedThrowingContinuation {
      waiters.append(Waiter(right: right, end: end, continuation: $0))
    }
  }

  private func openConnection(_ right: AccessRight) async throws -> SQLConnection {
    // Counted before, because others come while it opens.
    connectionCount += 1
    do { return try await open(right) } catch {
      connectionCount -= 1
      throw error
    }
  }

  private func takeLeastRecentlyUsed() -> SQLConnection? {
    let candidates = entries.filter { !$0.value.isInUse && $0.value.isNeutral && $0.value.connection != nil }
    guard let stream = candidates.min(by: { $0.value.lastUse < $1.value.lastUse })?.key else { return nil }
    return takeConnection(of: stream)
  }

  func takeConnection(of stream: UInt64) -> SQLConnection? {
    defer { entries[stream]?.connection = nil }
    return entries[stream]?.connection
  }

  /// Takes a connection back, whatever is on it: the next one who gets it prepares it.
  func giveBack(_ connection: SQLConnection) async {
    guard await connection.prepare(lastInsertedRowID: 0), !isClosing else {
      await discard(connection)
      await serveNextWaiter()
      return
    }
    guard !waiters.isEmpty else {
      idle.append(connection)
      return
    }
    let waiter = waiters.removeFirst()
    if waiter.right == connection.right {
      waiter.continuation.resume(returning: connection)
    } else {
      await discard(connection)
      await serve(waiter)
    }
  }

  private func serveNextWaiter() async {
    guard !waiters.isEmpty, connectionCount < limits.connectionCount else { return }
    await serve(waiters.removeFirst())
  }

  private func serve(_ waiter: Waiter) async {
    do {
      waiter.continuation.resume(returning: try await openConnection(waiter.right))
    } catch {
      waiter.continuation.resume(throwing: error)
    }
  }

  private func discard(_ connection: SQLConnection) async {
    connectionCount -= 1
    await connection.close()
  }

  func refuseWaiters(before now: ContinuousClock.Instant) {
    let late = waiters.filter { $0.end <= now }
    waiters.removeAll { $0.end <= now }
    for waiter in late { waiter.continuation.resume(throwing: Refusal.busy) }
  }
}
