import Foundation
import TestSupport
import Testing

@testable import LibSQLClient

@Suite("Transport", .serialized, .timeLimit(.minutes(20)))
struct TransportTests {
  private let transport: Transport
  private let server: TestServer

  init() async throws {
    transport = try Transport()
    server = try await TestServer.start()
  }

  private static let pattern = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 7) }

  @Test(arguments: ["length", "chunked"])
  func aBodyArrivesWhole(framing: String) async throws {
    let answer = TestServer.Answer(200, Self.pattern, framing: framing).changed { $0.times = 3000 }
    try await server.route(["GET /": [answer]])
    let response = try await transport.send(.get(server, "/"))
    let body = try await response.body.collect(upTo: 4_000_000)
    #expect(body.count == 3_000_000)
    #expect(body.elementsEqual((0..<3000).lazy.flatMap { _ in Self.pattern }))
  }

  @Test func aRequestCarriesItsBodyAndNothingThatNobodyAskedFor() async throws {
    try await server.route(["POST /": [.init()]])
    let body = [UInt8](repeating: 7, count: 3_000_000)
    _ = try await transport.send(.post(server, "/", body))
    let seen = try #require(try await server.requests().first)
    #expect(seen.body == body)
    #expect(Set(seen.headers.map { $0[0] }) == ["host", "content-length"])
  }

  @Test func connectionsAreKeptAndReused() async throws {
    try await server.route(["GET /": [.init(200, text: "x")]])
    for _ in 0..<20 { _ = try await transport.send(.get(server, "/")).body.collect(upTo: 10) }
    let requests = try await server.requests()
    #expect(requests.count == 20)
    #expect(Set(requests.map(\.connection)).count == 1)
  }

  @Test func requestsRunBesideEachOther() async throws {
    try await server.route(["GET /silent": [.init(framing: "silence")], "GET /": [.init(200, text: "x")]])
    let silent = Task { [transport, server] in try await transport.send(.get(server, "/silent")) }
    try await withThrowingTaskGroup(of: Int.self) { group in
      for _ in 0..<30 {
        group.addTask { [transport, server] in try await transport.send(.get(server, "/")).head.status }
      }
      for try await status in group { #expect(status == 200) }
    }
    silent.cancel()
    #expect(await remoteError { try await silent.value }?.code == .cancelled)
  }

  // MARK: Cut and broken answers

  @Test(arguments: ["cut-length", "cut-chunked", "reset"], [0, 1, 499, 999])
  func aBodyThatIsCutIsAnError(framing: String, cut: Int) async throws {
    let answer = TestServer.Answer(200, Self.pattern, framing: framing).changed { $0.cut_at = cut }
    try await server.route(["GET /": [answer]])
    let error = await remoteError { [transport, server] in
      try await transport.send(.get(server, "/")).body.collect(upTo: 10_000)
    }
    #expect(error?.code == .connectionLost, "\(String(describing: error))")
  }

  @Test func aBodyWithoutALengthIsRefused() async throws {
    try await server.route(["GET /": [.init(200, Self.pattern, framing: "until-close")]])
    #expect(await remoteError { try await transport.send(.get(server, "/")) }?.code == .malformedResponse)
  }

  @Test func aBodyThatIsCompressedUnaskedIsRefused() async throws {
    try await server.route(["GET /": [.init(200, Self.pattern, headers: [["content-encoding", "gzip"]])]])
    #expect(await remoteError { try await transport.send(.get(server, "/")) }?.code == .malformedResponse)
  }

  @Test func tooManyHeadersAreRefused() async throws {
    try await server.route([
      "GET /many": [.init(headers: (0..<101).map { ["x-\($0)", "1"] })],
      "GET /allowed": [.init(headers: (0..<98).map { ["x-\($0)", "1"] })],
      "GET /long": [.init(headers: (0..<8).map { ["x-\($0)", String(repeating: "a", count: 9000)] })],
    ])
    #expect(await remoteError { try await transport.send(.get(server, "/many")) }?.code == .limitExceeded)
    #expect(await remoteError { try await transport.send(.get(server, "/long")) }?.code == .limitExceeded)
    #expect(try await transport.send(.get(server, "/allowed")).head.headers.count == 99)
  }

  @Test func aServerThatIsNotThereWasSentNothing() async throws {
    let address = try await TestServer.unusedPort()
    let url = "http://127.0.0.1:\(address)/"
    let error = await remoteError {
      try await transport.send(
        HTTPRequest(method: .post, url: url, shownURL: url, operation: "test", body: [1], isRepeatable: false))
    }
    #expect(error?.code == .unreachable)
    #expect(error?.mayHaveRun == false)
  }

  @Test func anAnswerThatIsLostMayHaveRun() async throws {
    try await server.route(["POST /": [.init(framing: "drop")]])
    let error = await remoteError { try await transport.send(.post(server, "/", [1, 2, 3])) }
    #expect(error?.code == .connectionLost)
    #expect(error?.mayHaveRun == true)
  }

  /// libcurl sends a request again when a kept connection was dead. What may have run must not be.
  @Test func curlDoesNotRepeatWhatMayHaveRun() async throws {
    try await server.route(["GET /": [.init(200, text: "x")], "POST /": [.init(framing: "drop")]])
    _ = try await transport.send(.get(server, "/")).body.collect(upTo: 10)
    let error = await remoteError { try await transport.send(.post(server, "/", [1, 2, 3])) }
    #expect(error?.code == .connectionLost)
    #expect(error?.mayHaveRun == true)
    #expect(try await server.requests().filter { $0.method == "POST" }.count == 1)
  }

  @Test func curlMayRepeatAReadOnADeadConnection() async throws {
    try await server.route([
      "GET /": [.init(200, text: "x")], "POST /": [.init(framing: "drop"), .init(200, text: "answer")],
    ])
    _ = try await transport.send(.get(server, "/")).body.collect(upTo: 10)
    let response = try await transport.send(.post(server, "/", [1, 2, 3], isRepeatable: true))
    #expect(try await response.body.collect(upTo: 10) == Array("answer".utf8))
    #expect(try await server.requests().filter { $0.method == "POST" }.map(\.body) == [[1, 2, 3], [1, 2, 3]])
  }

  // MARK: Time

  private func impatient(_ change: (inout TransportConfiguration.Timeouts) -> Void) throws -> Transport {
    try Transport(.with { change(&$0.timeouts) })
  }

  @Test(arguments: ["silence", "dribble-head"])
  func aHeadThatDoesNotComeIsAnError(framing: String) async throws {
    try await server.route(["POST /": [.init(200, Self.pattern, headers: [["x", "y"]], framing: framing)]])
    let transport = try impatient { ($0.response, $0.connect) = (.milliseconds(200), .milliseconds(200)) }
    let error = await remoteError { try await transport.send(.post(server, "/", [1])) }
    #expect(error?.code == .timedOut)
    #expect(error?.mayHaveRun == true)
  }

  @Test(arguments: ["stall", "dribble-body"])
  func aBodyThatMakesNoProgressIsAnError(framing: String) async throws {
    try await server.route(["GET /": [.init(200, Self.pattern, framing: framing)]])
    let transport = try impatient { ($0.idle, $0.idleByteCountMin) = (.milliseconds(300), 600) }
    let error = await remoteError {
      try await transport.send(.get(server, "/")).body.collect(upTo: 10_000)
    }
    #expect(error?.code == .timedOut)
  }

  @Test func theTotalTimeIsLimited() async throws {
    try await server.route(["GET /": [.init(200, Self.pattern, framing: "dribble-body")]])
    let transport = try impatient { $0.total = .milliseconds(300) }
    let error = await remoteError {
      try await transport.send(.get(server, "/")).body.collect(upTo: 10_000)
    }
    #expect(error?.code == .timedOut)
  }

  @Test func aReaderThatTakesItsTimeIsNotLate() async throws {
    try await server.route(["GET /": [.init(200, Self.pattern).changed { $0.times = 20_000 }]])
    let transport = try impatient { $0.idle = .milliseconds(100) }
    let response = try await transport.send(.get(server, "/"))
    var count = try #require(try await response.body.next()).count
    // Longer than the time limit: what is being waited for is this reader.
    try await Task.sleep(for: .milliseconds(400))
    while let chunk = try await response.body.next() { count += chunk.count }
    #expect(count == 20_000_000)
  }

  @Test func aBodyIsCancelledWithItsTask() async throws {
    try await server.route(["GET /": [.init(200, Self.pattern, framing: "stall")]])
    let task = Task { [transport, server] in
      let body = try await transport.send(.get(server, "/")).body
      return try await body.collect(upTo: 10_000)
    }
    task.cancel()
    #expect(await remoteError { try await task.value }?.code == .cancelled)
  }

  // MARK: Memory

  @Test func aReaderThatTakesItsTimeHoldsTheServerUp() async throws {
    let transport = try Transport(.with { $0.limits.waitingByteCountMax = 100_000 })
    try await server.route(["GET /": [.init(200, Self.pattern).changed { $0.times = 100_000 }]])
    let response = try await transport.send(.get(server, "/"))
    var (count, largest) = (0, 0)
    while let chunk = try await response.body.next() {
      count += chunk.count
      largest = max(largest, chunk.count)
    }
    #expect(count == 100_000_000)
    // The buffer of libcurl comes as one piece; more than the limit and one piece never waits.
    #expect(largest <= 100_000 + (256 << 10))
  }

  @Test func aBodyThatNobodyReadsIsGivenUp() async throws {
    try await server.route(["GET /": [.init(200, Self.pattern).changed { $0.times = 100_000 }]])
    for _ in 0..<3 { _ = try await transport.send(.get(server, "/")) }
    #expect(try await server.requests().count == 3)
  }

}
