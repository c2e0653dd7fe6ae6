import LibSQLProtocol
import Testing

@Suite("Replication routes")
struct ReplicationRouteTests {
  @Test(arguments: [
    "/sync/1/5", "/sync/1/5/10/", "/sync/1/5/10/a/b", "/sync//5/10", "/sync/01/5/10", "/sync/+1/5/10", "/sync/1/5/5",
    "/sync/1/0/10", "/sync/0/1/2", "/sync/1/10/5", "/sync/1/5/4294967296", "/sync/1/5/10/..", "/sync/1/5/10/a%2Fb",
    "/sync/1/5/10?x=1", "/sync/１/5/10", "/sync", "/sync/", "/sync/1/5/10/é", "/sync/-1/5/10", "/sync/1/5/0x10",
    "/sync/0/0/0",
  ])
  func aPushPathThatIsNotExactIsRefused(path: String) {
    #expect(throws: WireFormatError.self) { try ReplicationRoute(method: "POST", path: path) }
  }

  @Test(arguments: [
    "/export", "/export/", "/export/0", "/export/1/2", "/export/1?", "/info/", "/info?a", "/sync/1/5/10/b",
  ])
  func aPullPathThatIsNotExactIsRefused(path: String) {
    #expect(throws: WireFormatError.self) { try ReplicationRoute(method: "GET", path: path) }
  }

  @Test(arguments: [
    ("GET", "/"), ("GET", ""), ("GET", "/health"), ("GET", "/infos"), ("GET", "info"), ("POST", "/info"),
    ("DELETE", "/sync/1/5/10"), ("GET", "/pull-updates"), ("POST", "/v2/pipeline"), ("POST", "/exports/1"),
    ("GET", "/wal_log.ReplicationLog/Hello"), ("POST", "/wal_log.ReplicationLog/hello"),
  ])
  func pathsOfOthersAreLeftToThem(method: String, path: String) throws {
    #expect(try ReplicationRoute(method: method, path: path) == nil)
  }

  @Test func theExampleOfADocumentedPathIsRead() throws {
    let range = try #require(SyncRange(generation: 1, first: 5, end: 10))
    #expect(try ReplicationRoute(method: "GET", path: "/sync/1/5/10") == .sync(.pull(range)))
    #expect(range.count == 5)
    #expect(range.last == 9)
    #expect(try ReplicationRoute(method: "GET", path: "/sync/0/0/0") == .sync(.probe))
  }

  @Test func aLongPathIsRefused() {
    let path = "/sync/1/5/10/" + String(repeating: "a", count: 5000)
    let error = #expect(throws: WireFormatError.self) { try SyncRoute(method: "POST", path: path) }
    #expect(error?.code == .limitExceeded)
  }

  @Test(arguments: ["TVI=x", "MTI", "M", "MTJ", "", "====", "MTI3=", "MT I", "_w", "//8"])
  func aNamespaceThatIsNoBase64OfAName(value: String) throws {
    if value == "MTI" {
      #expect(try ReplicationHeaders.namespace(value) == "12")
    } else {
      #expect(throws: WireFormatError.self) { try ReplicationHeaders.namespace(value) }
    }
  }

  @Test(arguments: [
    ("{}", 400), ("", 400), ("[]", 400), (#"{"generation":-1}"#, 400), (#"{"generation":"1"}"#, 400),
    (#"{"generation":1.5}"#, 400), (#"{"generation":4294967296}"#, 400),
  ])
  func anEndWithoutAGenerationIsAFailure(body: String, status: Int) throws {
    #expect(throws: WireFormatError.self) { try SyncEnd(statusCode: status, Array(body.utf8)) }
    #expect(try SyncEnd(statusCode: 500, Array(body.utf8)) == nil)
    #expect(try SyncEnd(statusCode: 503, Array(#"{"generation":1}"#.utf8)) == nil)
    #expect(try SyncEnd(statusCode: 500, Array(#"{"generation":1}"#.utf8))?.generation == 1)
  }

  @Test(arguments: [
    #"{"status":"ok","generation":1}"#, #"{"status":"late","generation":1,"max_frame_no":1}"#,
    #"{"status":"ok","generation":0,"max_frame_no":1}"#,
    #"{"status":"ok","generation":1,"max_frame_no":1,"baton":"../x"}"#, "null", "{",
  ])
  func anAnswerToAPushThatIsNotUnderstoodIsRefused(body: String) {
    #expect(throws: WireFormatError.self) { try PushAnswer(Array(body.utf8)) }
  }

  @Test func anAnswerToAPushSaysWhereToGoOn() throws {
    let range = try #require(SyncRange(generation: 2, first: 10, end: 20))
    func outcome(_ status: PushAnswer.Status, _ last: UInt32) -> PushAnswer.Outcome {
      PushAnswer(status, generation: 2, lastFrame: last).outcome(of: range)
    }
    #expect(outcome(.ok, 19) == .stored(generation: 2, baton: nil))
    #expect(outcome(.ok, 12) == .resend(afterFrame: 12))
    #expect(outcome(.ok, 20) == .ahead(lastFrame: 20))
    #expect(outcome(.conflict, 30) == .conflict(lastFrame: 30))
    #expect(outcome(.checkpointNeeded, 0) == .generationClosed(current: 2))
  }

  @Test func aPullThatEndsInsideATransactionBeginsAgainBehindTheLastCommit() throws {
    let page = [UInt8](repeating: 0, count: 4096)
    func frame(commit: Bool) -> WALFrame { WALFrame(pageNumber: 1, sizeAfter: commit ? 1 : 0, page: page) }
    var cursor = PullCursor(from: PullCursor.Position(generation: 3, frame: 7))
    #expect(try cursor.range() == SyncRange(generation: 3, first: 8, end: 136))
    #expect(try cursor.receive(frame(commit: false)) == nil)
    #expect(try cursor.receive(frame(commit: true)) == PullCursor.Position(generation: 3, frame: 9))
    #expect(try cursor.receive(frame(commit: false)) == nil)
    #expect(try cursor.range(window: 2) == SyncRange(generation: 3, first: 11, end: 13))
    #expect(throws: WireFormatError.self) { try cursor.receive(SyncEnd(generation: 4, lastFrame: nil)) }
    #expect(throws: WireFormatError.self) { try cursor.receive(SyncEnd(generation: 2, lastFrame: nil)) }
    #expect(try cursor.receive(SyncEnd(generation: 3, lastFrame: nil)) == .finished)
    #expect(try cursor.range() == SyncRange(generation: 3, first: 10, end: 138))
    #expect(try cursor.receive(SyncEnd(generation: 9, lastFrame: nil)) == .nextGeneration)
    #expect(try cursor.range() == SyncRange(generation: 4, first: 1, end: 129))
    #expect(throws: WireFormatError.self) {
      try PullCursor(from: PullCursor.Position(generation: 1, frame: .max)).range()
    }
  }
}
