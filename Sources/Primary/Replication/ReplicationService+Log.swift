internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import LibSQLProtocol
internal import NIOCore
internal import PageStore

/// V1. A frame's number is the primary's position; the last frame of an answer has that of the snapshot, the ones before it
/// count down from there. Numbers have gaps, which clients allow.
extension ReplicationService {
  /// Frames in one answer. A replica that lacks more takes a snapshot, which comes as a stream.
  static let batchFrameCountLimit = 1024
  /// A request is a few numbers.
  private static let requestByteLimit = 64 << 10
  /// Bytes of a `Frame` without timestamp, as a message of its own.
  private static let frameMessageByteCount = FrameBatch.encode([]).count + 1 + 2 + PageFormat.frameSize

  func respond(to method: ReplicationMethod, _ headers: HTTPFields, _ body: RequestBody) async throws -> Response {
    let message = try GRPCMessageReader.request(
      try await body.bytes(upTo: Self.requestByteLimit, within: options.requestTime))
    switch method {
    case .hello:
      _ = try HelloRequest(message[...])
      let state = try await pool.state()
      let hello = HelloResponse(
        logID: state.identity, sessionToken: sessionToken, currentReplicationIndex: UInt64(state.image.position))
      return Self.response([hello.encoded])
    case .batchLogEntries, .logEntries, .snapshot:
      guard hasSession(headers) else { return ReplicationFailure.response(GRPCStatus(.noHello)) }
      let offset = try LogOffset(message[...])
      guard offset.flavor != .libsql else {
        throw ReplicationFailure(.badRequest, .unimplemented, "there are frames of SQLite's log only")
      }
      if case .snapshot = method { return try await logSnapshot(since: Self.position(offset)) }
      return try await logEntries(since: Self.position(offset), isBatch: method == .batchLogEntries)
    case .execute, .describe, .disconnect:
      throw ReplicationFailure(.notFound, .unimplemented, "not a method of replication")
    }
  }

  private func hasSession(_ headers: HTTPFields) -> Bool {
    guard let name = HTTPField.Name(ReplicationHeaders.sessionToken) else { return false }
    return headers[name] == sessionToken
  }

  /// What the replica has; 0 for nothing.
  private static func position(_ offset: LogOffset) -> Int64 {
    Int64(clamping: offset.nextOffset > 0 ? offset.nextOffset - 1 : 0)
  }

  private static func response(_ messages: [[UInt8]]) -> Response {
    Response(
      status: .ok, headers: [.contentType: GRPCWeb.responseContentType],
      body: ResponseBody(byteBuffer: ByteBuffer(bytes: GRPCWeb.response(messages: messages))))
  }

  /// The pages that changed since a position, or nil where only a whole image helps: for a replica that has nothing, one that
  /// is ahead of a primary which was restored from a backup, and a position at which no commit has ended.
  private func delta(since position: Int64, _ snapshot: StoreSnapshot) async throws -> ChangedPages? {
    let newest = snapshot.state.image.position
    guard position > 0, position <= newest else { return nil }
    let pages = try await snapshot.changedPages(since: position)
    return pages.count <= newest - position ? pages : nil
  }

  private func logEntries(since position: Int64, isBatch: Bool) async throws -> Response {
    func nothingNew() -> Response {
      tally.add(to: \.emptyPulls)
      return Self.response(isBatch ? [FrameBatch.encode([])] : [])
    }
    guard try await pool.state().image.position != position else { return nothingNew() }
    let snapshot = try await pool.snapshot()
    let image = snapshot.state.image
    guard image.position != position else {
      await snapshot.close()
      return nothingNew()
    }
    guard let pages = try await closing(snapshot, { try await delta(since: position, snapshot) }),
      pages.count <= Self.batchFrameCountLimit
    else {
      await snapshot.close()
      return ReplicationFailure.response(GRPCStatus(.needSnapshot))
    }
    let first = UInt64(image.position) - UInt64(pages.count) + 1
    @Sendable func frame(_ item: PageStream.Item) -> FrameMessage {
      Self.frame(item, number: first + UInt64(item.index), image)
    }
    // One message with the frames as its fields, whose length is known before.
    let elementByteCount = Self.frameMessageByteCount + 1 + 2
    let trailers = GRPCWeb.frame(trailers: .ok)
    var head: [UInt8] = []
    var byteCount = pages.count * (5 + Self.frameMessageByteCount) + trailers.count
    if isBatch {
      let messageByteCount = UInt32(pages.count * elementByteCount)
      head = [0] + (0..<4).map { UInt8(truncatingIfNeeded: messageByteCount >> UInt32(24 - 8 * $0)) }
      byteCount = head.count + Int(messageByteCount) + trailers.count
    }
    let stream = PageStream(
      source: PageSource(snapshot), pages: pages, stallLimit: options.stallLimit, tally: tally, head: head,
      tail: trailers
    ) { item, buffer in
      if isBatch {
        buffer.writeBytes(FrameBatch.encode([frame(item)]))
      } else {
        buffer.writeBytes(GRPCWeb.frame(message: frame(item).encoded))
      }
    }
    return try await stream.response(GRPCWeb.responseContentType, byteCount: byteCount)
  }

  /// The pages in descending order of frame numbers: clients go on behind the first one. Only the last one sent commits.
  private func logSnapshot(since position: Int64) async throws -> Response {
    let snapshot = try await pool.snapshot()
    let image = snapshot.state.image
    let pages = try await closing(snapshot) {
      if let pages = try await delta(since: position, snapshot), pages.count > 0 { return pages }
      return try await snapshot.changedPages(since: 0)
    }
    let trailers = GRPCWeb.frame(trailers: .ok)
    let stream = PageStream(
      source: PageSource(snapshot), pages: pages, order: .descending, stallLimit: options.stallLimit, tally: tally,
      tail: trailers
    ) { item, buffer in
      let frame = Self.frame(item, number: UInt64(image.position) - UInt64(item.index), image)
      buffer.writeBytes(GRPCWeb.frame(message: frame.encoded))
    }
    return try await stream.response(
      GRPCWeb.responseContentType, byteCount: pages.count * (5 + Self.frameMessageByteCount) + trailers.count)
  }

  private static func frame(_ item: PageStream.Item, number: UInt64, _ image: ImageState) -> FrameMessage {
    FrameMessage(
      frame: ReplicationFrame(
        frameNumber: number, pageNumber: item.page.number, sizeAfter: item.endsTransaction ? image.pageCount : 0,
        page: item.page.bytes))
  }

  /// Runs `body`; closes the snapshot when it fails.
  func closing<T>(_ snapshot: StoreSnapshot, _ body: () async throws -> T) async throws -> T {
    do { return try await body() } catch {
      await snapshot.close()
      throw error
    }
  }
}
