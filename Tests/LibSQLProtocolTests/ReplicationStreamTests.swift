import Mutation
import TestSupport
import Testing

@testable import LibSQLProtocol

/// Bodies that arrive in chunks.
@Suite("Replication streams")
struct ReplicationStreamTests {
  /// What a reader gave, and the most that it held after it was drained.
  private struct Reading: Equatable {
    var frames: [FrameMessage] = []
    var walFrames: [WALFrame] = []
    var pages: [PullUpdatesReader.Event] = []
    var messages: [[UInt8]] = []
    var status: GRPCStatus?
    var largestRest = 0

    static func == (left: Reading, right: Reading) -> Bool {
      left.frames == right.frames && left.walFrames == right.walFrames && left.pages == right.pages
        && left.messages == right.messages && left.status == right.status
    }
  }

  private enum Kind: CaseIterable { case batch, stream, wal, export, pull, messages }

  private static func read(_ kind: Kind, _ chunks: [ArraySlice<UInt8>]) throws -> Reading {
    var reading = Reading()
    switch kind {
    case .batch, .stream:
      var reader = ReplicationFrameReader(kind == .batch ? .batch : .stream)
      for chunk in chunks {
        reader.append(chunk)
        while let frame = try reader.next() { reading.frames.append(frame) }
        reading.largestRest = max(reading.largestRest, reader.bufferedSize)
      }
      reading.status = try reader.finish()
    case .wal:
      var reader = WALFrameReader()
      for chunk in chunks {
        reader.append(chunk)
        while let frame = try reader.next() { reading.walFrames.append(frame) }
        reading.largestRest = max(reading.largestRest, reader.bufferedSize)
      }
      try reader.finish()
    case .export:
      var reader = ExportReader()
      for chunk in chunks {
        reader.append(chunk)
        while let (number, page) = try reader.next() {
          reading.walFrames.append(WALFrame(pageNumber: number, sizeAfter: 0, page: page))
        }
        reading.largestRest = max(reading.largestRest, reader.bufferedSize)
      }
      try reader.finish()
    case .pull:
      var reader = PullUpdatesReader()
      for chunk in chunks {
        reader.append(chunk)
        while let event = try reader.next() { reading.pages.append(event) }
        reading.largestRest = max(reading.largestRest, reader.bufferedSize)
      }
      try reader.finish()
    case .messages:
      var reader = GRPCMessageReader()
      for chunk in chunks {
        reader.append(chunk)
        while let message = try reader.next() { reading.messages.append(message) }
      }
      reading.status = try reader.finish()
    }
    return reading
  }

  private static func body(_ kind: Kind, _ random: inout ReplicationRandom) -> [UInt8] {
    switch kind {
    case .batch:
      // An unknown field between the frames, as a later version could have it.
      let unknown: [UInt8] = [0x12, 0x05, 1, 2, 3, 4, 5, 0x18, 0x80, 0x01, 0x25, 0, 0, 0, 0]
      let parts = (0..<20).map { _ in FrameBatch.encode([random.frame()]) }
      return GRPCWeb.response(messages: [Array(parts.joined(separator: unknown))])
    case .stream, .messages: return GRPCWeb.response(messages: (0..<20).map { _ in random.frame().encoded } + [])
    case .wal: return (0..<20).flatMap { _ in random.walFrame().bytes }
    case .export:
      let magic = Array("SQLite format 3\0".utf8) + [0x10, 0x00]
      return magic + [UInt8](repeating: 1, count: 4078) + (0..<19).flatMap { _ in random.page() }
    case .pull: return random.pullAnswer(pageCount: 20)
    }
  }

  @Test(arguments: 0..<8 as Range<UInt64>)
  func anySplitOfTheBytesGivesTheSameValues(seed: UInt64) throws {
    var random = ReplicationRandom(seed: seed)
    for kind in Kind.allCases {
      let body = Self.body(kind, &random)
      let whole = try Self.read(kind, [body[...]])
      #expect(whole.frames.count + whole.walFrames.count + whole.pages.count + whole.messages.count >= 20)
      for size in [7, 61, 1000, 4096, 30_000] {
        let split = try Self.read(kind, Chunks.split(body, upTo: size, &random.generator))
        #expect(split == whole)
        #expect(split.largestRest <= 6 * 1024, "\(kind) holds more than a frame")
      }
    }
  }

  @Test func aBodyThatComesByteByByteGivesTheSameValues() throws {
    for exchange in try Vector.exchanges("v1") where exchange.path == ReplicationMethod.batchLogEntries.rawValue {
      guard !exchange.response.body.isEmpty else { continue }
      let body = exchange.response.body
      #expect(try Self.read(.batch, body.indices.map { body[$0...$0] }) == Self.read(.batch, [body[...]]))
    }
  }

  /// Whatever is cut off, the end of the body says that something is missing.
  @Test func aBodyThatIsCutIsNeverTakenForAWholeOne() throws {
    var random = ReplicationRandom(seed: 5)
    let bodies: [(Kind, [UInt8])] = [
      (.batch, GRPCWeb.response(messages: [FrameBatch.encode([random.frame(), random.frame()])])),
      (.stream, GRPCWeb.response(messages: [random.frame().encoded, random.frame().encoded])),
      (.messages, GRPCWeb.response(messages: [[1, 2, 3]], status: GRPCStatus(.needSnapshot))),
    ]
    for (kind, body) in bodies {
      for length in Array(stride(from: 0, to: body.count, by: 97)) + Array((body.count - 30)..<body.count)
      where length >= 0 {
        #expect(throws: WireFormatError.self) { try Self.read(kind, [body[..<length]]) }
      }
    }
    let frame = random.walFrame().bytes
    for length in [0, 1, 23, 24, 4119] {
      #expect(throws: WireFormatError.self) { try Self.read(.wal, [frame[..<length]]) }
    }
  }

  @Test func anExportIsADatabaseOfWholePages() throws {
    var random = ReplicationRandom(seed: 3)
    let body = Self.body(.export, &random)
    #expect(try Self.read(.export, []).walFrames.isEmpty)
    #expect(try Self.read(.export, [body[...]]).walFrames.map(\.pageNumber) == Array(1...20))
    #expect(throws: WireFormatError.self) { try Self.read(.export, [body.dropLast()]) }
    #expect(throws: WireFormatError.self) { try Self.read(.export, [body[..<100]]) }
    #expect(throws: WireFormatError.self) { try Self.read(.export, [body.dropFirst(4096)]) }
    var small = body
    small[16] = 0x04
    let error = #expect(throws: WireFormatError.self) { try Self.read(.export, [small[...]]) }
    #expect(error?.code == .unsupported)
    var limited = ExportReader(pageCountLimit: 1)
    limited.append(body)
    #expect(try limited.next()?.number == 1)
    #expect(throws: WireFormatError.self) { try limited.next() }
  }

  @Test func lengthsAboveTheLimitAreRefusedBeforeTheBytesCome() {
    func code(_ body: () throws -> Void) -> WireFormatError.Code? {
      #expect(throws: WireFormatError.self, performing: body)?.code
    }
    var messages = GRPCMessageReader(messageSizeLimit: 100)
    messages.append([0, 0, 0, 0, 101])
    #expect(code { _ = try messages.next() } == .limitExceeded)
    #expect(code { _ = try messages.next() } == .limitExceeded)
    var trailers = GRPCWebReader()
    trailers.append([0x80, 0, 1, 0, 0])
    #expect(code { _ = try trailers.next() } == .limitExceeded)
    var stream = ReplicationFrameReader(.stream)
    stream.append([0, 0, 1, 0, 0])
    #expect(code { _ = try stream.next() } == .limitExceeded)
    var batch = ReplicationFrameReader(.batch)
    batch.append([0, 0xFF, 0xFF, 0xFF, 0xFF, 0x0A, 0x80, 0x80, 0x04])
    #expect(code { _ = try batch.next() } == .limitExceeded)
    var pull = PullUpdatesReader()
    pull.append([0x80, 0x80, 0x80, 0x80, 0x04])
    #expect(code { _ = try pull.next() } == .limitExceeded)
    var long = PullUpdatesReader()
    long.append([UInt8](repeating: 0x80, count: 9))
    #expect(code { _ = try long.next() } == .malformed)
  }

  @Test func moreFramesThanAllowedAreRefused() throws {
    var random = ReplicationRandom(seed: 1)
    let body = GRPCWeb.response(messages: [FrameBatch.encode([random.frame(), random.frame(), random.frame()])])
    var batch = ReplicationFrameReader(.batch, frameCountLimit: 2)
    batch.append(body)
    #expect(try batch.next() != nil)
    #expect(try batch.next() != nil)
    #expect(throws: WireFormatError.self) { try batch.next() }
    var wal = WALFrameReader(frameCountLimit: 1)
    wal.append(random.walFrame().bytes + random.walFrame().bytes)
    #expect(try wal.next() != nil)
    #expect(throws: WireFormatError.self) { try wal.next() }
  }

  @Test func framesOfTheFramingThatClientsDoNotSendAreRefused() {
    for (bytes, code) in [
      ([0x01, 0, 0, 0, 0], .unsupported), ([0x81, 0, 0, 0, 0], .unsupported), ([0x02, 0, 0, 0, 0], .malformed),
      ([0x80, 0, 0, 0, 0], .malformed), (GRPCWeb.frame(trailers: .ok) + [0], .malformed),
    ] as [([UInt8], WireFormatError.Code)] {
      var reader = GRPCWebReader()
      reader.append(bytes)
      let error = #expect(throws: WireFormatError.self) { while try reader.next() != nil {} }
      #expect(error?.code == code)
    }
  }

  @Test func trailersAreReadAsClientsAndServersWriteThem() throws {
    func status(_ text: String) throws -> GRPCStatus { try GRPCWeb.trailers(Array(text.utf8), at: 0) }
    #expect(try status("grpc-status:0\r\n") == .ok)
    #expect(try status("Grpc-Status: 9\r\ngrpc-message: NEED_SNAPSHOT \r\nother:x\r\n").reason == .needSnapshot)
    #expect(try status("grpc-status:2\ngrpc-message:a%20b%C3%B1%zz%\n").message == "a bñ%zz%")
    #expect(try status("grpc-status:5\r\n").reason == nil)
    for text in [
      "", "grpc-status:", "grpc-status:x\r\n", "grpc-status:0\r\ngrpc-status:9\r\n", "nothing\r\n", "grpc-status:-1",
    ] {
      #expect(throws: WireFormatError.self, "\(text)") { try status(text) }
    }
    #expect(
      String(decoding: GRPCWeb.frame(trailers: GRPCStatus(.noHello)).dropFirst(5), as: UTF8.self)
        == "grpc-status:9\r\ngrpc-message:NO_HELLO\r\n")
    #expect(GRPCWeb.isBinary(contentType: "application/grpc-web+proto; charset=x"))
    #expect(!GRPCWeb.isBinary(contentType: "application/grpc-web-text"))
  }
}
