#if DEBUG
  @testable import LibSQLProtocol
  import Mutation
  import TestSupport

  extension Subject {
    /// SQL over HTTP and WebSocket: JSON.
    static let hrana: [Subject] = [
      messages(
        "hrana-requests",
        [
          Hrana.ClientMessage.self, Hrana.PipelineRequest.self, Hrana.CursorRequest.self, Hrana.ExecuteRequest.self,
          Hrana.BatchRequest.self,
        ]
      ) { $0.request },
      messages(
        "hrana-responses",
        [
          Hrana.ServerMessage.self, Hrana.PipelineResponse.self, Hrana.CursorResponse.self, Hrana.CursorEntry.self,
          Hrana.ExecuteResponse.self, Hrana.BatchResponse.self, Hrana.ProtocolError.self,
        ]
      ) { $0.response },
      Subject("hrana-cursor-lines", .json) { Examination(cursorBodies, examineCursorBody) },
    ]

    /// One text, read as each of the types: whatever a message says it is, any reader may get it.
    private static func messages(
      _ name: String, _ types: [any HranaMessage.Type],
      _ recorded: @escaping @Sendable (RecordedBodies.Exchange) -> [UInt8]
    ) -> Subject {
      Subject(name, .json, cost: 2) {
        var inputs: [[UInt8]] = []
        for seed in 0..<UInt64(8) {
          var generator = HranaGenerator(seed: seed, canary: Rule.canary)
          inputs += types.map { generator.message($0).encoded() }
        }
        for exchange in RecordedBodies.exchanges {
          inputs += name.hasSuffix("requests") ? exchange.fromClient : exchange.fromServer
          if exchange.path.hasPrefix("/v"), recorded(exchange).first == UInt8(ascii: "{") {
            inputs.append(recorded(exchange))
          }
        }
        return Examination(inputs) { input, _ in
          let verdicts = try types.map { try examine($0, input) }
          return verdicts.contains(.accepted) ? .accepted : .refused
        }
      }
    }

    private static func examine<Message: HranaMessage>(_ type: Message.Type, _ input: Input) throws -> Verdict {
      do throws(JSONMessageError) { _ = try Message(decoding: input.bytes) } catch {
        try Rule.require((0...input.bytes.count).contains(error.offset), "an error is outside of the input")
        // Conditions nest 32 deep, and the place names each of them.
        try Rule.require(error.description.utf8.count < 1000, "an error is as long as the input wants")
      }
      return try Rule.roundTrip(JSONMessageError.self, input.bytes) {
        try Message(decoding: $0)
      } encode: {
        $0.encoded()
      }
    }

    private static var cursorBodies: [[UInt8]] {
      let made = (0..<UInt64(8)).map { seed in
        var generator = HranaGenerator(seed: seed, canary: Rule.canary)
        let lines =
          [generator.message(Hrana.CursorResponse.self)]
          + (0..<4).map { _ in generator.message(Hrana.CursorEntry.self) }
        return Array(lines.map { $0.encoded() }.joined(separator: [0x0A]))
      }
      return made + RecordedBodies.bodies("/v3/cursor")
    }

    private static func examineCursorBody(_ input: Input, _ generator: inout SeededGenerator) throws -> Verdict {
      let whole = try Rule.attempt(JSONMessageError.self) { try lines(of: [input.bytes]) }
      let cut = input.bytes.chunks(upTo: 60, &generator).map { Array($0) }
      let inPieces = try Rule.attempt(JSONMessageError.self) { try lines(of: cut) }
      try Rule.require(
        (whole == nil) == (inPieces == nil), "pieces of a cursor's body are read otherwise than the whole")
      return whole == nil ? .refused : .accepted
    }

    private static func lines(of pieces: [[UInt8]]) throws -> [Hrana.CursorLines.Line] {
      var reader = Hrana.CursorLines()
      var lines = try pieces.flatMap { try reader.receive($0) }
      if let last = try reader.finish() { lines.append(last) }
      return lines
    }
  }
#endif
