import LibSQLProtocol
import Testing

/// What clients of libsql 0.9 and the recording server said in V1.
@Suite("V1 vectors")
struct ReplicationV1VectorTests {
  /// Decodes and encodes again: the bytes have to be the same, for the encoders write fields in the order of their numbers.
  private func roundTrip(_ method: ReplicationMethod, request message: [UInt8]) throws -> [UInt8] {
    switch method {
    case .hello: try HelloRequest(message[...]).encoded
    case .batchLogEntries, .logEntries, .snapshot: try LogOffset(message[...]).encoded
    case .execute: try ProxyProgram(message[...]).encoded
    case .describe: try ProxyDescribeRequest(message[...]).encoded
    case .disconnect: try ProxyDisconnect(message[...]).encoded
    }
  }

  private func roundTrip(_ method: ReplicationMethod, response message: [UInt8]) throws -> [UInt8] {
    switch method {
    case .hello: try HelloResponse(message[...]).encoded
    case .batchLogEntries: FrameBatch.encode(try FrameBatch.decode(message[...]))
    case .logEntries, .snapshot: try FrameMessage(message[...]).encoded
    case .execute: try ProxyResults(message[...]).encoded
    case .describe: ProxyDescription.encode(try ProxyDescription.decode(message[...]))
    case .disconnect: message
    }
  }

  @Test func everyRecordedMessageIsWrittenAgainByteForByte() throws {
    var (requests, responses) = (0, 0)
    for exchange in try Vector.exchanges("v1") {
      guard case .call(let method)? = try ReplicationRoute(method: exchange.method, path: exchange.path) else {
        continue
      }
      let request = try GRPCMessageReader.request(exchange.request.body)
      #expect(GRPCWeb.frame(message: try roundTrip(method, request: request)) == exchange.request.body)
      requests += 1

      var reader = GRPCMessageReader()
      reader.append(exchange.response.body)
      var messages: [[UInt8]] = []
      while let message = try reader.next() { messages.append(try roundTrip(method, response: message)) }
      let headers = try exchange.response.grpcStatus()
      let status = try reader.finish(headers: headers)
      if headers == nil {
        #expect(GRPCWeb.response(messages: messages, status: status) == exchange.response.body)
      } else {
        #expect(exchange.response.body.isEmpty)
        #expect(headers?.statusValue == exchange.response.header("grpc-status"))
        #expect(headers?.messageValue == exchange.response.header("grpc-message"))
      }
      responses += messages.count
    }
    #expect(requests > 80)
    #expect(responses > 80)
  }

  @Test(arguments: [
    ("v1/compacted-log-gaps", "[(1, 'one'), (2, 'two'), (9, 'nine')]"),
    ("v1/delegated-write-batch-errors", "[(1, 'one')]"), ("v1/delegated-write-types", "[(1, 'one')]"),
    ("v1/encrypted-replica", "[(1, 'one')]"), ("v1/need-snapshot", "[(1, 'ONE'), (2, 'two')]"),
    ("v1/need-snapshot-trailer-status", "[(1, 'ONE'), (2, 'two')]"),
    ("v1/session-changed-no-hello", "[(1, 'one'), (9, 'n')]"),
    ("v1/sync-incremental", "[(1, 'one'), (2, 'two')]"), ("v1/transaction-split-over-batches", "[(1, 'one')]"),
  ])
  func theFramesMakeTheDatabaseThatTheClientHad(name: String, rows: String) throws {
    var image = Image()
    for exchange in try Vector.load(name).exchanges {
      let isSnapshot = exchange.path == ReplicationMethod.snapshot.rawValue
      guard isSnapshot || exchange.path == ReplicationMethod.batchLogEntries.rawValue else { continue }
      var reader = ReplicationFrameReader(isSnapshot ? .stream : .batch)
      reader.append(exchange.response.body)
      while let message = try reader.next() { image.apply(message.frame) }
      _ = try reader.finish(headers: try exchange.response.grpcStatus())
    }
    #expect(try image.rows() == rows)
  }

  @Test func aSyncGoesOnWhereTheLastOneStopped() throws {
    let vector = try Vector.load("v1/sync-incremental")
    let hellos = try vector.calls(.hello).map { exchange in
      try HelloResponse(GRPCMessageReader.response(exchange.response.body)[...])
    }
    #expect(hellos.map(\.currentReplicationIndex) == [3, 4, 4])
    #expect(Set(hellos.map(\.logID)).count == 1)
    #expect(hellos[0].configuration == DatabaseConfiguration(pageCountLimit: 1 << 62))
    let batches = vector.calls(.batchLogEntries)
    let offsets = try batches.map { try LogOffset(GRPCMessageReader.request($0.request.body)[...]).nextOffset }
    #expect(offsets == [0, 4, 5])
    #expect(batches.allSatisfy { $0.request.header(ReplicationHeaders.sessionToken) == hellos[0].sessionToken })
    let frames = try batches.map { try FrameBatch.decode(GRPCMessageReader.response($0.response.body)[...]) }
    #expect(frames.map { $0.map(\.frame.frameNumber) } == [[1, 2, 3], [4], []])
    #expect(frames[0].last?.frame.isCommit == true)
    #expect(frames[1][0].timestamp.map { $0 > 1_700_000_000_000 } == true)
  }

  @Test func framesMayHaveGaps() throws {
    let batches = try Vector.load("v1/compacted-log-gaps").calls(.batchLogEntries)
    let frames = try batches.map { try FrameBatch.decode(GRPCMessageReader.response($0.response.body)[...]) }
    #expect(frames.flatMap { $0 }.map(\.frame.frameNumber) == [8, 15, 22])
    #expect(frames.flatMap { $0 }.allSatisfy { $0.frame.checksum == 0 })
    #expect(try LogOffset(GRPCMessageReader.request(batches[1].request.body)[...]).nextOffset == 16)
  }

  @Test(arguments: ["v1/need-snapshot", "v1/need-snapshot-trailer-status"])
  func aTruncatedLogSendsTheClientToTheSnapshot(name: String) throws {
    let vector = try Vector.load(name)
    let refused = try #require(vector.calls(.batchLogEntries).first)
    var reader = ReplicationFrameReader(.batch)
    reader.append(refused.response.body)
    #expect(try reader.next() == nil)
    #expect(try reader.finish(headers: try refused.response.grpcStatus()).reason == .needSnapshot)

    let snapshot = try #require(vector.calls(.snapshot).first)
    var stream = ReplicationFrameReader(.stream)
    stream.append(snapshot.response.body)
    var frames: [ReplicationFrame] = []
    while let message = try stream.next() { frames.append(message.frame) }
    #expect(try stream.finish() == .ok)
    #expect(frames.count == 2)
    #expect(frames.map(\.frameNumber) == frames.map(\.frameNumber).sorted(by: >))
    #expect(frames.map(\.isCommit) == [false, true])
    // The client goes on behind the first frame of the snapshot, which has the highest number.
    let next = try #require(vector.calls(.batchLogEntries).last)
    #expect(try LogOffset(GRPCMessageReader.request(next.request.body)[...]).nextOffset == frames[0].frameNumber + 1)
  }

  @Test func aRefusedHelloSaysWhy() throws {
    let unauthenticated = try Vector.load("v1/hello-unauthenticated").calls(.hello)
    #expect(unauthenticated.count == 3)
    for exchange in unauthenticated {
      let status = GRPCStatus(.unauthenticated, message: "AuthError: The JWT is invalid")
      #expect(throws: status) {
        try GRPCMessageReader.response(exchange.response.body, headers: try exchange.response.grpcStatus())
      }
    }
    let missing = try #require(try Vector.load("v1/namespace-doesnt-exist").calls(.hello).first)
    #expect(try missing.response.grpcStatus()?.reason == .namespaceDoesNotExist)
    #expect(try ReplicationHeaders.namespace(try #require(missing.request.header("x-namespace-bin"))) == "127")
    let restarted = try Vector.load("v1/session-changed-no-hello").calls(.batchLogEntries)[1]
    #expect(try restarted.response.grpcStatus()?.reason == .noHello)
  }

  @Test func delegatedStatementsCarryEveryTypeOfValue() throws {
    let calls = try Vector.load("v1/delegated-write-types").calls(.execute)
    let programs = try calls.map { try ProxyProgram(GRPCMessageReader.request($0.request.body)[...]) }
    #expect(Set(programs.map(\.clientID)).count == 1)
    let values: [ProxyValue] = [.integer(42), .real(1.5), .text("hé"), .blob([0, 255]), .null]
    #expect(programs.contains { $0.steps.map(\.query.parameters) == [.positional(values)] })
    let results = try calls.map { try ProxyResults(GRPCMessageReader.response($0.response.body)[...]) }
    #expect(results.map(\.state).contains(.transaction))
    let rows = results.flatMap(\.results).compactMap { try? $0.get() }
    let selected = try #require(rows.first { $0.columns.count == 5 })
    #expect(selected.columns.map(\.name) == ["i", "r", "s", "b", "n"])
    #expect(selected.columns.map(\.declaredType) == ["INTEGER", "REAL", "TEXT", "BLOB", nil])
    #expect(selected.rows == [values])
    #expect(rows.contains { $0.affectedRowCount == 1 && $0.lastInsertRowID == 1 })
    #expect(rows.contains { $0.rows == [[.integer(7), .integer(2)]] })
  }

  @Test func failuresOfDelegatedStatementsKeepTheirCodes() throws {
    let vector = try Vector.load("v1/delegated-write-batch-errors")
    let results = try vector.calls(.execute).map {
      try ProxyResults(GRPCMessageReader.response($0.response.body)[...])
    }
    let failures = results.flatMap(\.results).compactMap { result -> ProxyError? in
      guard case .failure(let error) = result else { return nil }
      return error
    }
    let unique = ProxyError(.internal, message: "SQLite error: UNIQUE constraint failed: t.id", extendedCode: 1555)
    #expect(failures == [unique])
    let refused = try vector.calls(.describe).compactMap { try $0.response.grpcStatus() }
    #expect(refused == [GRPCStatus(.permissionDenied, message: "SQLite error: no such table: nosuch")])
    let script = try #require(vector.calls(.execute).first)
    let program = try ProxyProgram(GRPCMessageReader.request(script.request.body)[...])
    #expect(program.steps.count == 3)
    #expect(results[0].results.count == 3)
    let described = try vector.calls(.describe).filter { !$0.response.body.isEmpty }.map {
      try ProxyDescription.decode(GRPCMessageReader.response($0.response.body)[...]).get()
    }
    #expect(described.last?.columns == [ProxyColumn(name: "user_version")])
  }
}
