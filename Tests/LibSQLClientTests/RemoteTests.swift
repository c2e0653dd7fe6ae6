import EncryptionKeys
import Foundation
import Logging
import TestSupport
import Testing

@testable import LibSQLClient

@Suite("Remote", .serialized, .timeLimit(.minutes(20)))
struct RemoteTests {
  private let transport: Transport
  private let server: TestServer
  private let clock = RecordingClock()
  private static let customerKey = "Q0FOQVJZQ0FOQVJZQ0FOQVJZ"

  init() async throws {
    transport = try Transport()
    server = try await TestServer.start()
  }

  private func remote(
    token: String = "CANARY-TOKEN", customerKey: String? = nil, logger: Logger? = nil
  ) throws -> Remote {
    Remote(
      try RemoteURL(server.address), tokens: try TokenSource(SecretBytes(copying: token.utf8)),
      customerKey: try customerKey.map { try CustomerKey(SecretBytes(copying: $0.utf8)) }, transport: transport,
      retries: clock.retries, logger: logger)
  }

  private func get(_ path: String) -> Remote.Request {
    Remote.Request(operation: "test", path: path, isRepeatable: true)
  }

  private func post(_ path: String, isRepeatable: Bool = false) -> Remote.Request {
    Remote.Request(operation: "test", method: .post, path: path, body: [1, 2, 3], isRepeatable: isRepeatable)
  }

  @Test func tokenAndKeyAreSent() async throws {
    try await server.route(["GET /x": [.init()]])
    _ = try await remote(customerKey: Self.customerKey).send(get("/x"))
    let seen = try #require(try await server.requests().first)
    #expect(seen.header("authorization") == "Bearer CANARY-TOKEN")
    #expect(seen.header("x-turso-encryption-key") == Self.customerKey)
    #expect(seen.header("accept-encoding") == nil)
  }

  // MARK: Tokens

  @Test func aTokenIsReadAgainAfterARefusalOnce() async throws {
    let folder = try TemporaryDirectory()
    func write(_ token: String) throws {
      try Bytes.write(Data(token.utf8), to: folder.file("token"))
      try Bytes.setMode(folder.file("token"), 0o600)
    }
    try write("old")
    let remote = Remote(
      try RemoteURL(server.address), tokens: TokenSource(file: folder.file("token")), transport: transport,
      retries: clock.retries)
    let answer = TestServer.Answer(200, text: "x").changed { $0.require_authorization = "Bearer new" }
    try await server.route(["POST /x": [answer]])
    #expect(await remoteError { try await remote.send(post("/x")) }?.code == .unauthorized)
    try write("new")
    #expect(try await remote.send(post("/x")).head.status == 200)
    try write("wrong")
    #expect(try await remote.send(post("/x")).head.status == 200)
    let sent = try await server.requests().map { $0.header("authorization") }
    #expect(sent == ["Bearer old", "Bearer old", "Bearer new", "Bearer new"])
  }

  // MARK: Redirects

  @Test(arguments: [301, 302, 303, 307, 308])
  func aRedirectWithinTheOriginIsFollowed(status: Int) async throws {
    try await server.route([
      "GET /a": [.init(status, headers: [["location", "/b"]])],
      "GET /b": [.init(status, headers: [["location", "\(server.address)/c"]])], "GET /c": [.init(200, text: "x")],
    ])
    #expect(try await remote().send(get("/a")).head.status == 200)
    #expect(try await server.requests().allSatisfy { $0.header("authorization") == "Bearer CANARY-TOKEN" })
  }

  @Test func aRedirectToAnotherOriginIsNotFollowed() async throws {
    let other = try await TestServer.start()
    try await other.route(["GET /x": [.init()], "POST /x": [.init()]])
    try await server.route([
      "GET /a": [.init(307, headers: [["location", "\(other.address)/x"]])],
      "POST /a": [.init(308, headers: [["location", "http://localhost:\(server.port)/x"]])],
    ])
    let remote = try remote(customerKey: Self.customerKey)
    #expect(await remoteError { try await remote.send(get("/a")) }?.code == .foreignOrigin)
    #expect(await remoteError { try await remote.send(post("/a")) }?.code == .foreignOrigin)
    #expect(try await other.requests().isEmpty)
    #expect(try await server.requests().count == 2)
  }

  @Test func redirectsInACircleEnd() async throws {
    try await server.route(["GET /a": [.init(302, headers: [["location", "/a"]])]])
    #expect(await remoteError { try await remote().send(get("/a")) }?.code == .refused)
    #expect(try await server.requests().count == 6)
  }

  @Test func aRedirectThatWouldDropTheBodyIsRefused() async throws {
    try await server.route(["POST /a": [.init(302, headers: [["location", "/b"]])]])
    #expect(await remoteError { try await remote().send(post("/a")) }?.code == .refused)
  }

  // MARK: Repetition

  @Test func aReadIsSentAgainAfterPassingFailures() async throws {
    try await server.route(["GET /x": [.init(503), .init(502), .init(504), .init(200, text: "x")]])
    #expect(try await remote().send(get("/x")).head.status == 200)
    #expect(clock.pauses == [.milliseconds(200), .milliseconds(400), .milliseconds(800)])
  }

  @Test func aReadIsSentAgainWhenItsAnswerIsLost() async throws {
    try await server.route(["GET /x": [.init(framing: "drop"), .init(200, text: "x")]])
    #expect(try await remote().send(get("/x")).head.status == 200)
    #expect(clock.pauses == [.milliseconds(200)])
  }

  @Test func attemptsEnd() async throws {
    try await server.route(["GET /x": [.init(503)]])
    let error = await remoteError { try await remote().send(get("/x")) }
    #expect(error?.code == .unavailable)
    #expect(error?.code.exitCode == 69)
    #expect(try await server.requests().count == 4)
  }

  @Test func theServerSaysHowLongToWait() async throws {
    try await server.route([
      "GET /x": [.init(429, headers: [["retry-after", "7"]]), .init(200)],
      "GET /y": [.init(503, headers: [["retry-after", "3600"]])],
    ])
    _ = try await remote().send(get("/x"))
    #expect(clock.pauses == [.seconds(7)])
    let error = await remoteError { try await remote().send(get("/y")) }
    #expect(error?.retryAfter == .seconds(3600))
    #expect(try await server.requests().filter { $0.path == "/y" }.count == 1)
  }

  @Test(arguments: [429, 500, 502, 503, 504, 408])
  func aWriteIsNotSentAgainWhateverTheStatus(status: Int) async throws {
    try await server.route(["POST /x": [.init(status, headers: [["retry-after", "1"]])]])
    let error = await remoteError { try await remote().send(post("/x")) }
    #expect(error?.status == status)
    #expect(error?.mayHaveRun == (status != 429))
    #expect(try await server.requests().count == 1)
    #expect(clock.pauses.isEmpty)
  }

  @Test func aWriteWhoseAnswerIsLostIsNotSentAgain() async throws {
    try await server.route(["POST /x": [.init(framing: "drop")], "POST /y": [.init(framing: "reset")]])
    for path in ["/x", "/y"] {
      let error = await remoteError {
        try await remote().send(post(path)).body.collect(upTo: 10)
      }
      #expect(error == nil || error?.mayHaveRun == true)
      #expect(try await server.requests().filter { $0.path == path }.count == 1)
    }
  }

  @Test func aWriteToAServerThatIsNotThereIsTriedAgain() async throws {
    let port = try await TestServer.unusedPort()
    let remote = Remote(
      try RemoteURL("http://127.0.0.1:\(port)"), tokens: .none, transport: transport, retries: clock.retries)
    let error = await remoteError { try await remote.send(post("/x")) }
    #expect(error?.code == .unreachable)
    #expect(error?.mayHaveRun == false)
    #expect(clock.pauses.count == 3)
  }

  @Test(arguments: [
    (401, RemoteError.Code.unauthorized, Int32(77)), (403, .forbidden, 77), (404, .notFound, 66),
    (429, .rateLimited, 75),
    (500, .serverFailure, 69), (503, .unavailable, 69), (400, .refused, 76), (204, .malformedResponse, 76),
  ])
  func aStatusHasItsKind(status: Int, code: RemoteError.Code, exitCode: Int32) async throws {
    try await server.route(["POST /x": [.init(status)]])
    let error = await remoteError { try await remote().send(post("/x")) }
    #expect(error?.code == code)
    #expect(error?.code.exitCode == exitCode)
  }

  // MARK: Secrecy

  @Test func noErrorAndNoLogLineHoldsTokenOrKey() async throws {
    let lines = Locked<[String]>([])
    var logger = Logger(label: "test") { _ in LineLog(lines: lines) }
    logger.logLevel = .trace
    let remote = try remote(customerKey: Self.customerKey, logger: logger)
    let echo = "\(Self.customerKey) and Bearer CANARY-TOKEN"
    let location = [["location", "http://CANARY-TOKEN.example/CANARY-TOKEN"]]
    try await server.route([
      "POST /400": [.init(400, text: echo)], "POST /500": [.init(500, text: echo)],
      "POST /401": [.init(401, text: echo)],
      "POST /json": [.init(400, text: #"{"message":"CANARY-TOKEN \#(Self.customerKey)","code":"CANARY-TOKEN"}"#)],
      "POST /307": [.init(307, headers: location)], "POST /head": [.init(200, headers: [["content-encoding", echo]])],
      "POST /cut": [.init(framing: "drop")], "POST /q": [.init(503)],
    ])
    var shown: [String] = []
    for path in ["/400", "/500", "/401", "/json", "/307", "/head", "/cut", "/q?CANARY-TOKEN", "/none"] {
      let error = try #require(await remoteError { try await remote.send(post(path)) })
      var dumped = ""
      dump(error, to: &dumped)
      dump([error], to: &dumped)
      shown += ["\(error)", String(reflecting: error), dumped, error.hint ?? "", error.remoteText?.text ?? ""]
      shown.append("\(Optional(error) as Any)")
    }
    dump(remote, to: &shown[0])
    let logged = lines.withLock { $0 }
    #expect(logged.count > 5)
    for text in shown + logged {
      #expect(!text.contains("CANARY-TOKEN"), "\(text)")
      #expect(!text.contains(Self.customerKey), "\(text)")
    }
  }

  @Test func whatTheRemoteSaysIsNotInTheDescription() async throws {
    try await server.route(["POST /x": [.init(400, text: #"{"message":"row CANARY","code":"SQLITE_CONSTRAINT"}"#)]])
    let error = try #require(await remoteError { try await remote().send(post("/x")) })
    var dumped = ""
    dump(error, to: &dumped)
    #expect(error.remoteText?.text == "row CANARY")
    #expect(error.remoteCode == "SQLITE_CONSTRAINT")
    #expect(!"\(error)\(dumped)\(String(reflecting: error))".contains("CANARY"))
  }
}

/// Keeps what is logged.
private struct LineLog: LogHandler {
  let lines: Locked<[String]>
  var logLevel = Logger.Level.trace
  var metadata = Logger.Metadata()
  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    let line = "\(event.message) \(event.metadata ?? [:])"
    lines.withLock { $0.append(line) }
  }
}
