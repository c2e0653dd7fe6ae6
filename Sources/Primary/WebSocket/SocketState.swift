internal import LibSQLProtocol
internal import ServerAccess

/// What one WebSocket has open: streams, cursors and stored texts, under the numbers that its client gave them.
actor SocketState {
  struct Job: Sendable {
    let id: Int32
    let request: Hrana.SocketRequest
    let admission: Gate.Admission
    let stored: StoredSQL

    var table: StreamTable { admission.database.streams }
  }

  private struct Cursor {
    let stream: Int32
    let answer: CursorAnswer
    let connection: SQLConnection
  }

  private let gate: Gate
  private var admission: Gate.Admission?
  private var pendingCount = 0
  private var streams: [Int32: UInt64] = [:]
  private var cursors: [Int32: Cursor] = [:]
  private var stored = StoredSQL()
  /// The streams of cursors, from the moment that they are asked for.
  private var cursorStreams: [Int32: Int32] = [:]
  /// Requests that belong to no stream have a queue of their own.
  private var queues: [Int32?: AsyncStream<Job>.Continuation] = [:]

  init(_ gate: Gate) { self.gate = gate }

  /// After a hello, the first or a later one: a client whose token is about to expire says hello with another.
  func admit(_ admission: Gate.Admission) { self.admission = admission }

  // MARK: - Order

  /// What becomes of a request when it arrives.
  enum Arrival: Sendable {
    /// It is answered.
    case answered(Hrana.ServerMessage)
    /// It waits behind others of its stream; a new queue needs somebody who works on it.
    case queued(newQueue: AsyncStream<Job>?)
    /// There are too many.
    case refused
  }

  /// Takes a request in. Stored texts are the socket's, and what they are when a request arrives is what it runs with; so
  /// they are dealt with at once, and everything else in the order of its stream.
  func receive(_ request: Hrana.SocketRequest, id: Int32) -> Arrival {
    guard let admission, pendingCount < Self.pendingCountMax else { return .refused }
    do throws(AccessError) { try gate.confirm(admission) } catch {
      return .answered(.responseError(id: id, error.protocolError))
    }
    switch request {
    case .storeSQL(let number, let sql):
      do throws(ClientError) { try stored.store(sql, as: number) } catch {
        return .answered(.responseError(id: id, error.error))
      }
      return .answered(.responseOK(id: id, .storeSQL))
    case .closeSQL(let number):
      stored.close(number)
      return .answered(.responseOK(id: id, .closeSQL))
    case .openCursor(let stream, let cursor, _): cursorStreams[cursor] = stream
    default: break
    }
    let number = stream(of: request)
    guard queues[number] != nil || queues.count < Self.pendingCountMax else { return .refused }
    let job = Job(id: id, request: request, admission: admission, stored: stored)
    pendingCount += 1
    if let queue = queues[number] {
      queue.yield(job)
      return .queued(newQueue: nil)
    }
    let (jobs, continuation) = AsyncStream<Job>.makeStream()
    queues[number] = continuation
    continuation.yield(job)
    return .queued(newQueue: jobs)
  }

  /// Requests that a client may send before the first of them is answered, and numbers of streams that it may use.
  private static let pendingCountMax = 1000

  private func stream(of request: Hrana.SocketRequest) -> Int32? {
    switch request {
    case .openStream(let stream), .closeStream(let stream), .execute(let stream, _), .batch(let stream, _),
      .openCursor(let stream, _, _), .sequence(let stream, _, _), .describe(let stream, _, _),
      .getAutocommit(let stream):
      stream
    case .fetchCursor(let cursor, _), .closeCursor(let cursor): cursorStreams[cursor]
    case .storeSQL, .closeSQL: nil
    }
  }

  /// No more requests come; those that are there are still answered.
  func finish() {
    for queue in queues.values { queue.finish() }
  }

  func closeStreams() async {
    for cursor in cursors.values { await cursor.answer.finish() }
    for stream in streams.values { await admission?.database.streams.close(stream: stream) }
    cursors.removeAll()
    streams.removeAll()
  }

  // MARK: - Requests

  func answer(_ job: Job) async -> Hrana.ServerMessage {
    defer { pendingCount -= 1 }
    do {
      return .responseOK(id: job.id, try await respond(to: job))
    } catch let error as ClientError {
      return .responseError(id: job.id, error.error)
    } catch let refusal as StreamTable.Refusal {
      return .responseError(id: job.id, refusal.error)
    } catch {
      return .responseError(
        id: job.id, Hrana.ProtocolError(message: "the server failed; its log says why", code: "INTERNAL_ERROR"))
    }
  }

  private func respond(to job: Job) async throws -> Hrana.SocketResponse {
    switch job.request {
    case .openStream(let number):
      guard streams[number] == nil else { throw Self.error("stream \(number) is open already") }
      streams[number] = try await job.table.openSocketStream(job.admission.right)
      return .openStream
    case .closeStream(let number):
      for (id, cursor) in cursors where cursor.stream == number {
        cursors[id] = nil
        await cursor.answer.finish()
      }
      if let stream = streams.removeValue(forKey: number) { await job.table.close(stream: stream) }
      return .closeStream
    case .storeSQL: return .storeSQL
    case .closeSQL: return .closeSQL
    case .execute(let number, let statement):
      guard case .execute(let result) = try await run(.execute(statement), number, job) else { throw Self.mixedUp }
      return .execute(result)
    case .batch(let number, let batch):
      guard case .batch(let result) = try await run(.batch(batch), number, job) else { throw Self.mixedUp }
      return .batch(result)
    case .sequence(let number, let sql, let index):
      _ = try await run(.sequence(sql, replicationIndex: index), number, job)
      return .sequence
    case .describe(let number, let sql, let index):
      guard case .describe(let result) = try await run(.describe(sql, replicationIndex: index), number, job)
      else { throw Self.mixedUp }
      return .describe(result)
    case .getAutocommit(let number):
      guard case .getAutocommit(let isAutocommit) = try await run(.getAutocommit, number, job) else {
        throw Self.mixedUp
      }
      return .getAutocommit(isAutocommit: isAutocommit)
    case .openCursor(let number, let id, let batch):
      try await openCursor(id, number, batch, job)
      return .openCursor
    case .closeCursor(let id):
      cursorStreams[id] = nil
      await cursors.removeValue(forKey: id)?.answer.finish()
      return .closeCursor
    case .fetchCursor(let id, let maxCount):
      guard let cursor = cursors[id] else { throw Self.error("cursor \(id) is not open") }
      let count = min(Int(clamping: maxCount), Self.entryCountMax)
      let (entries, isDone) = await cursor.connection.nextEntries(count)
      return .fetchCursor(entries: entries, isDone: isDone)
    }
  }

  private static let entryCountMax = 1000

  private func run(
    _ request: Hrana.StreamRequest, _ number: Int32, _ job: Job
  ) async throws -> Hrana.StreamResponse {
    guard let stream = streams[number] else { throw Self.error("stream \(number) is not open") }
    guard !cursors.values.contains(where: { $0.stream == number }) else {
      throw Self.error("stream \(number) has an open cursor")
    }
    let lease = try await job.table.lease(stream: stream)
    let (results, _, situation) = await lease.connection.run([request], job.stored)
    await job.table.release(lease, stored: lease.stored, situation)
    switch results.first {
    case .ok(let response): return response
    case .error(let error): throw ClientError(error)
    case nil: throw Self.mixedUp
    }
  }

  private func openCursor(_ id: Int32, _ number: Int32, _ batch: Hrana.Batch, _ job: Job) async throws {
    guard let stream = streams[number] else { throw Self.error("stream \(number) is not open") }
    guard cursors[id] == nil, !cursors.values.contains(where: { $0.stream == number }) else {
      throw Self.error("stream \(number) has an open cursor, or cursor \(id) is open already")
    }
    let lease = try await job.table.lease(stream: stream)
    let answer = CursorAnswer(lease, job.table)
    if let error = await lease.connection.openCursor(batch, job.stored) {
      await answer.finish()
      throw ClientError(error)
    }
    cursors[id] = Cursor(stream: number, answer: answer, connection: lease.connection)
  }

  private static func error(_ message: String) -> ClientError {
    ClientError(Hrana.ProtocolError(message: message, code: "PROTOCOL_ERROR"))
  }

  private static let mixedUp = error("the server failed to answer the request")
}

extension StreamTable.Refusal {
  /// As an error of a stream.
  var error: Hrana.ProtocolError {
    switch self {
    case .busy: SQLFailure.tooBusy
    case .tooMany:
      Hrana.ProtocolError(message: "the server has as many streams as it may have", code: "TRANSACTION_BUSY")
    case .closing, .expired, .invalidBaton: SQLFailure.streamExpired
    }
  }
}
