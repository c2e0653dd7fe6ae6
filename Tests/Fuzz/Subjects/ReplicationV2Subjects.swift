#if DEBUG
  @testable import LibSQLProtocol
  import Mutation
  import TestSupport

  extension Subject {
    /// V2 and Turso's pull-updates.
    static let replicationV2: [Subject] = [
      stream("v2-frames", "/sync/", { $0.walFrame().bytes + $0.walFrame().bytes }) { chunks in
        var reader = WALFrameReader()
        return try drain(chunks, append: { reader.append($0) }, next: { try reader.next() }) { try reader.finish() }
      },
      message("v2-frame", { $0.walFrame().bytes }, { try WALFrame($0) }) { $0.bytes },
      stream(
        "v2-export", "/export/",
        { Array("SQLite format 3\0".utf8) + [0x10, 0x00] + $0.bytes(46) + $0.page() + $0.page().dropLast(64) }
      ) { chunks in
        var reader = ExportReader()
        return try drain(chunks, append: { reader.append($0) }, next: { try reader.next() }) { try reader.finish() }
      },
      Subject("v2-cursor", .binary) {
        Examination(Corpus.made(12) { Array(($0.next() % 40..<60).map { UInt8($0) }) }, examinePullCursor)
      },
      json(
        "v2-push-answer",
        { PushAnswer(.ok, generation: 7, lastFrame: $0.number(UInt32.self), baton: Rule.canary).encoded }
      ) {
        try PushAnswer($0)
      } encode: {
        $0.encoded
      },
      json(
        "v2-info", { SyncInfo(currentGeneration: max(1, $0.number(UInt32.self)), database: Rule.canary)?.encoded ?? [] }
      ) {
        try SyncInfo($0)
      } encode: {
        $0.encoded
      },
      json("v2-end", { SyncEnd(generation: 3, lastFrame: $0.number(UInt32.self)).encoded }) {
        guard let end = try SyncEnd(statusCode: 400, $0) else { throw WireFormatError(.malformed, "answer", "no end") }
        return end
      } encode: {
        $0.encoded
      },
      Subject("routes", text) {
        Examination(
          Corpus.texts(
            "POST /sync/1/2/300/\(Rule.canary)", "GET /sync/1/2/300", "GET /sync/0/0/0", "GET /info", "GET /export/9",
            "POST /pull-updates", "POST /proxy.Proxy/Execute")
        ) { input, _ in
          let parts = input.text.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
          guard
            let route = try Rule.attempt(
              WireFormatError.self, { try ReplicationRoute(method: parts[0], path: parts.last ?? "") }), let route
          else { return .refused }
          let again = try ReplicationRoute(method: route.method, path: route.path)
          try Rule.require(again == route, "a route is another one after it was written and read")
          return .accepted
        }
      },
      message("pull-updates-request", { $0.pullRequest().encoded }, { try PullUpdatesRequest($0) }) { $0.encoded },
      message(
        "pull-updates-page", { PulledPage(pageNumber: max(1, $0.number(UInt32.self)), page: $0.page()).encoded },
        { try PulledPage($0) }
      ) {
        $0.encoded
      },
      stream("pull-updates", "/pull-updates", { $0.pullAnswer(pageCount: 2) }) { chunks in
        var reader = PullUpdatesReader()
        return try drain(chunks, append: { reader.append($0) }, next: { try reader.next() }) { try reader.finish() }
      },
      message("roaring-bitmap", { RoaringBitmap.encode($0.pages()) }, { try RoaringBitmap.decode($0) }) {
        RoaringBitmap.encode($0)
      },
    ]

    private static func json<Value: Equatable>(
      _ name: String, _ make: @escaping @Sendable (inout ReplicationRandom) -> [UInt8],
      _ decode: @escaping @Sendable ([UInt8]) throws -> Value, encode: @escaping @Sendable (Value) -> [UInt8]
    ) -> Subject {
      Subject(name, .json, cost: 2) {
        let recorded = ["/sync/", "/info"].flatMap { RecordedBodies.bodies($0) }.filter {
          $0.first == UInt8(ascii: "{")
        }
        return Examination(randomInputs(make) + recorded) { input, _ in
          try Rule.roundTrip(WireFormatError.self, input.bytes, decode: decode, encode: encode)
        }
      }
    }

    /// Each byte is something that a server says. A position once committed is never followed by an older one.
    private static func examinePullCursor(_ input: Input, _ generator: inout SeededGenerator) throws -> Verdict {
      var cursor = PullCursor(from: PullCursor.Position(generation: 1, frame: generator.next() % 4 == 0 ? .max - 9 : 0))
      var random = ReplicationRandom(seed: generator.next())
      var isRefused = false
      for byte in input.bytes.prefix(300) {
        let before = cursor.committed
        switch byte % 4 {
        case 0:
          let end = SyncEnd(
            generation: byte % 3 == 0 ? random.number(UInt32.self) : before.generation,
            lastFrame: random.optional { $0.number(UInt32.self) })
          isRefused = try Rule.attempt(WireFormatError.self) { try cursor.receive(end) } == nil || isRefused
        case 1: isRefused = try Rule.attempt(WireFormatError.self) { try cursor.range() } == nil || isRefused
        default:
          let frame = random.walFrame()
          let verdict: PullCursor.Position?? = try Rule.attempt(WireFormatError.self) { try cursor.receive(frame) }
          isRefused = verdict == nil || isRefused
        }
        try Rule.require(
          (cursor.committed.generation, cursor.committed.frame) >= (before.generation, before.frame)
            || cursor.committed.generation != before.generation, "a replica goes back")
      }
      return isRefused ? .refused : .accepted
    }
  }
#endif
