#if DEBUG
  @testable import LibSQLProtocol
  import Mutation
  import TestSupport

  extension Subject {
    /// V1: protobuf in gRPC-web, frames of a log.
    static let replicationV1: [Subject] = [
      message("v1-hello", { $0.hello().encoded }, { try HelloResponse($0) }) { $0.encoded },
      message("v1-offset", { LogOffset(nextOffset: $0.number(UInt64.self)).encoded }, { try LogOffset($0) }) {
        $0.encoded
      },
      message("v1-frame", { $0.frame().encoded }, { try FrameMessage($0) }) { $0.encoded },
      message("proxy-program", { $0.program().encoded }, { try ProxyProgram($0) }) { $0.encoded },
      message("proxy-results", { $0.results().encoded }, { try ProxyResults($0) }) { $0.encoded },
      message("proxy-description", { ProxyDescription.encode($0.description()) }, { try ProxyDescription.decode($0) }) {
        ProxyDescription.encode($0)
      },
      message(
        "proxy-describe", { ProxyDescribeRequest(clientID: $0.uuid(), statement: $0.text()).encoded },
        {
          _ = try? ProxyDisconnect($0)
          return try ProxyDescribeRequest($0)
        }
      ) { $0.encoded },
      stream(
        "v1-frames", "BatchLogEntries", { GRPCWeb.response(messages: [FrameBatch.encode([$0.frame(), $0.frame()])]) }
      ) {
        try frames(.batch, $0)
      },
      stream("v1-snapshot", "Snapshot", { GRPCWeb.response(messages: [$0.frame().encoded, $0.frame().encoded]) }) {
        try frames(.stream, $0)
      },
      stream(
        "grpc-web", "/wal_log",
        { GRPCWeb.response(messages: [$0.bytes(20), []], status: GRPCStatus(.unknown, message: $0.text())) }
      ) { chunks in
        var reader = GRPCMessageReader(messageSizeLimit: 10_000)
        return try drain(chunks, append: { reader.append($0) }, next: { try reader.next() }) { _ = try reader.finish() }
      },
      Subject("grpc-status", text) {
        Examination(Corpus.texts("9:NEED_SNAPSHOT", "0:", "2:CANARY%20%C3%B1%25", "16:a%zz")) { input, _ in
          let parts = input.text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
          guard
            let status = try Rule.attempt(
              WireFormatError.self, { try GRPCStatus(status: parts[0], message: parts.last) }),
            let status
          else { return .refused }
          let again = try GRPCStatus(status: status.statusValue, message: status.messageValue)
          try Rule.require(again == status, "a status is another one after it was written and read")
          return .accepted
        }
      },
      Subject("v1-namespace", text) {
        Examination(["default", Rule.canary, "ñ"].map { Array(ReplicationHeaders.namespaceValue($0).utf8) }) {
          input, _ in
          guard let name = try Rule.attempt(WireFormatError.self, { try ReplicationHeaders.namespace(input.text) })
          else {
            return .refused
          }
          let written = ReplicationHeaders.namespaceValue(name)
          try Rule.require(
            try ReplicationHeaders.namespace(written) == name, "a namespace is another one after it was read")
          return .accepted
        }
      },
      Subject("v1-cursor", .binary) {
        Examination(Corpus.made(12) { Array(($0.next() % 40..<60).map { UInt8($0) }) }, examineCursor)
      },
    ]

    static let text = Mutator(
      tokens: ["/", ":", "%", "=", "0", "-1", "4294967296", "18446744073709551616", "\u{0}", "ñ", " ", ".."],
      separators: "/:.=")

    /// A message as one piece.
    static func message<Value: Equatable>(
      _ name: String, _ make: @escaping @Sendable (inout ReplicationRandom) -> [UInt8],
      _ decode: @escaping @Sendable (ArraySlice<UInt8>) throws -> Value, encode: @escaping @Sendable (Value) -> [UInt8]
    ) -> Subject {
      Subject(name, .binary) {
        Examination(randomInputs(make)) { input, _ in
          try Rule.roundTrip(WireFormatError.self, input.bytes, decode: { try decode($0[...]) }, encode: encode)
        }
      }
    }

    /// A body that comes in chunks; however it is cut, the same comes out.
    static func stream(
      _ name: String, _ recorded: String, cost: Int = 2,
      _ make: @escaping @Sendable (inout ReplicationRandom) -> [UInt8],
      _ read: @escaping @Sendable ([ArraySlice<UInt8>]) throws -> Int
    ) -> Subject {
      Subject(name, .binary, cost: cost) {
        Examination(randomInputs(make) + RecordedBodies.bodies(recorded)) { input, generator in
          let whole = try Rule.attempt(WireFormatError.self) { try read([input.bytes[...]]) }
          let cut = input.bytes.chunks(upTo: 3000, &generator)
          let inPieces = try Rule.attempt(WireFormatError.self) { try read(cut) }
          try Rule.require(whole == inPieces, "chunks are read otherwise than the whole")
          return whole == nil ? .refused : .accepted
        }
      }
    }

    static func randomInputs(_ make: (inout ReplicationRandom) -> [UInt8]) -> [[UInt8]] {
      var random = ReplicationRandom(seed: 2026)
      return (0..<24).map { _ in make(&random) }
    }

    /// - Returns: how many elements came.
    static func drain<Element>(
      _ chunks: [ArraySlice<UInt8>], append: (ArraySlice<UInt8>) -> Void, next: () throws -> Element?,
      finish: () throws -> Void
    ) throws -> Int {
      var count = 0
      for chunk in chunks {
        append(chunk)
        while try next() != nil { count += 1 }
      }
      try finish()
      return count
    }

    private static func frames(_ shape: ReplicationFrameReader.Shape, _ chunks: [ArraySlice<UInt8>]) throws -> Int {
      var reader = ReplicationFrameReader(shape)
      return try drain(chunks, append: { reader.append($0) }, next: { try reader.next() }) { _ = try reader.finish() }
    }

    /// Each byte is something that a server says. A position once committed is never followed by an older one of its log.
    private static func examineCursor(_ input: Input, _ generator: inout SeededGenerator) throws -> Verdict {
      var random = ReplicationRandom(seed: generator.next())
      var cursor = LogCursor(from: nil)
      let page = [UInt8](repeating: 0, count: PageFormat.pageSize)
      let reasons = GRPCStatus.Reason.allCases
      var isRefused = false
      for byte in input.bytes.prefix(300) {
        let before = cursor.committed
        switch byte % 8 {
        case 0:
          let hello = random.hello()
          if cursor.receive(hello) { continue }
        case 1: isRefused = try Rule.attempt(WireFormatError.self) { try finish(&cursor, .ok) } == nil || isRefused
        case 2: _ = try finish(&cursor, GRPCStatus(reasons[Int(byte) % reasons.count]))
        default:
          let next = byte > 250 ? UInt64.max : (cursor.committed?.frameNumber ?? 0) &+ UInt64(byte % 5)
          let frame = ReplicationFrame(
            frameNumber: next, pageNumber: 1, sizeAfter: byte % 3 == 0 ? 1 : 0, page: page)
          isRefused = try Rule.attempt(WireFormatError.self) { try cursor.receive(frame) } == nil || isRefused
        }
        if let before, let after = cursor.committed, before.logID == after.logID {
          try Rule.require(after.frameNumber >= before.frameNumber, "a log goes back")
        }
      }
      return isRefused ? .refused : .accepted
    }

    private static func finish(_ cursor: inout LogCursor, _ status: GRPCStatus) throws -> LogCursor.Position? {
      do { return try cursor.finish(status) } catch is GRPCStatus { return nil }
    }
  }
#endif
