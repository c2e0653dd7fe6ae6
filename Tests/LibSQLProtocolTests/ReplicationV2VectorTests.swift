import LibSQLProtocol
import Testing

/// What clients of libsql 0.9 and the recording server said in V2.
@Suite("V2 vectors")
struct ReplicationV2VectorTests {
  private func frames(_ body: [UInt8]) throws -> [WALFrame] {
    var reader = WALFrameReader()
    reader.append(body)
    var frames: [WALFrame] = []
    while let frame = try reader.next() { frames.append(frame) }
    try reader.finish()
    return frames
  }

  @Test func everyRecordedPathAndFrameIsWrittenAgainByteForByte() throws {
    var (paths, frameCount) = (0, 0)
    for exchange in try Vector.exchanges("v1", "v2") {
      guard let route = try ReplicationRoute(method: exchange.method, path: exchange.path) else { continue }
      #expect(route.path == exchange.path)
      #expect(route.method == exchange.method)
      paths += 1
      let isFrames = exchange.response.header("content-type") == "application/octet-stream"
      let bodies = [
        exchange.request.body, isFrames && exchange.path.hasPrefix("/sync") ? exchange.response.body : [],
      ]
      guard case .sync = route else { continue }
      for body in bodies where !body.isEmpty {
        let decoded = try frames(body)
        #expect(decoded.flatMap(\.bytes) == body)
        frameCount += decoded.count
      }
    }
    #expect(paths > 100)
    #expect(frameCount > 20)
  }

  /// The objects of the recording server have keys in another order and with spaces: compared after decoding.
  @Test func everyRecordedObjectIsUnderstood() throws {
    var count = 0
    for exchange in try Vector.exchanges("v2") {
      let body = exchange.response.body
      switch try ReplicationRoute(method: exchange.method, path: exchange.path) {
      case .sync(.info)?:
        let info = try SyncInfo(body)
        #expect(try SyncInfo(info.encoded) == info)
      case .sync(.pull(let range))? where exchange.response.status == 400:
        let end = try #require(try SyncEnd(statusCode: 400, body))
        #expect(end.generation >= range.generation)
        #expect(try SyncEnd(statusCode: 400, end.encoded) == end)
      case .sync(.push)?:
        let answer = try PushAnswer(body)
        #expect(try PushAnswer(answer.encoded) == answer)
      default: continue
      }
      count += 1
    }
    #expect(count > 15)
  }

  /// Follows the recorded answers with a cursor: it has to ask for what the client asked for.
  @Test(arguments: [
    ("v2/aiolibsql-bootstrap-pull", "[(1, 'one')]"),
    ("v2/bootstrap-pull-remote-write", "[(1, 'one'), (2, 'two'), (3, 'three')]"),
    ("v2/generation-roll", "[(1, 'one'), (2, 'two'), (3, 'three')]"),
    ("v2/offline-push", "[(1, 'one'), (10, 'off')]"), ("v2/offline-push-conflict", "[(1, 'one'), (10, 'off')]"),
    ("v2/probe-and-plaintext-bug-2165", "[(1, 'one')]"),
  ])
  func aPullAsksForWhatTheClientAskedFor(name: String, rows: String) throws {
    var image = Image()
    var cursor: PullCursor?
    for exchange in try Vector.load(name).exchanges {
      let body = exchange.response.body
      switch try ReplicationRoute(method: exchange.method, path: exchange.path) {
      case .sync(.export(let generation))?:
        var reader = ExportReader()
        reader.append(body)
        while let (number, page) = try reader.next() { image.write(number, page) }
        try reader.finish()
        image.resize(reader.pageCount)
        cursor = PullCursor(from: PullCursor.Position(generation: generation, frame: 0))
      case .sync(.pull(let range))?:
        #expect(try cursor?.range() == range)
        if let end = try SyncEnd(statusCode: exchange.response.status ?? 0, body) {
          let step = try cursor?.receive(end)
          #expect(step == (end.generation > range.generation ? .nextGeneration : .finished))
        } else {
          for frame in try frames(body) {
            image.apply(frame)
            _ = try cursor?.receive(frame)
          }
          #expect(cursor?.pendingFrameCount == 0)
        }
      case .sync(.push(let range, nil))?:
        let pushed = try frames(exchange.request.body)
        #expect(pushed.count == Int(range.count))
        for frame in pushed {
          #expect(frame.seal != [UInt8](repeating: 0, count: 16))
          image.apply(frame)
          _ = try cursor?.receive(frame)
        }
      default: continue
      }
    }
    #expect(try image.rows() == rows)
  }

  @Test func theAnswersToAPushSayWhatFollows() throws {
    let ok = try #require(try Vector.load("v2/offline-push").exchanges.first { $0.method == "POST" })
    let range = try #require(SyncRange(generation: 1, first: 4, end: 5))
    let answer = try PushAnswer(ok.response.body)
    #expect(answer == PushAnswer(.ok, generation: 1, lastFrame: 4, baton: "BATON1"))
    #expect(answer.outcome(of: range) == .stored(generation: 1, baton: "BATON1"))
    let conflict = try #require(try Vector.load("v2/offline-push-conflict").exchanges.first { $0.method == "POST" })
    #expect(try PushAnswer(conflict.response.body).outcome(of: range) == .conflict(lastFrame: 7))
  }
}
