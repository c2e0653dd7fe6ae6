internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import LibSQLProtocol
internal import NIOCore
internal import PageStore

/// Turso's pull. A revision is the beginning of the primary's identity and a position: `0fdb3c1a.4711`.
extension ReplicationService {
  private static let requestByteLimit = 1 << 20
  /// Longest that a request waits for a commit, whatever it asks for.
  private static let longPollLimit: Duration = .seconds(60)

  static func revision(_ state: PrimaryState) -> String { revisionPrefix(state) + String(state.image.position) }

  private static func revisionPrefix(_ state: PrimaryState) -> String { state.identity.prefix(8) + "." }

  /// The position that a revision stands for; 0, which is nothing, for one that this primary has never given out.
  private static func position(_ revision: String, _ state: PrimaryState) -> Int64 {
    let prefix = revisionPrefix(state)
    guard revision.hasPrefix(prefix), let position = Int64(revision.dropFirst(prefix.count)), position > 0,
      position <= state.image.position
    else { return 0 }
    return position
  }

  func pullUpdates(_ body: RequestBody) async throws -> Response {
    let request = try PullUpdatesRequest(
      try await body.bytes(upTo: Self.requestByteLimit, within: options.requestTime)[...])
    func refuse(_ what: String) -> ReplicationFailure {
      ReplicationFailure(.notImplemented, .unimplemented, "\(what) not served here")
    }
    guard request.encoding == .raw else { throw refuse("pages under zstd are") }
    guard request.streamKind == .pages else { throw refuse("a logical log is") }
    guard request.query.isEmpty else { throw refuse("the pages of a query are") }
    guard request.serverRevision.isEmpty else { return try await pinnedAnswer(request) }
    let state = try await stateAfterWaiting(request)
    if Self.position(request.clientRevision, state) == state.image.position {
      tally.add(to: \.emptyPulls)
      return Self.response(ByteBuffer(bytes: Self.header(state)))
    }
    guard request.pages != nil else { return try await answer(request, try await pool.snapshot(), isShared: false) }
    // The client will ask for other pages of this revision.
    if let snapshot = await pinned.snapshot(Self.revision(state)) {
      return try await answer(request, snapshot, isShared: true)
    }
    let snapshot = try await pool.snapshot()
    await pinned.keep(snapshot, Self.revision(snapshot.state))
    return try await answer(request, snapshot, isShared: true)
  }

  private static func header(_ state: PrimaryState) -> [UInt8] {
    PullUpdatesWriter.part(
      PullUpdatesHeader(serverRevision: revision(state), pageCount: UInt64(state.image.pageCount)))
  }

  private static func response(_ body: ByteBuffer) -> Response {
    Response(
      status: .ok, headers: [.contentType: PullUpdatesRequest.contentType], body: ResponseBody(byteBuffer: body))
  }

  /// The newest state; with a long poll, once it is another one than the client's, or the time is over.
  private func stateAfterWaiting(_ request: PullUpdatesRequest) async throws -> PrimaryState {
    let asked = Duration.milliseconds(Int64(request.longPollTimeout))
    let deadline = ContinuousClock.now + min(asked, Self.longPollLimit)
    while true {
      let ticket = notifier.ticket
      let state = try await pool.state()
      guard Self.position(request.clientRevision, state) == state.image.position, ContinuousClock.now < deadline else {
        return state
      }
      await notifier.wait(after: ticket, until: deadline)
      try Task.checkCancellation()
    }
  }

  /// The pages that changed since the client's revision, as far as they are wanted. Every page for a client that has
  /// nothing: they are applied like changes, since clients refuse to have their base replaced.
  private func answer(_ request: PullUpdatesRequest, _ snapshot: StoreSnapshot, isShared: Bool) async throws -> Response
  {
    let source = PageSource(snapshot, isShared: isShared)
    let state = snapshot.state
    let position = Self.position(request.clientRevision, state)
    var pages: ChangedPages
    do { pages = try await snapshot.changedPages(since: position) } catch {
      await source.close()
      throw error
    }
    // Clients expect every page of a whole image.
    if position == 0 { pages.insertUnwritten() }
    if let wanted = request.pages { pages.formIntersection { wanted.contains($0 - 1) } }
    return try await stream(pages, source, Self.header(state))
  }

  private func stream(_ pages: ChangedPages, _ source: PageSource, _ header: [UInt8]) async throws -> Response {
    let stream = PageStream(source: source, pages: pages, stallLimit: options.stallLimit, tally: tally, head: header) {
      item, buffer in
      buffer.writeBytes(PullUpdatesWriter.part(PulledPage(pageNumber: item.page.number, page: item.page.bytes)))
    }
    return try await stream.response(PullUpdatesRequest.contentType, byteCount: nil)
  }

  /// The answer at a revision that was given out before.
  ///
  /// Its snapshot may be gone. Pages that have not changed since are then what they were; if the size of the image, which is
  /// in page 1, has not changed either, the answer is that of the revision.
  /// - Throws: ``ReplicationFailure`` 410, upon which the client begins anew.
  private func pinnedAnswer(_ request: PullUpdatesRequest) async throws -> Response {
    let revision = request.serverRevision
    if let snapshot = await pinned.snapshot(revision) { return try await answer(request, snapshot, isShared: true) }
    let gone = ReplicationFailure(
      .gone, .failedPrecondition, "the revision is not there any more; begin again with the newest")
    let snapshot = try await pool.snapshot()
    let state = snapshot.state
    let position = Self.position(revision, state)
    guard position > 0 else {
      await snapshot.close()
      throw gone
    }
    if position == state.image.position { return try await answer(request, snapshot, isShared: false) }
    let changed = try await closing(snapshot) { try await snapshot.changedPages(since: position) }
    var pages = try await closing(snapshot) {
      try await snapshot.changedPages(since: Self.position(request.clientRevision, state))
    }
    if request.clientRevision.isEmpty { pages.insertUnwritten() }
    if let wanted = request.pages { pages.formIntersection { wanted.contains($0 - 1) } }
    var lost = pages
    lost.formIntersection { changed.contains($0) }
    guard lost.count == 0, !changed.contains(1) else {
      await snapshot.close()
      throw gone
    }
    let header = PullUpdatesWriter.part(
      PullUpdatesHeader(serverRevision: revision, pageCount: UInt64(state.image.pageCount)))
    return try await stream(pages, PageSource(snapshot), header)
  }
}
