import EncryptionKeys
import Foundation
import LibSQLProtocol
import TestSupport
import Testing

@testable import LibSQLClient

@Suite("Replication clients", .serialized, .timeLimit(.minutes(20)))
struct ReplicationTests {
  private let server: TestServer
  private let remote: Remote
  private let clock = RecordingClock()

  init() async throws {
    server = try await TestServer.start()
    remote = Remote(
      try RemoteURL(server.address), tokens: .none, transport: try Transport(), retries: clock.retries)
  }

  // MARK: Recorded exchanges

  @Test(arguments: ["v2/generation-roll", "v2/bootstrap-pull-remote-write", "v2/aiolibsql-bootstrap-pull"])
  func recordedAnswersOfV2MakeTheDatabaseThatTheClientSaw(name: String) async throws {
    let recording = try Recording(name)
    try await server.route(recording.routes)
    let client = V2Client(remote)
    let generation = try await client.currentGeneration()
    var replica = Replica()
    try await replica.fill(client.image(generation: generation))
    try await replica.apply(client.pull(generation: generation, frame: 0))
    // The recorded client has asked again after writes; so do we, until the answers are used up.
    for _ in 0..<6 {
      guard case .v2(let generation, let frame)? = replica.position else { break }
      try await replica.apply(client.pull(generation: generation, frame: frame))
    }
    #expect(try await replica.rows() == recording.lastRows)
  }

  @Test(arguments: [
    "v1/sync-incremental", "v1/need-snapshot", "v1/need-snapshot-trailer-status", "v1/transaction-split-over-batches",
    "v1/session-changed-no-hello", "v1/compacted-log-gaps",
  ])
  func recordedAnswersOfV1MakeASoundDatabase(name: String) async throws {
    try await server.route(try Recording(name).routes)
    let client = V1Client(remote)
    var replica = Replica()
    try await replica.apply(client.pull(from: nil))
    for _ in 0..<2 {
      guard case .v1(let logID, let frame)? = replica.position else { break }
      try await replica.apply(client.pull(from: (logID, frame)))
    }
    #expect(try await replica.check() == "ok")
  }

  @Test func recordedAnswersOfPullUpdatesMakeTheDatabaseThatTheClientSaw() async throws {
    try await server.route(try Recording("turso/bootstrap-pull-push").routes)
    let client = PullUpdatesClient(remote)
    var replica = Replica()
    try await replica.fill(client.image())
    for _ in 0..<3 {
      guard case .pullUpdates(let revision)? = replica.position else { break }
      try await replica.apply(client.pull(from: revision))
    }
    #expect(try await replica.rows() == "1|one\n2|two\n10|local\n")
  }

  @Test func aRecordedBootstrapInChunksIsAskedForInTheSameBytes() async throws {
    let recording = try Recording("turso/chunked-bootstrap-encryption-key")
    try await server.route(recording.routes)
    var replica = Replica()
    try await replica.fill(PullUpdatesClient(remote).image(chunkPageCount: 1))
    #expect(try await replica.rows() == "1|one\n")
    #expect(try await server.requests().map(\.body) == recording.exchanges.map { [UInt8]($0.request.body_base64) })
  }

  // MARK: V2

  private static func page(_ number: UInt32, of count: UInt32 = 3) -> [UInt8] {
    var page = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 4096)
    guard number == 1 else { return page }
    page.replaceSubrange(0..<16, with: Array("SQLite format 3\0".utf8))
    page.replaceSubrange(16..<18, with: [0x10, 0])
    for offset in [24, 92] { page.replaceSubrange(offset..<(offset + 4), with: [0, 0, 0, 9]) }
    page.replaceSubrange(28..<32, with: [0, 0, 0, UInt8(count)])
    return page
  }

  @Test func anExportOfManyPagesComesInRuns() async throws {
    let pages = (1...200).flatMap { Self.page(UInt32($0), of: 200) }
    try await server.route(["GET /export/7": [.init(200, pages, framing: "chunked")]])
    let image = try await V2Client(remote).image(generation: 7)
    #expect(image.pageCount == 200)
    #expect(image.position == .v2(generation: 7, frame: 0))
    let runs = try await image.reduce(into: []) { $0.append($1) }
    #expect(runs.allSatisfy { $0.count <= ReplicationStream.runLengthMax })
    #expect(runs.joined().map(\.number) == Array(1...200))
  }

  @Test(arguments: ["cut-length", "cut-chunked", "reset"], [0, 1, 4096, 8192, 10_000])
  func anExportThatIsCutIsAnError(framing: String, cut: Int) async throws {
    let body = (1...3).flatMap { Self.page(UInt32($0)) }
    try await server.route([
      "GET /export/1": [TestServer.Answer(200, body, framing: framing).changed { $0.cut_at = cut }]
    ])
    let error = await remoteError {
      var replica = Replica()
      try await replica.fill(V2Client(remote).image(generation: 1))
    }
    #expect(error?.code == .connectionLost, "\(String(describing: error))")
  }

  @Test(arguments: [2, 4])
  func anExportOfAnotherSizeThanItsHeaderSaysIsAnError(count: UInt32) async throws {
    let body = (1...3).flatMap { Self.page(UInt32($0), of: count) }
    for framing in ["length", "chunked"] {
      try await server.route(["GET /export/1": [.init(200, body, framing: framing)]])
      let error = await remoteError {
        var replica = Replica()
        try await replica.fill(V2Client(remote).image(generation: 1))
      }
      #expect(error?.code == .malformedResponse)
    }
  }

  @Test func anEmptyExportIsAnEmptyDatabase() async throws {
    try await server.route(["GET /export/1": [.init()]])
    let image = try await V2Client(remote).image(generation: 1)
    #expect(image.pageCount == 0)
    #expect(try await image.reduce(into: 0) { $0 += $1.count } == 0)
  }

  private static func frames(_ numbers: [(page: UInt32, sizeAfter: UInt32)]) -> [UInt8] {
    numbers.flatMap { WALFrame(pageNumber: $0.page, sizeAfter: $0.sizeAfter, page: page($0.page)).bytes }
  }

  private static func end(_ generation: Int) -> TestServer.Answer {
    .init(400, text: #"{"generation":\#(generation)}"#)
  }

  @Test func transactionsOfAPullEndWhereTheRemotesDo() async throws {
    try await server.route([
      "GET /sync/1/1/129": [.init(200, Self.frames([(1, 0), (2, 2), (3, 3), (1, 0)]))],
      "GET /sync/1/5/133": [.init(200, Self.frames([(2, 3)]))], "GET /sync/1/6/134": [Self.end(2)],
      "GET /sync/2/1/129": [.init(200, Self.frames([(1, 0)]))], "GET /sync/2/2/130": [Self.end(2)],
    ])
    var events: [String] = []
    for try await event in V2Client(remote).pull(generation: 1, frame: 0) {
      switch event {
      case .pages(let pages): events.append("\(pages.map(\.number))")
      case .commit(.v2(let generation, let frame), let count): events.append("commit \(generation) \(frame) \(count)")
      case .moved(.v2(let generation, let frame)): events.append("moved \(generation) \(frame)")
      default: events.append("\(event)")
      }
    }
    #expect(
      events == [
        "[1, 2]", "commit 1 2 2", "[3]", "commit 1 3 3", "[1]", "[2]", "commit 1 5 3", "moved 2 0", "[1]", "discard",
      ])
  }

  @Test func aFailureOfTheServerIsNotTheEndOfTheLog() async throws {
    for answer in [TestServer.Answer(500), .init(500, text: "{}"), .init(503), .init(404), .init(204), .init(200)] {
      try await server.route(["GET /sync/1/1/129": [answer]])
      let error = await remoteError {
        try await V2Client(remote).pull(generation: 1, frame: 0).reduce(0) { count, _ in count + 1 }
      }
      #expect(error != nil, "\(answer.status)")
    }
  }

  @Test(arguments: [1, 4119, 4120, 5000])
  func framesThatAreCutAreAnErrorAndCommitNothingThatIsNotThere(cut: Int) async throws {
    let body = Self.frames([(1, 1), (2, 2), (3, 3)])
    let answer = TestServer.Answer(200, body, framing: "cut-chunked").changed { $0.cut_at = cut }
    try await server.route(["GET /sync/1/1/129": [answer]])
    var replica = Replica()
    let error = await remoteError { try await replica.apply(V2Client(remote).pull(generation: 1, frame: 0)) }
    #expect(error?.code == .connectionLost)
    #expect(replica.position == (cut >= 4120 ? .v2(generation: 1, frame: 1) : nil))
  }

  @Test func aPushIsSentOnceAndItsAnswerUnderstood() async throws {
    let frame = WALFrame(pageNumber: 1, sizeAfter: 1, page: Self.page(1))
    try await server.route([
      "POST /sync/1/4/5": [
        .init(200, text: #"{"status":"ok","generation":1,"max_frame_no":4,"baton":"B"}"#), .init(framing: "drop"),
      ],
      "POST /sync/1/4/5/B": [.init(200, text: #"{"status":"conflict","generation":1,"max_frame_no":7}"#)],
    ])
    let client = V2Client(remote)
    #expect(try await client.push([frame], generation: 1, first: 4) == .stored(generation: 1, baton: "B"))
    #expect(try await client.push([frame], generation: 1, first: 4, baton: "B") == .conflict(lastFrame: 7))
    let error = await remoteError { try await client.push([frame], generation: 1, first: 4) }
    #expect(error?.mayHaveRun == true)
    #expect(try await server.requests().count == 3)
    #expect(await remoteError { try await client.push([], generation: 1, first: 4) }?.code == .configuration)
    #expect(
      await remoteError { try await client.push([frame], generation: 1, first: 4, baton: "/x") }?.code == .configuration
    )
  }

  // MARK: pull-updates

  private static func updates(
    _ pages: [UInt32], revision: String = "r1", count: UInt64 = 3, speaks: PullUpdatesHeader.DatabaseProtocol = .pages
  ) -> [UInt8] {
    let header = PullUpdatesHeader(serverRevision: revision, pageCount: count, databaseProtocol: speaks)
    return pages.reduce(into: PullUpdatesWriter.part(header)) {
      $0 += PullUpdatesWriter.part(PulledPage(pageNumber: $1, page: page($1)))
    }
  }

  private func fill(_ chunk: UInt32? = nil) async -> RemoteError? {
    await remoteError {
      var replica = Replica()
      try await replica.fill(PullUpdatesClient(remote).image(chunkPageCount: chunk))
    }
  }

  @Test func aBootstrapThatLeavesAPageOutIsAnError() async throws {
    try await server.route(["POST /pull-updates": [.init(200, Self.updates([1, 3]))]])
    let error = await fill()
    #expect(error?.code == .malformedResponse)
    #expect("\(try #require(error))".contains("1 of 3 pages did not come, the first is 2"))
  }

  @Test func aBootstrapWhoseRevisionChangesIsAnError() async throws {
    try await server.route([
      "POST /pull-updates": [.init(200, Self.updates([1, 2])), .init(200, Self.updates([3], revision: "r2"))]
    ])
    #expect(await fill(2)?.code == .malformedResponse)
    try await server.route([
      "POST /pull-updates": [.init(200, Self.updates([1, 2])), .init(200, Self.updates([3], count: 4))]
    ])
    #expect(await fill(2)?.code == .malformedResponse)
  }

  @Test func aRemoteWithALogicalLogIsRefused() async throws {
    try await server.route(["POST /pull-updates": [.init(200, Self.updates([], count: 0, speaks: .logicalLog))]])
    #expect(await fill()?.code == .unsupportedProtocol)
    let pull = PullUpdatesClient(remote).pull(from: "r0")
    #expect(await remoteError { try await pull.reduce(0) { count, _ in count + 1 } }?.code == .unsupportedProtocol)
  }

  @Test func updatesThatAreCutBetweenPagesAreAnError() async throws {
    let body = Self.updates([1, 2, 3])
    let cut = Self.updates([1, 2]).count
    for framing in ["cut-length", "cut-chunked"] {
      try await server.route([
        "POST /pull-updates": [TestServer.Answer(200, body, framing: framing).changed { $0.cut_at = cut }]
      ])
      var replica = Replica()
      let error = await remoteError { try await replica.apply(PullUpdatesClient(remote).pull(from: "r0")) }
      #expect(error?.code == .connectionLost)
      #expect(replica.position == nil)
    }
  }

  @Test func aBootstrapGoesOnWithWhatIsMissing() async throws {
    try await server.route([
      "POST /pull-updates": [.init(200, Self.updates([2, 3], count: 9)), .init(200, Self.updates([7], count: 9))]
    ])
    let image = try PullUpdatesClient(remote).image(
      continuing: "r1", pageCount: 9, missing: [2...3, 7...7], chunkPageCount: 2)
    #expect(try await image.reduce(into: []) { $0 += $1.map(\.number) } == [2, 3, 7])
    let asked = try await server.requests().map { try PullUpdatesRequest($0.body[...]) }
    #expect(asked.map(\.serverRevision) == ["r1", "r1"])
    #expect(asked.map { $0.pages?.ranges } == [[1...2], [6...6]])
  }

  // MARK: V1

  @Test(arguments: [
    ("v1/hello-unauthenticated", RemoteError.Code.unauthorized), ("v1/namespace-doesnt-exist", .notFound),
  ])
  func aHelloThatIsRefusedSaysWhy(name: String, code: RemoteError.Code) async throws {
    try await server.route(try Recording(name).routes)
    #expect(await remoteError { try await V1Client(remote).hello() }?.code == code)
  }

  @Test func anotherLogEmptiesTheReplica() async throws {
    try await server.route(try Recording("v1/sync-incremental").routes)
    let pull = V1Client(remote).pull(from: ("11111111-2222-3333-4444-555555555556", 7))
    var events: [ReplicationEvent] = []
    for try await event in pull { events.append(event) }
    #expect(events.first == .reset)
    let commitCount = events.count { if case .commit = $0 { true } else { false } }
    #expect(commitCount > 0)
  }

  // MARK: Which protocol

  private static let hello = TestServer.Answer(
    200,
    GRPCWeb.response(messages: [
      HelloResponse(
        logID: "11111111-2222-3333-4444-555555555555", sessionToken: "11111111-2222-3333-4444-555555555555",
        currentReplicationIndex: nil
      ).encoded
    ]))
  private static let helloPath = "POST \(ReplicationMethod.hello.rawValue)"

  @Test func theProtocolIsTheFirstThatTheServerHas() async throws {
    let probe = ProtocolProbe(remote)
    #expect(await remoteError { try await probe.replicationProtocol() }?.code == .unsupportedProtocol)
    try await server.route(["POST /pull-updates": [.init(200, Self.updates([1]))]])
    #expect(try await probe.replicationProtocol() == .pullUpdates)
    try await server.route([Self.helloPath: [Self.hello]])
    #expect(try await probe.replicationProtocol() == .v1)
    try await server.route(["GET /info": [.init(200, text: #"{"current_generation":1}"#)]])
    #expect(try await probe.replicationProtocol() == .v2)
  }

  @Test(arguments: [401, 403, 408, 429, 500, 502, 503, 504])
  func aFailureThatPassesDoesNotChangeTheProtocol(status: Int) async throws {
    try await server.route(["GET /info": [.init(status)], Self.helloPath: [Self.hello]])
    #expect(await remoteError { try await ProtocolProbe(remote).replicationProtocol() }?.status == status)
    try await server.route(["GET /info": [.init(404)], Self.helloPath: [.init(status)]])
    #expect(await remoteError { try await ProtocolProbe(remote).replicationProtocol() }?.status == status)
    let once = Remote(try RemoteURL(server.address), tokens: .none, transport: try Transport(), retries: .once)
    try await server.route(["GET /info": [.init(framing: "drop")]])
    #expect(await remoteError { try await ProtocolProbe(once).replicationProtocol() }?.code == .connectionLost)
  }
}
