internal import EncryptedStorage
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import LibSQLProtocol
internal import NIOCore
internal import PageStore
internal import ServerAccess

/// V2. A replica that has frame F of generation G is at the position base(G) + F.
///
/// - An answer has as many frames as the position rises, so that numbers stay positions: the pages that changed, then others,
///   which the replica has already. No page comes twice in a transaction: SQLite overwrites the first one in its log, and
///   the frames behind it would have other numbers in the log than here. When there are more frames than pages, further
///   transactions follow that change nothing.
/// - The store knows the bases of the newest two generations. In the one before the newest a replica gets what changed since
///   its position, then goes over into the newest, where it gets what has changed since that began once more. One that comes
///   from an older generation walks up to the last but one, begins there at frame 1, and gets the whole image.
extension ReplicationService {
  func respond(to route: SyncRoute, _ body: RequestBody, _ right: AccessRight) async throws -> Response {
    var response = try await answer(to: route, body, right)
    if let name = HTTPField.Name(SyncInfo.databaseHeader) { response.headers[name] = identity }
    return response
  }

  private func answer(to route: SyncRoute, _ body: RequestBody, _ right: AccessRight) async throws -> Response {
    switch route {
    case .info:
      var state = try await pool.state()
      if state.isGenerationDue {
        // A new replica would get all frames of a long generation of pushes. While a writer is busy it does.
        do { try await pushes.beginGenerationIfDue() } catch let error as EncryptedStorageError
          where error.code == .busy
        {}
        state = try await pool.state()
      }
      guard let info = SyncInfo(currentGeneration: state.generation.number, database: state.identity) else {
        throw ReplicationFailure.foreignHistory
      }
      return Self.json(info.encoded)
    case .export(let generation): return try await export(generation)
    case .pull(let range): return try await pull(range)
    case .push(let range, let baton): return try await push(range, baton, body, right)
    // 400 with JSON: libsql 0.9.4, whose V2 is another one, goes on with V1.
    case .probe: throw ReplicationFailure(.badRequest, .unimplemented, "generation 0")
    }
  }

  static func json(_ body: [UInt8], _ status: HTTPResponse.Status = .ok) -> Response {
    Response(
      status: status, headers: [.contentType: "application/json"],
      body: ResponseBody(byteBuffer: ByteBuffer(bytes: body)))
  }

  /// The image as it is now, whatever generation is asked for: a replica that has more than the start of its generation gets
  /// some of it again, and is right all the time.
  private func export(_ generation: UInt32) async throws -> Response {
    let snapshot = try await pool.snapshot()
    guard generation <= snapshot.state.generation.number else {
      await snapshot.close()
      throw ReplicationFailure(.notFound, .failedPrecondition, "there is no generation \(generation)")
    }
    let pageCount = snapshot.state.image.pageCount
    var pages = ChangedPages.all(pageCount: pageCount)
    // A file has the page that SQLite never writes, too.
    pages.insertUnwritten()
    let stream = PageStream(source: PageSource(snapshot), pages: pages, stallLimit: options.stallLimit, tally: tally) {
      item, buffer in
      buffer.writeBytes(item.page.bytes)
    }
    return try await stream.response("application/octet-stream", byteCount: Int(pageCount) * PageFormat.pageSize)
  }

  private func end(_ state: PrimaryState) -> Response {
    tally.add(to: \.emptyPulls)
    let lastFrame = UInt32(clamping: state.image.position - state.generation.basePosition)
    return Self.json(
      SyncEnd(generation: state.generation.number, lastFrame: lastFrame).encoded,
      HTTPResponse.Status(code: SyncEnd.statusCode))
  }

  /// What a pull asks for, seen from one state of the primary.
  private enum Demand {
    /// Nothing new in this generation.
    case nothing
    /// Pages changed since `position`, in `frameCount` frames or more.
    case pages(since: Int64, frameCount: Int64)
  }

  /// - Throws: ``ReplicationFailure/foreignHistory``.
  private static func demand(_ range: SyncRange, _ state: PrimaryState) throws -> Demand {
    guard range.generation <= state.generation.number else { throw ReplicationFailure.foreignHistory }
    guard let generation = state.generations.first(where: { $0.number == range.generation }) else { return .nothing }
    let position = generation.basePosition + Int64(range.first) - 1
    if generation == state.generation {
      guard position <= state.image.position else { throw ReplicationFailure.foreignHistory }
      guard position < state.image.position else { return .nothing }
      return .pages(since: position, frameCount: state.image.position - position)
    }
    let frameCount = state.generation.basePosition - position
    guard frameCount > 0 else { return .nothing }
    return .pages(since: range.first == 1 ? 0 : position, frameCount: frameCount)
  }

  private func push(
    _ range: SyncRange, _ baton: String?, _ body: RequestBody, _ right: AccessRight
  ) async throws -> Response {
    guard right == .readWrite else {
      throw ReplicationFailure(.forbidden, .permissionDenied, "this token cannot write")
    }
    guard range.count <= UInt32(PushReceiver.frameCountLimit) else {
      throw ReplicationFailure(
        .contentTooLarge, .invalidArgument, "more than \(PushReceiver.frameCountLimit) frames in one request")
    }
    let frames = try await body.read(within: options.pushTime) { body in
      var reader = WALFrameReader(frameCountLimit: Int(range.count))
      var frames: [Push.Frame] = []
      for try await buffer in body {
        reader.append(buffer.readableBytesView)
        while let frame = try reader.next() {
          frames.append(
            Push.Frame(page: Page(number: frame.pageNumber, bytes: frame.page), sizeAfter: frame.sizeAfter))
        }
      }
      try reader.finish()
      return frames
    }
    guard frames.count == Int(range.count) else {
      throw ReplicationFailure(.badRequest, .invalidArgument, "\(frames.count) frames instead of \(range.count)")
    }
    let answer = try await pushes.receive(frames, range, baton: baton, try await pool.state())
    if answer.status == .conflict {
      tally.add(to: \.pushConflicts)
    } else {
      tally.add(to: \.pushesStored)
      notifier.committed()
    }
    return Self.json(answer.encoded)
  }

  private func pull(_ range: SyncRange) async throws -> Response {
    let state = try await pool.state()
    if case .nothing = try Self.demand(range, state) { return end(state) }
    let snapshot = try await pool.snapshot()
    let image = snapshot.state.image
    let asked = try await closing(snapshot) { try Self.demand(range, snapshot.state) }
    guard case .pages(let position, let frameCount) = asked else {
      await snapshot.close()
      return end(snapshot.state)
    }
    var pages = try await closing(snapshot) { try await snapshot.changedPages(since: position) }
    pages.fill(upTo: Int(frameCount))
    let count = max(Int(frameCount), pages.count)
    let stream = PageStream(
      source: PageSource(snapshot), pages: pages, frameCount: count, stallLimit: options.stallLimit, tally: tally
    ) {
      item, buffer in
      let frame = WALFrame(
        pageNumber: item.page.number, sizeAfter: item.endsTransaction ? image.pageCount : 0, page: item.page.bytes)
      buffer.writeBytes(frame.bytes)
    }
    return try await stream.response("application/octet-stream", byteCount: count * PageFormat.frameSize)
  }
}
