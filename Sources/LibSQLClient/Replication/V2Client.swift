public import LibSQLProtocol

/// Replication by V2: a database file for each generation, and the frames since.
public struct V2Client: Sendable {
  private let remote: Remote

  /// A client. Nothing is sent yet.
  public init(_ remote: Remote) { self.remote = remote }

  /// The generation that is being written.
  ///
  /// - Throws: ``RemoteError`` `.notFound` when the server has no V2.
  public func currentGeneration() async throws(RemoteError) -> UInt32 { try await info().currentGeneration }

  /// The generation that is being written, and which database it is of, where the server says that.
  ///
  /// - Throws: ``RemoteError`` `.notFound` when the server has no V2.
  public func info() async throws(RemoteError) -> SyncInfo {
    let response = try await send(.info, "info")
    let body = try await response.body.collect(upTo: 64 << 10)
    do throws(WireFormatError) {
      return try SyncInfo(body)
    } catch {
      throw remote.malformed("info", SyncRoute.info.path, error, mayHaveRun: false)
    }
  }

  /// The database at the start of a generation.
  ///
  /// - Parameter database: which database it has to be of, as ``info()`` said.
  /// - Throws: ``RemoteError``; `.malformedResponse` for what is no database of pages of 4096 bytes; `.otherHistory` when it
  ///   is of another database.
  public func image(generation: UInt32, database: String? = nil) async throws(RemoteError) -> RemoteImage {
    let response = try await send(.export(generation: generation), "export")
    try remote.check(response.head, isOf: database, "export", SyncRoute.export(generation: generation).path)
    var source = ExportSource(remote: remote, path: SyncRoute.export(generation: generation).path, body: response.body)
    let pageCount = try await source.begin(contentLength: response.head.contentLength)
    return RemoteImage(
      position: .v2(generation: generation, frame: 0), pageCount: pageCount, source: source)
  }

  /// The changes since a position of V2.
  ///
  /// It fails with `.otherHistory` when the server has not come as far as the position, and when its answers are of another
  /// database.
  ///
  /// - Parameter database: which database they have to be of, as ``info()`` said; nil where it does not say.
  public func pull(generation: UInt32, frame: UInt32, database: String? = nil) -> ReplicationStream {
    let remote = remote
    return ReplicationStream {
      V2Source(remote, from: PullCursor.Position(generation: generation, frame: frame), database: database)
    }
  }

  private func send(_ route: SyncRoute, _ operation: String) async throws(RemoteError) -> HTTPResponse {
    try await remote.send(Remote.Request(operation: operation, path: route.path, isRepeatable: true))
  }
}

/// A push of frames, in requests that batons join.
///
/// A request is sent once: with ``RemoteError/mayHaveRun`` it is not known whether the frames are in the log, and a pull tells.
extension V2Client {
  /// Sends frames of the local log.
  ///
  /// - Parameters:
  ///   - frames: 1 or more, the first is number `first` of `generation`.
  ///   - baton: of the answer before, in the same push.
  public func push(
    _ frames: [WALFrame], generation: UInt32, first: UInt32, baton: String? = nil
  ) async throws(RemoteError) -> PushAnswer.Outcome {
    let (end, overflow) = first.addingReportingOverflow(UInt32(clamping: frames.count))
    guard !overflow, let range = SyncRange(generation: generation, first: first, end: end),
      baton.map(SyncRoute.isBaton) ?? true
    else {
      throw RemoteError(.configuration, "push", detail: "a push without frames, or with numbers that do not exist")
    }
    let route = SyncRoute.push(range, baton: baton)
    let response = try await remote.send(
      Remote.Request(
        operation: "push", method: .post, path: route.path, contentType: "application/octet-stream",
        body: frames.flatMap(\.bytes), isRepeatable: false))
    let body = try await response.body.collect(upTo: 64 << 10)
    do throws(WireFormatError) {
      return try PushAnswer(body).outcome(of: range)
    } catch {
      throw remote.malformed("push", route.path, error, mayHaveRun: true)
    }
  }
}

/// Cuts an exported file into pages.
private struct ExportSource: ImageSource {
  let remote: Remote
  let path: String
  let body: ResponseBody
  private var reader = ExportReader()
  private var first: RemotePage?
  private var hasEnded = false

  init(remote: Remote, path: String, body: ResponseBody) {
    self.remote = remote
    self.path = path
    self.body = body
  }

  /// Reads page 1, which says how many there are.
  mutating func begin(contentLength: UInt64?) async throws(RemoteError) -> UInt32 {
    while true {
      if let page = try read() {
        first = page
        return try pageCount(in: page.bytes, contentLength)
      }
      guard let chunk = try await body.next() else {
        try end()
        return 0
      }
      reader.append(chunk)
    }
  }

  /// The number in the header, which is right when its version is that of the last change. The length of the file has to
  /// say the same.
  /// Source: https://www.sqlite.org/fileformat2.html#in_header_database_size
  private func pageCount(in header: [UInt8], _ contentLength: UInt64?) throws(RemoteError) -> UInt32 {
    func number(at offset: Int) -> UInt32 { header[offset..<(offset + 4)].reduce(0) { $0 << 8 | UInt32($1) } }
    let stated = number(at: 28)
    let isValid = stated > 0 && number(at: 24) == number(at: 92)
    guard let contentLength else {
      guard isValid else { throw failure("neither the file nor the answer says how many pages there are") }
      return stated
    }
    guard contentLength % UInt64(PageFormat.pageSize) == 0,
      let counted = UInt32(exactly: contentLength / UInt64(PageFormat.pageSize)), !isValid || counted == stated
    else { throw failure("the length of the file does not fit the number of pages in its header") }
    return counted
  }

  mutating func next() async throws(RemoteError) -> [RemotePage]? {
    var run: [RemotePage] = []
    if let first {
      run.append(first)
      self.first = nil
    }
    while run.count < ReplicationStream.runLengthMax, !hasEnded {
      if let page = try read() {
        run.append(page)
      } else if let chunk = try await body.next() {
        reader.append(chunk)
      } else {
        try end()
      }
    }
    return run.isEmpty ? nil : run
  }

  private mutating func read() throws(RemoteError) -> RemotePage? {
    do throws(WireFormatError) {
      return try reader.next().map { RemotePage(number: $0.number, bytes: $0.page) }
    } catch {
      throw remote.malformed("export", path, error, mayHaveRun: false)
    }
  }

  private mutating func end() throws(RemoteError) {
    hasEnded = true
    do throws(WireFormatError) {
      try reader.finish()
    } catch {
      throw remote.malformed("export", path, error, mayHaveRun: false)
    }
  }

  func failure(_ detail: String) -> RemoteError {
    RemoteError(.malformedResponse, "export", url: remote.url.description + path, detail: detail)
  }
}

/// Asks for range after range of frames until the server has no more.
private struct V2Source: ReplicationSource {
  private let remote: Remote
  private var cursor: PullCursor
  private var events = EventQueue()
  /// The answer that is being read.
  private var answer: (body: ResponseBody, reader: WALFrameReader, path: String)?
  private var hasEnded = false
  private let database: String?

  init(_ remote: Remote, from position: PullCursor.Position, database: String?) {
    self.remote = remote
    self.database = database
    cursor = PullCursor(from: position)
  }

  mutating func next() async throws(RemoteError) -> ReplicationEvent? {
    while true {
      if let event = events.take() { return event }
      if hasEnded { return nil }
      if answer != nil { try await read() } else { try await ask() }
    }
  }

  private mutating func ask() async throws(RemoteError) {
    let range: SyncRange
    do throws(WireFormatError) {
      range = try cursor.range()
    } catch {
      throw remote.malformed("pull", "", error, mayHaveRun: false)
    }
    let path = SyncRoute.pull(range).path
    let request = Remote.Request(operation: "pull", path: path, isRepeatable: true)
    // 409 is how `albergue-primary` says that it has not come so far.
    let response = try await remote.send(request) { [200, SyncEnd.statusCode, 409, 500].contains($0) }
    try remote.check(response.head, isOf: database, "pull", path)
    guard response.head.status != 409 else { throw remote.otherHistory("pull", path) }
    guard response.head.status != 200 else {
      answer = (response.body, WALFrameReader(), path)
      return
    }
    let body = try await response.body.collect(upTo: 64 << 10)
    let end: SyncEnd?
    do throws(WireFormatError) {
      end = try SyncEnd(statusCode: response.head.status, body)
    } catch {
      throw remote.malformed("pull", path, error, mayHaveRun: false)
    }
    if let end, isBehind(end) { throw remote.otherHistory("pull", path) }
    do throws(WireFormatError) {
      if let end { try finish(end) }
    } catch {
      throw remote.malformed("pull", path, error, mayHaveRun: false)
    }
    guard end != nil else {
      throw RemoteError(
        .serverFailure, "pull", url: remote.url.description + path, detail: "the server failed",
        status: response.head.status)
    }
  }

  /// Whether the server has not come as far as the replica.
  private func isBehind(_ end: SyncEnd) -> Bool {
    let committed = cursor.committed
    guard end.generation == committed.generation else { return end.generation < committed.generation }
    return end.lastFrame.map { $0 < committed.frame } ?? false
  }

  private mutating func finish(_ end: SyncEnd) throws(WireFormatError) {
    let hasPending = cursor.pendingFrameCount > 0
    switch try cursor.receive(end) {
    case .finished:
      if hasPending { events.append(.discard) }
      hasEnded = true
    case .nextGeneration: events.append(.moved(position))
    }
  }

  private var position: ReplicationPosition {
    .v2(generation: cursor.committed.generation, frame: cursor.committed.frame)
  }

  private mutating func read() async throws(RemoteError) {
    guard var answer else { return }
    let chunk = try await answer.body.next()
    if let chunk { answer.reader.append(chunk) }
    do throws(WireFormatError) {
      while let frame = try answer.reader.next() {
        events.append(RemotePage(number: frame.pageNumber, bytes: frame.page))
        if try cursor.receive(frame) != nil { events.append(.commit(position, pageCount: frame.sizeAfter)) }
      }
      if chunk == nil { try answer.reader.finish() }
    } catch {
      throw remote.malformed("pull", answer.path, error, mayHaveRun: false)
    }
    self.answer = chunk == nil ? nil : answer
    if chunk == nil { events.endRun() }
  }
}

extension Remote {
  /// Whether an answer of V2 is of the database that is meant, as far as the server says it.
  ///
  /// - Throws: ``RemoteError`` `.otherHistory`.
  fileprivate func check(
    _ head: ResponseHead, isOf database: String?, _ operation: String, _ path: String
  ) throws(RemoteError) {
    guard let database, let named = head.value(of: SyncInfo.databaseHeader), named != database else { return }
    throw otherHistory(operation, path)
  }

  /// The error for a server whose history is not that of the replica.
  func otherHistory(_ operation: String, _ path: String) -> RemoteError {
    RemoteError(
      .otherHistory, operation, url: url.description + path,
      detail: "the remote is another database than the replica's, or has gone back to an older state")
  }
}
