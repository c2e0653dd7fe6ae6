import EncryptionKeys
import Foundation
import LibSQLProtocol
import TestSupport
import Testing

@testable import LibSQLClient

@Suite("Hrana client", .serialized, .timeLimit(.minutes(20)))
struct HranaTests {
  private let server: TestServer
  private let remote: Remote
  private let client: HranaClient
  private let clock = RecordingClock()

  init() async throws {
    server = try await TestServer.start()
    remote = Remote(
      try RemoteURL(server.address), tokens: .none, transport: try Transport(), retries: clock.retries)
    client = HranaClient(remote)
  }

  private static let row = Hrana.StatementResult(
    columns: [Hrana.Column(name: "x")], rows: [[.integer(1)], [.text("é\0")]], affectedRowCount: 2, lastInsertRowID: -7)

  private func answer(_ results: [Hrana.StreamResponse], baton: String? = nil, base: String? = nil) -> TestServer.Answer
  {
    .init(message: Hrana.PipelineResponse(baton: baton, baseURL: base, results: results.map { .ok($0) }))
  }

  private func error(_ code: String, baton: String? = nil, count: Int = 2) -> TestServer.Answer {
    let failure = Hrana.StreamResult.error(Hrana.ProtocolError(message: "no such table: CANARY", code: code))
    return .init(
      message: Hrana.PipelineResponse(
        baton: baton, results: [failure] + Array(repeating: .ok(.close), count: count - 1)))
  }

  /// The server speaks version 3, and answers pipelines so.
  private func route(_ answers: TestServer.Answer...) async throws {
    try await server.route(["GET /v3": [.init()], "POST /v3/pipeline": answers])
  }

  private func statement(_ sql: String) -> Hrana.Statement { Hrana.Statement(.text(sql)) }

  private func pipelines() async throws -> [Hrana.PipelineRequest] {
    try await server.requests().filter { $0.path.hasSuffix("/pipeline") }.map {
      try Hrana.PipelineRequest(decoding: $0.body)
    }
  }

  // MARK: Versions

  @Test func versionThreeIsAskedForOnce() async throws {
    try await route(answer([.execute(Self.row), .close]))
    for _ in 0..<3 { #expect(try await client.execute(statement("SELECT 1")) == Self.row) }
    #expect(try await server.requests().map(\.path) == ["/v3"] + Array(repeating: "/v3/pipeline", count: 3))
  }

  @Test func aServerWithoutVersionThreeIsAskedInVersionTwo() async throws {
    try await server.route(["GET /v2": [.init()], "POST /v2/pipeline": [answer([.execute(Self.row), .close])]])
    #expect(try await client.execute(statement("SELECT 1")) == Self.row)
    #expect(try await client.version() == .two)
  }

  @Test(arguments: [500, 503, 401])
  func aServerThatCannotSayDecidesNothing(status: Int) async throws {
    try await server.route(["GET /v3": [.init(status)], "GET /v2": [.init()]])
    #expect(await remoteError { try await client.version() }?.status == status)
    try await server.route(["GET /v3": [.init()]])
    #expect(try await client.version() == .three)
  }

  // MARK: Statements

  @Test func aStatementThatFailsHasCodeAndMessage() async throws {
    try await route(error("SQLITE_CONSTRAINT"))
    let failure = try #require(await remoteError { try await client.execute(statement("INSERT")) })
    #expect(failure.code == .statement)
    #expect(failure.remoteCode == "SQLITE_CONSTRAINT")
    #expect(failure.remoteText?.text == "no such table: CANARY")
    #expect(!failure.mayHaveRun)
    #expect(!"\(failure)".contains("CANARY"))
  }

  @Test(arguments: ["", "{", "[]", #"{"baton":null,"base_url":null,"results":[]}"#, "<html>"])
  func anAnswerThatIsNoHranaMayHaveRun(text: String) async throws {
    try await route(.init(200, text: text))
    let failure = await remoteError { try await client.execute(statement("INSERT")) }
    #expect(failure?.code == .malformedResponse)
    #expect(failure?.code.exitCode == 76)
    #expect(failure?.mayHaveRun == true)
  }

  @Test func resultsOfAnotherTypeAreRefused() async throws {
    try await route(answer([.close, .execute(Self.row)]))
    #expect(await remoteError { try await client.execute(statement("INSERT")) }?.code == .malformedResponse)
  }

  @Test func aWriteIsSentOnceWhateverHappens() async throws {
    for framing in ["drop", "cut-length", "cut-chunked", "reset"] {
      try await route(
        answer([.execute(Self.row), .close]).changed { $0.framing = framing }, answer([.execute(Self.row), .close]))
      let count = try await pipelines().count
      let failure = await remoteError { try await client.execute(statement("INSERT")) }
      #expect(failure?.mayHaveRun == true, "\(framing)")
      #expect(try await pipelines().count == count + 1, "\(framing)")
    }
  }

  @Test func aReadIsSentAgainWhenItsAnswerIsLostOrCut() async throws {
    for framing in ["drop", "cut-length", "cut-chunked"] {
      try await route(
        answer([.execute(Self.row), .close]).changed { $0.framing = framing }, answer([.execute(Self.row), .close]))
      #expect(try await client.execute(statement("SELECT"), isRepeatable: true) == Self.row, "\(framing)")
    }
  }

  @Test func statementsRunInOneTransactionAndOneRequest() async throws {
    let results: [Hrana.StatementResult?] = [Self.row, Self.row, Self.row, Self.row, nil]
    let outcome = Hrana.BatchResult(stepResults: results, stepErrors: Array(repeating: nil, count: 5))
    try await route(answer([.batch(outcome), .close]))
    #expect(try await client.executeAtomically([statement("A"), statement("B")]).results.count == 2)
    guard case .batch(let batch)? = try await pipelines().first?.requests.first else {
      Issue.record("no batch")
      return
    }
    #expect(
      batch.steps.map(\.condition) == [
        nil, .ok(step: 0), .ok(step: 1), .ok(step: 2), .and([.ok(step: 0), .not(.ok(step: 3))]),
      ])
  }

  @Test func theFirstErrorOfATransactionIsTheOneThatIsThrown() async throws {
    let failure = Hrana.ProtocolError(message: "x", code: "SQLITE_BUSY")
    let outcome = Hrana.BatchResult(
      stepResults: [Self.row, nil, nil, Self.row], stepErrors: [nil, failure, nil, nil])
    try await route(answer([.batch(outcome), .close]))
    #expect(await remoteError { try await client.executeAtomically([statement("A")]) }?.remoteCode == "SQLITE_BUSY")
  }

  // MARK: Transactions

  private func steps(_ results: Hrana.StatementResult?...) -> Hrana.StreamResponse {
    .batch(Hrana.BatchResult(stepResults: results, stepErrors: results.map { _ in nil }))
  }

  @Test func aTransactionGoesOnWithItsBatons() async throws {
    try await route(
      answer([.execute(Self.row)], baton: "b1"), answer([steps(Self.row)], baton: "b2"),
      answer([steps(Self.row), .close]))
    let value = try await client.transaction { transaction in
      try await transaction.execute(self.statement("A")).rows.count
    }
    #expect(value.value == 2)
    let requests = try await pipelines()
    #expect(requests.map(\.baton) == [nil, "b1", "b2"])
    guard case .batch(let batch)? = requests[1].requests.first else { return #expect(Bool(false)) }
    #expect(batch.steps[0].condition == .not(.isAutocommit))
  }

  @Test func aTransactionThatThrowsIsRolledBack() async throws {
    try await route(answer([.execute(Self.row)], baton: "b1"), answer([.execute(Self.row), .close]))
    await #expect(throws: CancellationError.self) {
      try await client.transaction { _ in throw CancellationError() }
    }
    guard case .execute(let last)? = try await pipelines().last?.requests.first else { return #expect(Bool(false)) }
    #expect(last.sql == .text("ROLLBACK"))
  }

  @Test func aStatementAfterATransactionThatIsGoneDoesNotRun() async throws {
    try await route(answer([.execute(Self.row)], baton: "b1"), answer([steps(nil)], baton: "b2"))
    let failure = await remoteError {
      try await client.transaction { transaction in _ = try await transaction.execute(self.statement("A")) }
    }
    #expect(failure?.code == .transactionClosed)
    #expect(failure?.mayHaveRun == false)
  }

  @Test(arguments: [404, 400])
  func aBatonThatTheServerDoesNotKnowIsAnExpiredStream(status: Int) async throws {
    try await route(answer([.execute(Self.row)], baton: "b1"), .init(status, text: "gone"))
    let transaction = try await client.begin()
    let failure = await remoteError { try await transaction.execute(statement("A")) }
    #expect(failure?.code == .streamExpired)
    #expect(failure?.mayHaveRun == false)
    #expect(await remoteError { try await transaction.commit() }?.code == .streamExpired)
    try await transaction.rollback()
    #expect(try await pipelines().count == 2)
  }

  @Test func anExpiredStreamIsToldInEveryFormThatServersHave() async throws {
    let body = #"{"message":"The stream has expired","code":"STREAM_EXPIRED"}"#
    for gone in [TestServer.Answer(400, text: body), error("STREAM_EXPIRED", count: 1)] {
      try await route(answer([.execute(Self.row)], baton: "b1"), gone)
      let transaction = try await client.begin()
      #expect(await remoteError { try await transaction.execute(statement("A")) }?.code == .streamExpired)
    }
  }

  @Test func aCommitWhoseAnswerIsLostIsUnknownAndNotRepeated() async throws {
    try await route(
      answer([.execute(Self.row)], baton: "b1"), .init(framing: "drop"), answer([steps(Self.row), .close]))
    let transaction = try await client.begin()
    let failure = await remoteError { try await transaction.commit() }
    #expect(failure?.code == .connectionLost)
    #expect(failure?.mayHaveRun == true)
    #expect(try await pipelines().count == 2)
  }

  @Test func requestsOfOneTransactionTakeTurns() async throws {
    var answers = [answer([.execute(Self.row)], baton: "b0")]
    for number in 1...10 { answers.append(answer([steps(Self.row)], baton: "b\(number)")) }
    try await server.route(["GET /v3": [.init()], "POST /v3/pipeline": answers])
    let transaction = try await client.begin()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<10 { group.addTask { _ = try await transaction.execute(self.statement("A")) } }
      try await group.waitForAll()
    }
    #expect(try await pipelines().map(\.baton) == [nil] + (0..<10).map { "b\($0)" })
  }

  @Test func aBaseOfTheSameOriginIsUsedAndAnotherOneIsNot() async throws {
    try await server.route([
      "GET /v3": [.init()],
      "POST /v3/pipeline": [
        answer([.execute(Self.row)], baton: "b1", base: "\(server.address)/moved/"),
        answer([.execute(Self.row)], baton: "b1", base: "http://127.0.0.1:1/"),
      ],
      "POST /moved/v3/pipeline": [answer([steps(Self.row), .close])],
    ])
    try await client.begin().commit()
    #expect(try await server.requests().last?.path == "/moved/v3/pipeline")
    #expect(await remoteError { try await client.begin() }?.code == .foreignOrigin)
  }

  // MARK: Cursors

  private func lines(_ entries: [Hrana.CursorEntry], baton: String? = nil) -> [UInt8] {
    entries.reduce(into: Hrana.CursorResponse(baton: baton).encoded() + [10]) { $0 += $1.encoded() + [10] }
  }

  private func entries() async throws -> [Hrana.CursorEntry] {
    try await client.cursor(Hrana.Batch(steps: [])).reduce(into: []) { $0.append($1) }
  }

  private static let step: [Hrana.CursorEntry] = [
    .stepBegin(step: 0, columns: []), .row([.integer(1)]), .row([.null]),
    .stepEnd(affectedRowCount: 0, lastInsertRowID: nil),
  ]

  @Test func aCursorGivesItsEntriesAndLetsTheStreamGo() async throws {
    try await server.route([
      "GET /v3": [.init()], "POST /v3/cursor": [.init(200, lines(Self.step, baton: "b1"), framing: "chunked")],
      "POST /v3/pipeline": [answer([.close])],
    ])
    #expect(try await entries() == Self.step)
    #expect(try await pipelines().map(\.baton) == ["b1"])
  }

  @Test func aCursorOfManyRowsIsReadAsItComes() async throws {
    let rows = Array(repeating: Hrana.CursorEntry.row([.text(String(repeating: "x", count: 1000))]), count: 20_000)
    try await server.route([
      "GET /v3": [.init()],
      "POST /v3/cursor": [.init(200, lines([Self.step[0]] + rows + [Self.step[3]]), framing: "chunked")],
    ])
    var count = 0
    for try await entry in client.cursor(Hrana.Batch(steps: [])) { if case .row = entry { count += 1 } }
    #expect(count == 20_000)
  }

  @Test func aCursorThatIsCutAnywhereIsAnError() async throws {
    let body = lines(Self.step)
    for framing in ["cut-chunked", "cut-length"] {
      for cut in stride(from: 0, to: body.count, by: 7) {
        let answer = TestServer.Answer(200, body, framing: framing).changed { $0.cut_at = cut }
        try await server.route(["GET /v3": [.init()], "POST /v3/cursor": [answer]])
        #expect(await remoteError { try await entries() }?.code == .connectionLost, "\(framing) \(cut)")
      }
    }
  }

  @Test(arguments: [
    [Self.step[0]], [Self.step[1]], [Self.step[3]], [Self.step[0], Self.step[0]], [Self.step[0], Self.step[1]],
  ])
  func aCursorThatContradictsItselfIsAnError(entries: [Hrana.CursorEntry]) async throws {
    try await server.route(["GET /v3": [.init()], "POST /v3/cursor": [.init(200, lines(entries))]])
    #expect(await remoteError { try await self.entries() }?.code == .malformedResponse)
  }

  @Test func aCursorWithoutVersionThreeIsABatch() async throws {
    let result = Hrana.BatchResult(stepResults: [Self.row], stepErrors: [nil])
    try await server.route(["GET /v2": [.init()], "POST /v2/pipeline": [answer([.batch(result), .close])]])
    let batch = Hrana.Batch(steps: [Hrana.BatchStep(statement("SELECT 1"))])
    let entries = try await client.cursor(batch).reduce(into: []) { $0.append($1) }
    #expect(entries.count == 4)
  }

  // MARK: Pushes of changes

  @Test func aClientThatHasNeverPushedHasNoTracker() async throws {
    let failure = Hrana.StreamResult.error(
      Hrana.ProtocolError(message: "SQLite error: no such table: turso_sync_last_change_id", code: "SQLITE_UNKNOWN"))
    try await route(.init(message: Hrana.PipelineResponse(baton: nil, results: [failure, .ok(.close)])))
    #expect(try await ChangePush(client, clientID: "me").tracker() == nil)
  }

  @Test func aTrackerIsReadAndWrittenWithTheChanges() async throws {
    let found = Hrana.StatementResult(
      columns: [Hrana.Column(name: "a"), Hrana.Column(name: "b")], rows: [[.integer(3), .integer(41)]],
      affectedRowCount: 0, lastInsertRowID: nil)
    let outcome = Hrana.BatchResult(
      stepResults: [Self.row, Self.row, Self.row, Self.row, Self.row, nil], stepErrors: Array(repeating: nil, count: 6))
    try await route(answer([.execute(found), .close]), answer([.batch(outcome), .close]))
    let push = ChangePush(client, clientID: "me")
    #expect(try await push.tracker() == PushTracker(pullGeneration: 3, changeID: 41))
    #expect(
      try await push.push([statement("A")], tracker: PushTracker(pullGeneration: 3, changeID: 42)).results.count == 1)
  }
}
