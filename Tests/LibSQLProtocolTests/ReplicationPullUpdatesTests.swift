import Testing

@testable import LibSQLProtocol

/// `POST /pull-updates`, as pyturso speaks it.
@Suite("Pull updates")
struct ReplicationPullUpdatesTests {
  private func read(_ body: [UInt8]) throws -> (header: PullUpdatesHeader, pages: [PulledPage]) {
    var reader = PullUpdatesReader()
    reader.append(body)
    var pages: [PulledPage] = []
    while let event = try reader.next() {
      if case .page(let page) = event { pages.append(page) }
    }
    try reader.finish()
    return (try #require(reader.header), pages)
  }

  @Test func everyRecordedBodyIsWrittenAgainByteForByte() throws {
    var count = 0
    for exchange in try Vector.exchanges("turso") where exchange.path == PullUpdatesRequest.path {
      #expect(try ReplicationRoute(method: exchange.method, path: exchange.path) == .pullUpdates)
      #expect(try PullUpdatesRequest(exchange.request.body[...]).encoded == exchange.request.body)
      let (header, pages) = try read(exchange.response.body)
      let written = PullUpdatesWriter.part(header) + pages.flatMap { PullUpdatesWriter.part($0) }
      #expect(written == exchange.response.body)
      count += 1
    }
    #expect(count == 7)
  }

  @Test(arguments: [
    ("turso/bootstrap-pull-push", "[(1, 'one'), (2, 'two'), (10, 'local')]"),
    ("turso/chunked-bootstrap-encryption-key", "[(1, 'one')]"), ("turso/push-types-update-delete-ddl", "[(1, 'one')]"),
  ])
  func thePagesMakeTheDatabaseThatTheClientHad(name: String, rows: String) throws {
    var image = Image()
    for exchange in try Vector.load(name).exchanges where exchange.path == PullUpdatesRequest.path {
      let (header, pages) = try read(exchange.response.body)
      for page in pages { image.write(page.pageNumber, page.page) }
      image.resize(UInt32(header.pageCount))
      #expect(header.databaseProtocol == .pages)
    }
    #expect(try image.rows() == rows)
  }

  @Test func requestsSayWhatTheClientHasAndWants() throws {
    let pulls = try Vector.load("turso/bootstrap-pull-push").exchanges.filter { $0.path == PullUpdatesRequest.path }
    let requests = try pulls.map { try PullUpdatesRequest($0.request.body[...]) }
    #expect(requests.map(\.clientRevision) == ["", "3", "4", "4"])
    #expect(try pulls.map { try read($0.response.body).pages.count } == [2, 1, 0, 4])
    let chunks = try Vector.load("turso/chunked-bootstrap-encryption-key").exchanges
    let chunked = try chunks.map { try PullUpdatesRequest($0.request.body[...]) }
    #expect(chunked.map(\.pages) == [PageSet([0...0]), PageSet([1...1])])
    #expect(chunked.map(\.serverRevision) == ["", "3"])
    #expect(chunks.allSatisfy { $0.request.header(PullUpdatesRequest.encryptionKeyHeader) != nil })
  }

  @Test(
    arguments: [
      ("zstd", [0x0A, 0x01, 0x37, 0x22, 0x00]), ("a logical stream", [0x0A, 0x01, 0x37, 0x1A, 0x00, 0x28, 0x01]),
      ("another base", [0x0A, 0x01, 0x37, 0x1A, 0x00, 0x30, 0x01]),
      ("a logical log", [0x0A, 0x01, 0x37, 0x1A, 0x00, 0x3A, 0x00]),
    ] as [(String, [UInt8])])
  func whatOnlyTursosOwnDatabasesUnderstandIsRefused(what: String, header: [UInt8]) {
    let error = #expect(throws: WireFormatError.self) { try PullUpdatesHeader(header[...]) }
    #expect(error?.code == .unsupported, "\(what)")
  }

  @Test func aPageNeedsAnEncodingASizeAndAPlace() throws {
    let page = PullUpdatesWriter.part(PulledPage(pageNumber: 3, page: [UInt8](repeating: 7, count: 4096)))
    let header = PullUpdatesHeader(serverRevision: "r", pageCount: 3)
    #expect(try read(PullUpdatesWriter.part(header) + page).pages.map(\.pageNumber) == [3])
    let silent = PullUpdatesHeader(serverRevision: "r", pageCount: 3, pageEncoding: nil)
    #expect(throws: WireFormatError.self) { try read(PullUpdatesWriter.part(silent) + page) }
    let short = PullUpdatesHeader(serverRevision: "r", pageCount: 2)
    #expect(throws: WireFormatError.self) { try read(PullUpdatesWriter.part(short) + page) }
    let small = DelimitedMessageReader.frame([0x12, 0x02, 0x00, 0x00])
    #expect(throws: WireFormatError.self) { try read(PullUpdatesWriter.part(header) + small) }
    #expect(throws: WireFormatError.self) { try read([]) }
  }

  @Test func aBodyCutInsideAMessageIsTruncated() throws {
    let body = try #require(try Vector.load("turso/bootstrap-pull-push").exchanges.first).response.body
    let whole = [0, 10, 10 + 4101]
    for length in stride(from: 0, to: body.count, by: 13) where !whole.contains(length) {
      let error = #expect(throws: WireFormatError.self) { try read(Array(body[..<length])) }
      #expect(error?.code == .truncated)
    }
  }

  @Test func aPushGoesOnBehindWhatTheServerHas() throws {
    #expect(try PushTracker.lastPushedChange(remote: nil, pullGeneration: 4) == 0)
    let remote = PushTracker(pullGeneration: 4, changeID: 17)
    #expect(try PushTracker.lastPushedChange(remote: remote, pullGeneration: 4) == 17)
    #expect(try PushTracker.lastPushedChange(remote: remote, pullGeneration: 5) == 0)
    #expect(throws: WireFormatError.self) { try PushTracker.lastPushedChange(remote: remote, pullGeneration: 3) }
  }

  @Test func theTrackersTableIsTheOneThatClientsUse() throws {
    let pushes = try Vector.exchanges("turso").filter { $0.path == "/v2/pipeline" }
    let texts = pushes.flatMap { [$0.request.body, $0.response.body] }.map { String(decoding: $0, as: UTF8.self) }
    #expect(texts.contains { $0.contains(PushTracker.selectStatement) })
    #expect(texts.contains { PushTracker.isMissingTable(message: $0) })
    #expect(!PushTracker.isMissingTable(message: "no such table: t"))
  }
}
