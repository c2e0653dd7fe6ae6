import Foundation
import HTTPTypes
import LibSQLProtocol
import PageStore
import TestSupport
import Testing

@testable import Primary

/// The copy that a replica keeps: pages, changed by whole transactions only.
struct ReplicaImage {
  private(set) var pages: [[UInt8]] = []
  private var pending: [UInt32: [UInt8]] = [:]

  mutating func add(_ number: UInt32, _ page: [UInt8]) { pending[number] = page }

  /// Whether a page has come since the last commit.
  func isPending(_ number: UInt32) -> Bool { pending[number] != nil }

  mutating func commit(pageCount: UInt32) throws {
    pages.removeLast(max(0, pages.count - Int(pageCount)))
    while pages.count < Int(pageCount) { pages.append([]) }
    for (number, page) in pending where number <= pageCount { pages[Int(number) - 1] = page }
    pending = [:]
    try #require(!pages.contains([]), "a page of the replica was never sent")
  }

  mutating func forget() { pending = [:] }

  mutating func empty() { self = ReplicaImage() }

  /// Compares with the primary page by page. Counters of page 1 that changed with nothing else are not sent again.
  func expectEqual(
    _ primary: ReplicationPrimary, _ place: String, sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    let (state, expected) = try await primary.image()
    #expect(pages.count == expected.count, "\(place), at \(state.image)", sourceLocation: sourceLocation)
    let different = zip(pages, expected).enumerated().filter { index, pair in
      index == 0 ? Self.withoutCounters(pair.0) != Self.withoutCounters(pair.1) : pair.0 != pair.1
    }
    #expect(different.map { $0.offset + 1 } == [], "\(place), at \(state.image)", sourceLocation: sourceLocation)
  }

  private static func withoutCounters(_ page: [UInt8]) -> [UInt8] {
    var page = page
    for offset in Array(24..<28) + Array(92..<100) { page[offset] = 0 }
    return page
  }

  /// What the `sqlcipher` command line says about the image as a file.
  func lines(_ folder: TemporaryDirectory, _ sql: String) throws -> [String] {
    let file = folder.file("judged.db")
    try Bytes.write(Data(pages.flatMap { $0 }), to: file)
    return try SQLCipherShell.lines(file, sql)
  }
}

/// A replica of V2, with the state machine of the client.
struct SyncReplica {
  var image = ReplicaImage()
  private(set) var cursor: PullCursor?
  /// Requests of the last pull.
  private(set) var requestCount = 0

  /// Pulls until the server says that there is nothing more.
  mutating func pull(_ primary: ReplicationPrimary) async throws {
    requestCount = 0
    if cursor == nil { try await bootstrap(primary) }
    while let range = try cursor?.range() {
      requestCount += 1
      let answer = try await primary.send(.sync(.pull(range)))
      if let end = try SyncEnd(statusCode: answer.status, answer.body) {
        image.forget()
        guard try cursor?.receive(end) == .nextGeneration else { return }
        continue
      }
      try #require(answer.status == 200, "\(String(decoding: answer.body, as: UTF8.self))")
      var reader = WALFrameReader()
      reader.append(answer.body)
      while let frame = try reader.next() {
        // The log of libsql would have one frame where the protocol counts two.
        #expect(!image.isPending(frame.pageNumber), "page \(frame.pageNumber) twice in a transaction")
        image.add(frame.pageNumber, frame.page)
        if try cursor?.receive(frame) != nil { try image.commit(pageCount: frame.sizeAfter) }
      }
      try reader.finish()
    }
  }

  /// Goes on from another position, after a push.
  mutating func adopt(_ position: PullCursor.Position) { cursor = PullCursor(from: position) }

  mutating func bootstrap(_ primary: ReplicationPrimary) async throws {
    let info = try SyncInfo(try await primary.send(.sync(.info)).body)
    let answer = try await primary.send(.sync(.export(generation: info.currentGeneration)))
    try #require(answer.status == 200)
    var reader = ExportReader()
    reader.append(answer.body)
    while let (number, page) = try reader.next() { image.add(number, page) }
    try reader.finish()
    try image.commit(pageCount: reader.pageCount)
    cursor = PullCursor(from: .init(generation: info.currentGeneration, frame: 0))
  }
}

/// A replica of V1, with the state machine of the client.
struct LogReplica {
  var image = ReplicaImage()
  private(set) var position: LogCursor.Position?
  /// Methods that the last pull called.
  private(set) var calls: [ReplicationMethod] = []

  init(at position: LogCursor.Position? = nil) { self.position = position }

  mutating func pull(_ primary: ReplicationPrimary) async throws {
    calls = []
    var cursor = LogCursor(from: position)
    while let request = cursor.request {
      switch request {
      case .hello:
        let answer = try await send(primary, .hello, HelloRequest().encoded, nil)
        if cursor.receive(try HelloResponse(try GRPCMessageReader.response(answer.body)[...])) { image.empty() }
      case .batch(let offset):
        let answer = try await send(primary, .batchLogEntries, offset.encoded, cursor.sessionToken)
        try receive(answer, .batch, &cursor)
      case .snapshot(let offset):
        let answer = try await send(primary, .snapshot, offset.encoded, cursor.sessionToken)
        try receive(answer, .stream, &cursor)
      }
      position = cursor.committed
    }
  }

  private mutating func send(
    _ primary: ReplicationPrimary, _ method: ReplicationMethod, _ message: [UInt8], _ session: String?
  ) async throws -> Answer {
    calls.append(method)
    var headers: HTTPFields = [:]
    if let name = HTTPField.Name(ReplicationHeaders.sessionToken) { headers[name] = session }
    let answer = try await primary.send(.call(method), GRPCWeb.frame(message: message), headers: headers)
    #expect(answer.status == 200)
    return answer
  }

  private mutating func receive(
    _ answer: Answer, _ shape: ReplicationFrameReader.Shape, _ cursor: inout LogCursor
  ) throws {
    var reader = ReplicationFrameReader(shape)
    reader.append(answer.body)
    var size: UInt32 = 0
    while let message = try reader.next() {
      let frame = message.frame
      image.add(frame.pageNumber, frame.page)
      size = frame.sizeAfter
      if try cursor.receive(frame) != nil { try image.commit(pageCount: size) }
    }
    if try cursor.finish(try reader.finish()) != nil { try image.commit(pageCount: size) }
    if cursor.pendingFrameCount == 0 { image.forget() }
  }
}

/// A replica of Turso's kind.
struct PullReplica {
  var image = ReplicaImage()
  private(set) var revision = ""
  /// Pages that the last pull brought.
  private(set) var pageCount = 0

  mutating func pull(_ primary: ReplicationPrimary, longPoll: UInt32 = 0) async throws {
    var request = PullUpdatesRequest()
    request.clientRevision = revision
    request.longPollTimeout = longPoll
    let header = try await add(try await primary.send(.pullUpdates, request.encoded))
    revision = header.serverRevision
    try image.commit(pageCount: UInt32(header.pageCount))
  }

  /// A first pull in parts of `length` pages, all at one revision.
  mutating func bootstrap(
    _ primary: ReplicationPrimary, length: UInt32, between: () async throws -> Void
  ) async throws {
    var request = PullUpdatesRequest()
    var first: UInt32 = 0
    var size: UInt32 = 1
    while first < size {
      request.pages = PageSet([first...(first + length - 1)])
      let header = try await add(try await primary.send(.pullUpdates, request.encoded))
      #expect(revision.isEmpty || header.serverRevision == revision)
      #expect(first == 0 || UInt32(header.pageCount) == size)
      revision = header.serverRevision
      request.serverRevision = revision
      size = UInt32(header.pageCount)
      first += length
      try await between()
    }
    try image.commit(pageCount: size)
  }

  mutating func add(_ answer: Answer) async throws -> PullUpdatesHeader {
    try #require(answer.status == 200, "\(answer.status) \(String(decoding: answer.body, as: UTF8.self))")
    var reader = PullUpdatesReader()
    reader.append(answer.body)
    pageCount = 0
    while let event = try reader.next() {
      guard case .page(let page) = event else { continue }
      image.add(page.pageNumber, page.page)
      pageCount += 1
    }
    try reader.finish()
    let header = try #require(reader.header)
    #expect(header.pageEncoding == .raw && header.databaseProtocol == .pages)
    return header
  }
}
