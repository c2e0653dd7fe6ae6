internal import EncryptedStorage
internal import HTTPTypes
internal import Hummingbird
internal import LibSQLProtocol
internal import NIOCore

/// Hrana over HTTP: pipelines and cursors on streams, and the old requests without streams.
///
/// Source: the Hrana 3 specification, "Hrana over HTTP"; docs/primary.md for what official clients expect beyond it.
struct HranaRoutes: Sendable {
  let gate: Gate
  let limits: PrimaryLimits
  let metrics: PrimaryMetrics

  func add(to router: Router<PrimaryContext>) {
    for version in ["v2", "v3"] {
      router.get("/\(version)") { _, _ in Response(status: .ok) }
      router.post("/\(version)/pipeline") { request, _ in try await pipeline(request) }
    }
    router.post("/v3/cursor") { request, _ in try await cursor(request) }
    router.post("/v1/execute") { request, _ in try await execute(request) }
    router.post("/v1/batch") { request, _ in try await batch(request) }
  }

  // MARK: - Streams

  private func pipeline(_ request: Request) async throws -> Response {
    let (message, admission) = try await read(Hrana.PipelineRequest.self, request)
    // What follows a close has no stream.
    if let close = message.requests.firstIndex(of: .close), close < message.requests.count - 1 {
      throw HTTPFailure(.badRequest, "a pipeline has requests after its close request")
    }
    let streams = admission.database.streams
    let lease: StreamTable.Lease
    do { lease = try await streams.lease(message.baton, admission.right) } catch StreamTable.Refusal.expired {
      return json(Self.lost(message))
    }
    let (results, stored, situation) = await lease.connection.run(message.requests, lease.stored)
    for case .error(let error) in results { metrics.failed(error.code) }
    let isClosed = message.requests.last == .close
    await streams.release(lease, stored: stored, situation, closing: isClosed)
    return json(Hrana.PipelineResponse(baton: isClosed ? nil : lease.nextBaton, results: results))
  }

  /// The answer on a stream that is gone: official clients keep a baton for ever after any other status than 200, and would
  /// never recover; without a baton they begin a new stream.
  private static func lost(_ message: Hrana.PipelineRequest) -> Hrana.PipelineResponse {
    Hrana.PipelineResponse(
      baton: nil, results: message.requests.map { $0 == .close ? .ok(.close) : .error(SQLFailure.streamExpired) })
  }

  private func cursor(_ request: Request) async throws -> Response {
    let (message, admission) = try await read(Hrana.CursorRequest.self, request)
    let streams = admission.database.streams
    let lease: StreamTable.Lease
    do { lease = try await streams.lease(message.baton, admission.right) } catch StreamTable.Refusal.expired {
      let entry = Hrana.CursorEntry.stepError(step: 0, error: SQLFailure.streamExpired)
      return lines(Hrana.CursorResponse(baton: nil).encoded() + [newline] + entry.encoded() + [newline])
    }
    let answer = CursorAnswer(lease, streams)
    if let error = await lease.connection.openCursor(message.batch, lease.stored) {
      await answer.finish()
      throw HTTPFailure(.internalServerError, error)
    }
    let head = Hrana.CursorResponse(baton: lease.nextBaton).encoded() + [newline]
    // Short answers, which most are, go out in one piece.
    let first = await lease.connection.nextLines(upTo: Self.pieceByteCount)
    guard let first, first.count >= Self.pieceByteCount else {
      await answer.finish()
      return lines(head + (first ?? []) + Hrana.CursorEntry.replicationIndex(nil).encoded() + [newline])
    }
    return Response(
      status: .ok, headers: [.contentType: "text/plain"],
      body: ResponseBody { writer in
        do {
          try await writer.write(ByteBuffer(bytes: head + first))
          while let piece = await lease.connection.nextLines(upTo: Self.pieceByteCount) {
            try await writer.write(ByteBuffer(bytes: piece))
          }
        } catch {
          // The client has what it wants and is gone; its stream lives on.
          await answer.finish()
          throw error
        }
        await answer.finish()
        try await writer.write(ByteBuffer(bytes: Hrana.CursorEntry.replicationIndex(nil).encoded() + [newline]))
        try await writer.finish(nil)
      })
  }

  private static let pieceByteCount = 64 << 10

  private func lines(_ bytes: [UInt8]) -> Response {
    Response(
      status: .ok, headers: [.contentType: "text/plain"], body: .init(byteBuffer: ByteBuffer(bytes: bytes)))
  }

  private var newline: UInt8 { UInt8(ascii: "\n") }

  // MARK: - Without streams

  private func execute(_ request: Request) async throws -> Response {
    let (message, admission) = try await read(Hrana.ExecuteRequest.self, request)
    guard case .execute(let result) = try await run(.execute(message.statement), admission) else { throw Self.mixedUp }
    return json(Hrana.ExecuteResponse(result))
  }

  private func batch(_ request: Request) async throws -> Response {
    let (message, admission) = try await read(Hrana.BatchRequest.self, request)
    guard case .batch(let result) = try await run(.batch(message.batch), admission) else { throw Self.mixedUp }
    return json(Hrana.BatchResponse(result))
  }

  private func run(_ request: Hrana.StreamRequest, _ admission: Gate.Admission) async throws -> Hrana.StreamResponse {
    let streams = admission.database.streams
    let lease = try await streams.lease(nil, admission.right)
    let (results, stored, situation) = await lease.connection.run([request], lease.stored)
    await streams.release(lease, stored: stored, situation, closing: true)
    switch results.first {
    case .ok(let response): return response
    case .error(let error):
      // What the client did wrong is 400 in sqld, what SQLite says is 500.
      throw HTTPFailure(error.code.hasPrefix("SQLITE_") ? .internalServerError : .badRequest, error)
    case nil: throw Self.mixedUp
    }
  }

  private static let mixedUp = HTTPFailure(.internalServerError, "the server failed to answer the request")

  // MARK: - Bodies

  private func read<M: HranaMessage>(_: M.Type, _ request: Request) async throws -> (M, Gate.Admission) {
    let admission = try await gate.admit(request.headers)
    let bytes = try await request.bytes(upTo: limits.requestByteCount, within: limits.requestTime)
    do throws(JSONMessageError) { return (try M(decoding: bytes), admission) } catch {
      throw HTTPFailure(
        .badRequest, Hrana.ProtocolError(message: "the request is not valid: \(error)", code: "PROTOCOL_ERROR"))
    }
  }

  private func json(_ message: some HranaMessage) -> Response {
    Response(
      status: .ok, headers: [.contentType: "application/json"],
      body: .init(byteBuffer: ByteBuffer(bytes: message.encoded())))
  }
}
