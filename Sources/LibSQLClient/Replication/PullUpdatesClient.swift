internal import LibSQLProtocol

/// Replication by Turso's `POST /pull-updates`: the newest image of every page that has changed since a revision.
public struct PullUpdatesClient: Sendable {
  private let remote: Remote

  /// A client. Nothing is sent yet.
  public init(_ remote: Remote) { self.remote = remote }

  /// The whole database at the newest revision.
  ///
  /// - Parameter chunkPageCount: pages of one request; every later one is held to the revision of the first. Nil for one
  ///   request in all, which cannot be continued when it is cut.
  /// - Throws: ``RemoteError``; `.unsupportedProtocol` for a remote of another kind than pages.
  public func image(chunkPageCount: UInt32? = nil) async throws(RemoteError) -> RemoteImage {
    var source = PullUpdatesSource(remote, chunkPageCount: chunkPageCount.map { max($0, 1) })
    let header = try await source.begin()
    return RemoteImage(
      position: .pullUpdates(revision: header.serverRevision), pageCount: UInt32(header.pageCount), source: source)
  }

  /// What is missing of an image that was begun: the server has to have that revision still.
  ///
  /// - Parameters:
  ///   - missing: pages, from 1, ascending and without overlaps.
  ///   - chunkPageCount: pages of one request.
  /// - Throws: ``RemoteError``; `.configuration` for pages that the image does not have.
  public func image(
    continuing revision: String, pageCount: UInt32, missing: [ClosedRange<UInt32>], chunkPageCount: UInt32
  ) throws(RemoteError) -> RemoteImage {
    let ends = missing.map(\.upperBound)
    guard missing.allSatisfy({ $0.lowerBound > 0 && $0.upperBound <= pageCount }), ends == ends.sorted(),
      zip(missing.dropFirst(), ends).allSatisfy({ $0.lowerBound > $1 }), !revision.isEmpty
    else { throw RemoteError(.configuration, "pull", detail: "pages that the image does not have, or no revision") }
    let source = PullUpdatesSource(
      remote, continuing: revision, pageCount: pageCount, missing: missing, chunkPageCount: max(chunkPageCount, 1))
    return RemoteImage(
      position: .pullUpdates(revision: revision), pageCount: pageCount, source: source, missing: missing)
  }

  /// The changes since a revision: one transaction at most.
  ///
  /// - Parameter waiting: how long the server may wait for a change before it answers that there is none.
  public func pull(from revision: String, waiting: Duration = .zero) -> ReplicationStream {
    let remote = remote
    return ReplicationStream { PullUpdatesChanges(remote, revision: revision, waiting: waiting) }
  }
}

/// One request and the answer that is being read.
struct PullUpdatesAnswer: Sendable {
  let header: PullUpdatesHeader
  private let remote: Remote
  private let body: ResponseBody
  private var reader: PullUpdatesReader
  private var hasEnded = false

  /// Sends a request, and reads the header of the answer.
  static func open(_ remote: Remote, _ request: PullUpdatesRequest) async throws(RemoteError) -> PullUpdatesAnswer {
    var timeouts: TransportConfiguration.Timeouts?
    if request.longPollTimeout > 0 {
      var patient = TransportConfiguration.Timeouts()
      patient.response += .milliseconds(Int64(request.longPollTimeout))
      patient.idle += .milliseconds(Int64(request.longPollTimeout))
      timeouts = patient
    }
    let response = try await remote.send(
      Remote.Request(
        operation: "pull", method: .post, path: PullUpdatesRequest.path, contentType: PullUpdatesRequest.contentType,
        body: request.encoded, isRepeatable: true, timeouts: timeouts))
    var reader = PullUpdatesReader()
    while true {
      do throws(WireFormatError) {
        if case .header(let header)? = try reader.next() {
          return try PullUpdatesAnswer(checking: header, remote: remote, body: response.body, reader: reader)
        }
      } catch {
        throw Self.malformed(remote, error)
      }
      guard let chunk = try await response.body.next() else {
        do throws(WireFormatError) { try reader.finish() } catch { throw Self.malformed(remote, error) }
        throw Self.failure(remote, "an answer without a header")
      }
      reader.append(chunk)
    }
  }

  private init(
    checking header: PullUpdatesHeader, remote: Remote, body: ResponseBody, reader: PullUpdatesReader
  ) throws(WireFormatError) {
    self.header = header
    self.remote = remote
    self.body = body
    self.reader = reader
  }

  /// The next run of pages, nil at the end of the answer.
  mutating func next() async throws(RemoteError) -> [RemotePage]? {
    var run: [RemotePage] = []
    while run.count < ReplicationStream.runLengthMax, !hasEnded {
      do throws(WireFormatError) {
        while run.count < ReplicationStream.runLengthMax, case .page(let page)? = try reader.next() {
          run.append(RemotePage(number: page.pageNumber, bytes: page.page))
        }
      } catch {
        throw Self.malformed(remote, error)
      }
      guard run.count < ReplicationStream.runLengthMax else { break }
      if let chunk = try await body.next() {
        reader.append(chunk)
      } else {
        hasEnded = true
        do throws(WireFormatError) { try reader.finish() } catch { throw Self.malformed(remote, error) }
      }
    }
    return run.isEmpty ? nil : run
  }

  private static func malformed(_ remote: Remote, _ error: WireFormatError) -> RemoteError {
    guard error.code != .unsupported else {
      return RemoteError(
        .unsupportedProtocol, "pull", url: remote.url.description + PullUpdatesRequest.path, detail: "\(error)")
    }
    return remote.malformed("pull", PullUpdatesRequest.path, error, mayHaveRun: false)
  }

  static func failure(
    _ remote: Remote, _ detail: String, _ code: RemoteError.Code = .malformedResponse
  ) -> RemoteError {
    RemoteError(code, "pull", url: remote.url.description + PullUpdatesRequest.path, detail: detail)
  }

  /// A logical log instead of pages: a replica of pages would get nothing, and take that for everything.
  ///
  /// - Throws: ``RemoteError`` `.unsupportedProtocol`.
  func requirePages() throws(RemoteError) {
    guard header.databaseProtocol != .logicalLog else {
      throw Self.failure(remote, "the remote sends a logical log instead of pages", .unsupportedProtocol)
    }
  }
}

/// Asks for pages, in one request or in several of one revision.
private struct PullUpdatesSource: ImageSource {
  private let remote: Remote
  private var answer: PullUpdatesAnswer?
  private var revision = ""
  private var pageCount: UInt64 = 0
  /// What has not been asked for; pages count from 1.
  private var wanted: [ClosedRange<UInt32>]
  private let chunkPageCount: UInt32?

  /// Everything at the newest revision, which ``begin()`` asks for.
  init(_ remote: Remote, chunkPageCount: UInt32?) {
    self.remote = remote
    self.chunkPageCount = chunkPageCount
    wanted = [1...UInt32.max - 1]
  }

  init(
    _ remote: Remote, continuing revision: String, pageCount: UInt32, missing: [ClosedRange<UInt32>],
    chunkPageCount: UInt32
  ) {
    self.remote = remote
    self.revision = revision
    self.pageCount = UInt64(pageCount)
    self.chunkPageCount = chunkPageCount
    wanted = missing
  }

  mutating func begin() async throws(RemoteError) -> PullUpdatesHeader {
    let answer = try await ask()
    let header = answer.header
    try answer.requirePages()
    guard header.pageCount < UInt64(UInt32.max) else { throw failure("a database of too many pages") }
    (revision, pageCount) = (header.serverRevision, header.pageCount)
    // Only now is it known where the database ends.
    wanted = wanted.compactMap { range in
      UInt64(range.lowerBound) > pageCount ? nil : range.clamped(to: 1...UInt32(pageCount))
    }
    self.answer = answer
    return header
  }

  /// The next chunk, or everything.
  private mutating func ask() async throws(RemoteError) -> PullUpdatesAnswer {
    var request = PullUpdatesRequest()
    request.serverRevision = revision
    if let chunkPageCount {
      request.pages = PageSet(takeWanted(chunkPageCount).map { ($0.lowerBound - 1)...($0.upperBound - 1) })
    } else {
      wanted = []
    }
    return try await PullUpdatesAnswer.open(remote, request)
  }

  private mutating func takeWanted(_ count: UInt32) -> [ClosedRange<UInt32>] {
    var (taken, left): ([ClosedRange<UInt32>], UInt32) = ([], count)
    while left > 0, let range = wanted.first {
      let end = min(UInt64(range.upperBound), UInt64(range.lowerBound) + UInt64(left) - 1)
      let piece = range.lowerBound...UInt32(end)
      taken.append(piece)
      left -= UInt32(piece.count)
      wanted.removeFirst()
      if piece.upperBound < range.upperBound { wanted.insert(piece.upperBound + 1...range.upperBound, at: 0) }
    }
    return taken
  }

  mutating func next() async throws(RemoteError) -> [RemotePage]? {
    while true {
      if let run = try await answer?.next() { return run }
      answer = nil
      guard !wanted.isEmpty else { return nil }
      let next = try await ask()
      guard next.header.serverRevision == revision, next.header.pageCount == pageCount else {
        throw failure("a chunk of another revision or size than the one before: begin again")
      }
      answer = next
    }
  }

  func failure(_ detail: String) -> RemoteError { PullUpdatesAnswer.failure(remote, detail) }
}

/// Asks for the pages that have changed.
private struct PullUpdatesChanges: ReplicationSource {
  private let remote: Remote
  private let request: PullUpdatesRequest
  private var answer: PullUpdatesAnswer?
  private var hasPages = false
  private var hasEnded = false

  init(_ remote: Remote, revision: String, waiting: Duration) {
    self.remote = remote
    var request = PullUpdatesRequest()
    request.clientRevision = revision
    let milliseconds = waiting / .milliseconds(1)
    request.longPollTimeout = milliseconds >= 1 ? UInt32(min(milliseconds, 3_600_000)) : 0
    self.request = request
  }

  mutating func next() async throws(RemoteError) -> ReplicationEvent? {
    if hasEnded { return nil }
    if answer == nil {
      let answer = try await PullUpdatesAnswer.open(remote, request)
      try answer.requirePages()
      self.answer = answer
    }
    if let run = try await answer?.next() {
      hasPages = true
      return .pages(run)
    }
    hasEnded = true
    guard let header = answer?.header else { return nil }
    let position = ReplicationPosition.pullUpdates(revision: header.serverRevision)
    if hasPages { return .commit(position, pageCount: UInt32(clamping: header.pageCount)) }
    return header.serverRevision == request.clientRevision ? nil : .moved(position)
  }
}
