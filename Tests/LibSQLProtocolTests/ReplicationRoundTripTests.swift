import Mutation
import Testing

@testable import LibSQLProtocol

/// Whatever is written is read again as the same value. Each seed is another set of values.
@Suite("Replication round trips")
struct ReplicationRoundTripTests {
  @Test(arguments: 0..<60 as Range<UInt64>)
  func everyMessageSurvives(seed: UInt64) throws {
    var random = ReplicationRandom(seed: seed)
    let hello = random.hello()
    #expect(try HelloResponse(hello.encoded[...]) == hello)
    let request = HelloRequest(handshakeVersion: random.optional { $0.number(UInt64.self) })
    #expect(try HelloRequest(request.encoded[...]) == request)
    let offset = LogOffset(
      nextOffset: random.number(UInt64.self), flavor: random.optional { $0.flag() ? .sqlite : .libsql })
    #expect(try LogOffset(offset.encoded[...]) == offset)
    let frames = random.list(upTo: 3) { $0.frame() }
    #expect(try FrameBatch.decode(FrameBatch.encode(frames)[...]) == frames)
    let walFrame = random.walFrame()
    #expect(try WALFrame(walFrame.bytes[...]) == walFrame)
    let program = random.program()
    #expect(try ProxyProgram(program.encoded[...]) == program)
    let results = random.results()
    #expect(try ProxyResults(results.encoded[...]) == results)
    let description = random.description()
    #expect(try ProxyDescription.decode(ProxyDescription.encode(description)[...]) == description)
    let describe = ProxyDescribeRequest(clientID: random.uuid(), statement: random.text())
    #expect(try ProxyDescribeRequest(describe.encoded[...]) == describe)
    let disconnect = ProxyDisconnect(clientID: random.uuid())
    #expect(try ProxyDisconnect(disconnect.encoded[...]) == disconnect)
    let pull = random.pullRequest()
    #expect(try PullUpdatesRequest(pull.encoded[...]) == pull)
  }

  @Test(arguments: 0..<60 as Range<UInt64>)
  func everyObjectAndPathSurvives(seed: UInt64) throws {
    var random = ReplicationRandom(seed: seed)
    let generation = max(1, random.number(UInt32.self))
    for database in [nil, "b0a1c2d3-0000-4000-8000-000000000000"] {
      let info = try #require(SyncInfo(currentGeneration: generation, database: database))
      #expect(try SyncInfo(info.encoded) == info)
    }
    let end = SyncEnd(generation: generation, lastFrame: random.optional { $0.number(UInt32.self) })
    #expect(try SyncEnd(statusCode: 400, end.encoded) == end)
    let baton = random.optional { "b-\($0.number(UInt64.self)).~!$&'()*+,;=:@" }
    let answer = PushAnswer(
      PushAnswer.Status.allCases[random.int(0...2)], generation: generation, lastFrame: random.number(UInt32.self),
      baton: baton)
    #expect(try PushAnswer(answer.encoded) == answer)
    let first = max(1, random.number(UInt32.self) / 2)
    let range = try #require(
      SyncRange(generation: generation, first: first, end: first + 1 + UInt32(random.int(0...999))))
    let routes: [ReplicationRoute] =
      [.sync(.info), .sync(.probe), .sync(.export(generation: generation)), .sync(.pull(range)), .pullUpdates]
      + [.sync(.push(range, baton: nil)), .sync(.push(range, baton: "b")), .sync(.push(range, baton: baton))]
      + ReplicationMethod.allCases.map { .call($0) }
    for route in routes { #expect(try ReplicationRoute(method: route.method, path: route.path) == route) }
    let status = GRPCStatus(GRPCStatus.Code(rawValue: UInt32(random.int(0...20))), message: random.text() + "%\r\n a")
    #expect(try GRPCStatus(status: status.statusValue, message: status.messageValue) == status)
    let namespace = "n" + random.text()
    #expect(try ReplicationHeaders.namespace(ReplicationHeaders.namespaceValue(namespace)) == namespace)
  }

  /// Doubles keep their bits, NaN with its payload included.
  @Test(arguments: [0, -0.0, .infinity, -.infinity, .nan, .signalingNaN, .leastNonzeroMagnitude, 1e308] as [Double])
  func doublesKeepTheirBits(value: Double) throws {
    let data = ProxyValue.real(value).bincode
    guard case .real(let read) = try ProxyValue(bincode: data[...]) else {
      Issue.record("another type")
      return
    }
    #expect(read.bitPattern == value.bitPattern)
  }

  @Test func theExampleOfAValueIsTheRecordedOne() {
    #expect(ProxyValue.integer(42).bincode == [1, 0, 0, 0, 42, 0, 0, 0, 0, 0, 0, 0])
  }
}
