import Mutation
import TestSupport
import Testing

@testable import LibSQLProtocol

/// Mutated input into every decoder: a typed error or a value, in bounded time, and no error quotes what it refuses.
@Suite("Replication fuzzing", .timeLimit(.minutes(20)))
struct ReplicationFuzzTests {
  struct Target: Sendable, CustomTestStringConvertible {
    let name: String
    let mutationCount: Int
    let seeds: @Sendable (inout ReplicationRandom) -> [UInt8]
    let decode: @Sendable ([UInt8], inout SeededGenerator) throws -> Void
    var testDescription: String { name }
  }

  private static func drain(_ shape: ReplicationFrameReader.Shape, _ body: [UInt8], _ generator: inout SeededGenerator)
    throws
  {
    var reader = ReplicationFrameReader(shape)
    for chunk in Chunks.split(body, upTo: 3000, &generator) {
      reader.append(chunk)
      while try reader.next() != nil {}
    }
    _ = try reader.finish()
  }

  static let targets: [Target] = [
    Target(name: "HelloResponse", mutationCount: 3000, seeds: { $0.hello().encoded }) { bytes, _ in
      _ = try HelloResponse(bytes[...]).encoded
    },
    Target(name: "LogOffset", mutationCount: 2000, seeds: { LogOffset(nextOffset: $0.number(UInt64.self)).encoded }) {
      bytes, _ in
      _ = try LogOffset(bytes[...]).encoded
    },
    Target(name: "ProgramReq", mutationCount: 4000, seeds: { $0.program().encoded }) { bytes, _ in
      _ = try ProxyProgram(bytes[...]).encoded
    },
    Target(name: "ExecuteResults", mutationCount: 4000, seeds: { $0.results().encoded }) { bytes, _ in
      _ = try ProxyResults(bytes[...]).encoded
    },
    Target(name: "DescribeResult", mutationCount: 3000, seeds: { ProxyDescription.encode($0.description()) }) {
      bytes, _ in
      _ = ProxyDescription.encode(try ProxyDescription.decode(bytes[...]))
    },
    Target(
      name: "DescribeRequest", mutationCount: 1000,
      seeds: {
        ProxyDescribeRequest(clientID: $0.uuid(), statement: $0.text()).encoded
      }
    ) { bytes, _ in
      _ = try ProxyDescribeRequest(bytes[...])
      _ = try ProxyDisconnect(bytes[...])
    },
    Target(
      name: "Frames", mutationCount: 2000,
      seeds: {
        GRPCWeb.response(messages: [FrameBatch.encode([$0.frame(), $0.frame()])])
      }
    ) { try drain(.batch, $0, &$1) },
    Target(
      name: "Snapshot", mutationCount: 1000,
      seeds: {
        GRPCWeb.response(messages: [$0.frame().encoded, $0.frame().encoded])
      }
    ) { try drain(.stream, $0, &$1) },
    Target(
      name: "gRPC-web", mutationCount: 3000,
      seeds: {
        GRPCWeb.response(messages: [$0.bytes(20), []], status: GRPCStatus(.unknown, message: $0.text()))
      }
    ) { body, generator in
      var reader = GRPCMessageReader(messageSizeLimit: 1000)
      for chunk in Chunks.split(body, upTo: 9, &generator) {
        reader.append(chunk)
        while try reader.next() != nil {}
      }
      _ = try reader.finish()
    },
    Target(name: "WAL frames", mutationCount: 1000, seeds: { $0.walFrame().bytes + $0.walFrame().bytes }) {
      body, generator in
      var reader = WALFrameReader()
      for chunk in Chunks.split(body, upTo: 3000, &generator) {
        reader.append(chunk)
        while try reader.next() != nil {}
      }
      try reader.finish()
    },
    Target(
      name: "export", mutationCount: 500,
      seeds: { Array("SQLite format 3\0".utf8) + [0x10, 0x00] + $0.bytes(46) + $0.page() + $0.page().dropLast(64) }
    ) { body, generator in
      var reader = ExportReader()
      for chunk in Chunks.split(body, upTo: 3000, &generator) {
        reader.append(chunk)
        while try reader.next() != nil {}
      }
      try reader.finish()
    },
    Target(name: "PullUpdatesRequest", mutationCount: 1500, seeds: { $0.pullRequest().encoded }) { bytes, _ in
      _ = try PullUpdatesRequest(bytes[...])
    },
    Target(name: "pull-updates", mutationCount: 1500, seeds: { $0.pullAnswer(pageCount: 2) }) { body, generator in
      var reader = PullUpdatesReader()
      for chunk in Chunks.split(body, upTo: 3000, &generator) {
        reader.append(chunk)
        while try reader.next() != nil {}
      }
      try reader.finish()
    },
    Target(
      name: "JSON", mutationCount: 1500,
      seeds: {
        PushAnswer(.ok, generation: 7, lastFrame: $0.number(UInt32.self), baton: Canary.text).encoded
      }
    ) { bytes, _ in
      _ = try? SyncInfo(bytes)
      _ = try? SyncEnd(statusCode: 400, bytes)
      _ = try PushAnswer(bytes)
    },
    Target(
      name: "paths", mutationCount: 3000,
      seeds: {
        Array("/sync/\($0.int(1...9))/\($0.int(1...99))/\($0.int(100...999))/\(Canary.text)".utf8)
      }
    ) { bytes, _ in
      // A server that gets a path as bytes has to refuse what is no text.
      guard let path = String(validating: bytes, as: UTF8.self) else { return }
      _ = try ReplicationRoute(method: "POST", path: path)
    },
  ]

  @Test(arguments: targets)
  func mutatedInputIsDecodedOrRefused(target: Target) throws {
    var random = ReplicationRandom(seed: 2026)
    var (accepted, refused) = (0, 0)
    var input: [UInt8] = []
    for round in 0..<target.mutationCount {
      if round % 20 == 0 { input = target.seeds(&random) }
      let mutated = Mutator.binary.mutated(input, &random.generator)
      do {
        try target.decode(mutated, &random.generator)
        accepted += 1
      } catch let error as WireFormatError {
        refused += 1
        #expect(!error.description.contains("CANARY"), "\(error)")
        #expect((error.offset ?? 0) >= 0 && (error.offset ?? 0) <= mutated.count, "\(error)")
      } catch {
        Issue.record("\(error)")
      }
    }
    #expect(accepted + refused == target.mutationCount)
    #expect(refused > 0)
  }

  @Test func thereAreEnoughMutations() {
    #expect(Self.targets.reduce(0) { $0 + $1.mutationCount } >= 20_000)
  }

  /// Small messages that would make large or deep values.
  @Test func whatGrowsIsBounded() {
    let id = "00000000-0000-4000-8000-000000000000"
    let step = ProxyProgram.Step(ProxyQuery(statement: ""))
    let many = ProxyProgram(clientID: id, steps: Array(repeating: step, count: 20_000)).encoded
    let limited = #expect(throws: WireFormatError.self) { try ProxyProgram(many[...]) }
    #expect(limited?.code == .limitExceeded)
    var deep = ProxyCondition.isAutocommit
    for _ in 0..<40 { deep = .not(deep) }
    let nested = ProxyProgram(clientID: id, steps: [ProxyProgram.Step(condition: deep, ProxyQuery(statement: ""))])
      .encoded
    #expect(#expect(throws: WireFormatError.self) { try ProxyProgram(nested[...]) }?.code == .limitExceeded)
    let wide = ProxyCondition.or(Array(repeating: .isAutocommit, count: 2000))
    let broad = ProxyProgram(clientID: id, steps: [ProxyProgram.Step(condition: wide, ProxyQuery(statement: ""))])
      .encoded
    #expect(#expect(throws: WireFormatError.self) { try ProxyProgram(broad[...]) }?.code == .limitExceeded)
    let columns = Array(repeating: ProxyColumn(name: ""), count: 40_000)
    let row = ProxyResults(
      results: [.success(ProxyRows(columns: columns))], state: .autocommit, currentFrameNumber: nil)
    #expect(#expect(throws: WireFormatError.self) { try ProxyResults(row.encoded[...]) }?.code == .limitExceeded)
  }

  @Test func conditionsNameEarlierStepsOnly() {
    let id = "00000000-0000-4000-8000-000000000000"
    for condition in [.ok(step: 1), .error(step: 2), .not(.ok(step: -1)), .and([.or([.ok(step: 1)])])]
      as [ProxyCondition]
    {
      let steps = [nil, condition].map { ProxyProgram.Step(condition: $0, ProxyQuery(statement: "SELECT 1")) }
      let message = ProxyProgram(clientID: id, steps: steps).encoded
      #expect(throws: WireFormatError.self) { try ProxyProgram(message[...]) }
    }
  }
}
