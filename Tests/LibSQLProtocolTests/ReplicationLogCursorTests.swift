import LibSQLProtocol
import Testing

/// The way of a V1 pull from one request to the next.
@Suite("V1 pull")
struct ReplicationLogCursorTests {
  private let log = "00000000-0000-4000-8000-00000000000a"
  private let session = "00000000-0000-4000-8000-00000000000b"

  private func hello(_ index: UInt64?, log: String? = nil) -> HelloResponse {
    HelloResponse(logID: log ?? self.log, sessionToken: session, currentReplicationIndex: index)
  }

  private func frame(_ number: UInt64, commits: Bool) -> ReplicationFrame {
    ReplicationFrame(
      frameNumber: number, pageNumber: 1, sizeAfter: commits ? 1 : 0, page: [UInt8](repeating: 0, count: 4096))
  }

  private func position(_ number: UInt64) -> LogCursor.Position { LogCursor.Position(logID: log, frameNumber: number) }

  /// Plays the recorded answers to each request that the cursor makes, as the server would give them.
  @Test(arguments: [
    ("v1/compacted-log-gaps", "[(1, 'one'), (2, 'two'), (9, 'nine')]"), ("v1/encrypted-replica", "[(1, 'one')]"),
    ("v1/need-snapshot", "[(1, 'ONE'), (2, 'two')]"), ("v1/need-snapshot-trailer-status", "[(1, 'ONE'), (2, 'two')]"),
    ("v1/sync-incremental", "[(1, 'one'), (2, 'two')]"), ("v1/transaction-split-over-batches", "[(1, 'one')]"),
  ])
  func theRecordedAnswersLeadToTheRecordedDatabase(name: String, rows: String) throws {
    let vector = try Vector.load(name)
    var image = Image()
    var position: LogCursor.Position?
    var exchanges = vector.exchanges.filter { $0.path != "/info" }
    for exchange in vector.calls(.hello) {
      var cursor = LogCursor(from: position)
      let isOther = cursor.receive(try HelloResponse(GRPCMessageReader.response(exchange.response.body)[...]))
      #expect(!isOther)
      while let request = cursor.request {
        let (method, offset) = try #require(Self.call(request))
        let place = try #require(
          try exchanges.firstIndex {
            try $0.path == method.rawValue && LogOffset(GRPCMessageReader.request($0.request.body)[...]) == offset
          })
        let answer = exchanges.remove(at: place)
        var reader = ReplicationFrameReader(method == .snapshot ? .stream : .batch)
        reader.append(answer.response.body)
        while let message = try reader.next() {
          image.apply(message.frame)
          _ = try cursor.receive(message.frame)
        }
        _ = try cursor.finish(try reader.finish(headers: try answer.response.grpcStatus()))
      }
      position = cursor.committed
    }
    #expect(try image.rows() == rows)
  }

  private static func call(_ request: LogCursor.Request) -> (ReplicationMethod, LogOffset)? {
    switch request {
    case .hello: nil
    case .batch(let offset): (.batchLogEntries, offset)
    case .snapshot(let offset): (.snapshot, offset)
    }
  }

  @Test func aReplicaThatHasEverythingAsksForNothing() {
    var cursor = LogCursor(from: position(7))
    #expect(cursor.request == .hello)
    let isOther = cursor.receive(hello(7))
    #expect(!isOther)
    #expect(cursor.request == nil)
    #expect(cursor.sessionToken == session)
  }

  @Test func anotherLogBeginsAtItsStart() {
    var cursor = LogCursor(from: position(7))
    let isOther = cursor.receive(hello(3, log: "00000000-0000-4000-8000-00000000000c"))
    #expect(isOther)
    #expect(cursor.committed == nil)
    #expect(cursor.request == .batch(LogOffset(nextOffset: 0)))
  }

  @Test func aTransactionMayTakeSeveralAnswers() throws {
    var cursor = LogCursor(from: nil)
    _ = cursor.receive(hello(2))
    #expect(try cursor.receive(frame(0, commits: false)) == nil)
    #expect(try cursor.finish(.ok) == nil)
    #expect(cursor.request == .batch(LogOffset(nextOffset: 1)))
    #expect(try cursor.receive(frame(2, commits: true)) == position(2))
    #expect(try cursor.finish(.ok) == nil)
    #expect(cursor.request == nil)
  }

  @Test func aSnapshotIsOneTransactionAndTheLogGoesOnBehindIt() throws {
    var cursor = LogCursor(from: position(1))
    _ = cursor.receive(hello(9))
    #expect(try cursor.finish(GRPCStatus(.needSnapshot)) == nil)
    #expect(cursor.request == .snapshot(LogOffset(nextOffset: 2)))
    #expect(try cursor.receive(frame(8, commits: false)) == nil)
    #expect(try cursor.receive(frame(3, commits: true)) == nil)
    #expect(try cursor.finish(.ok) == position(8))
    #expect(cursor.request == .batch(LogOffset(nextOffset: 9)))
  }

  @Test func aNewSessionBeginsBehindTheLastCommit() throws {
    var cursor = LogCursor(from: position(4))
    _ = cursor.receive(hello(9))
    #expect(try cursor.receive(frame(5, commits: false)) == nil)
    #expect(try cursor.finish(GRPCStatus(.noHello)) == nil)
    #expect(cursor.request == .hello)
    #expect(cursor.pendingFrameCount == 0)
    _ = cursor.receive(hello(9))
    #expect(cursor.request == .batch(LogOffset(nextOffset: 5)))
  }

  /// libsql's client asks without a pause in each of these cases.
  @Test func anAnswerThatBringsTheReplicaNoFurtherEndsThePull() throws {
    var promised = LogCursor(from: position(4))
    _ = promised.receive(hello(9))
    #expect(throws: WireFormatError.self) { try promised.finish(.ok) }

    var empty = LogCursor(from: position(4))
    _ = empty.receive(hello(9))
    _ = try empty.finish(GRPCStatus(.needSnapshot))
    #expect(throws: WireFormatError.self) { try empty.finish(.ok) }

    var old = LogCursor(from: position(4))
    _ = old.receive(hello(9))
    _ = try old.finish(GRPCStatus(.needSnapshot))
    _ = try old.receive(frame(4, commits: true))
    #expect(throws: WireFormatError.self) { try old.finish(.ok) }

    var refused = LogCursor(from: position(4))
    for _ in 0..<2 {
      _ = refused.receive(hello(9))
      _ = try refused.finish(GRPCStatus(.noHello))
    }
    _ = refused.receive(hello(9))
    #expect(throws: GRPCStatus(.noHello)) { try refused.finish(GRPCStatus(.noHello)) }
  }

  @Test func framesOutOfOrderAreRefused() throws {
    var batch = LogCursor(from: position(4))
    _ = batch.receive(hello(9))
    #expect(throws: WireFormatError.self) { try batch.receive(frame(4, commits: true)) }
    #expect(throws: WireFormatError.self) { try batch.receive(frame(.max, commits: true)) }
    var snapshot = LogCursor(from: nil)
    _ = snapshot.receive(hello(9))
    _ = try snapshot.finish(GRPCStatus(.needSnapshot))
    _ = try snapshot.receive(frame(9, commits: false))
    #expect(throws: WireFormatError.self) { try snapshot.receive(frame(9, commits: true)) }
    _ = try snapshot.receive(frame(2, commits: true))
    #expect(throws: WireFormatError.self) { try snapshot.receive(frame(1, commits: true)) }
  }

  @Test func aLogThatEndsInsideATransactionIsRefused() throws {
    var cursor = LogCursor(from: nil)
    _ = cursor.receive(hello(nil))
    #expect(cursor.request == .batch(LogOffset(nextOffset: 0)))
    _ = try cursor.receive(frame(1, commits: false))
    #expect(throws: WireFormatError.self) { try cursor.finish(.ok) }
    var failed = LogCursor(from: nil)
    _ = failed.receive(hello(nil))
    #expect(throws: GRPCStatus(.unavailable)) { try failed.finish(GRPCStatus(.unavailable)) }
  }
}
