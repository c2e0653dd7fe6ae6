internal import LibSQLProtocol

/// Replication by V1: gRPC-web, as sqld speaks it.
public struct V1Client: Sendable {
  private let remote: Remote

  /// A client. Nothing is sent yet.
  public init(_ remote: Remote) { self.remote = remote }

  /// Says Hello: whether the server speaks V1, and which log it has.
  ///
  /// - Returns: the log's id, and its last frame, nil for an empty log.
  /// - Throws: ``RemoteError`` `.notFound` when the server has no V1.
  public func hello() async throws(RemoteError) -> (logID: String, frameNumber: UInt64?) {
    let response = try await GRPCCall(remote, .hello, HelloRequest().encoded).hello()
    return (response.logID, response.currentReplicationIndex)
  }

  /// The changes since a position of V1; everything for nil.
  ///
  /// The log can be another one than the replica's: then ``ReplicationEvent/reset`` comes first. A replica from nothing gets
  /// the history as far as the log has it, or a snapshot: pages come in any order and may come several times. It fails with
  /// `.otherHistory` when the log has not come as far as the position.
  public func pull(from position: (logID: String, frameNumber: UInt64)?) -> ReplicationStream {
    let remote = remote
    let start = position.map { LogCursor.Position(logID: $0.logID, frameNumber: $0.frameNumber) }
    return ReplicationStream { V1Source(remote, LogCursor(from: start)) }
  }
}

/// One call of gRPC-web.
struct GRPCCall: Sendable {
  private let remote: Remote
  private let method: ReplicationMethod
  private let request: Remote.Request

  init(_ remote: Remote, _ method: ReplicationMethod, _ message: [UInt8], sessionToken: String? = nil) {
    self.remote = remote
    self.method = method
    var headers = [
      HTTPRequest.Header("te", "trailers"),
      HTTPRequest.Header(ReplicationHeaders.namespace, ReplicationHeaders.namespaceValue(remote.url.namespace)),
      HTTPRequest.Header(ReplicationHeaders.clientVersion, "libsql-rpc-albergue"),
    ]
    if let sessionToken { headers.append(HTTPRequest.Header(ReplicationHeaders.sessionToken, sessionToken)) }
    request = Remote.Request(
      operation: operation(of: method), method: .post, path: method.rawValue,
      contentType: GRPCWeb.requestContentType, headers: headers, authorization: ReplicationHeaders.authorization,
      body: GRPCWeb.frame(message: message), isRepeatable: true)
  }

  /// Sends it, and gives the body and the status of the HTTP headers, where there is one.
  func send() async throws(RemoteError) -> (body: ResponseBody, status: GRPCStatus?) {
    let response = try await remote.send(request)
    guard GRPCWeb.isBinary(contentType: response.head.value(of: "content-type")) else {
      throw RemoteError(
        .unsupportedProtocol, request.operation, url: url, detail: "an answer of gRPC-web in base64")
    }
    do throws(WireFormatError) {
      let status = try GRPCStatus(
        status: response.head.value(of: "grpc-status"), message: response.head.value(of: "grpc-message"))
      return (response.body, status)
    } catch {
      throw malformed(error)
    }
  }

  func hello() async throws(RemoteError) -> HelloResponse {
    let (body, status) = try await send()
    let bytes = try await body.collect(upTo: 1 << 20)
    do {
      let message = try GRPCMessageReader.response(bytes, headers: status)
      return try HelloResponse(message[...])
    } catch let error as GRPCStatus {
      throw failure(error)
    } catch {
      throw malformed(error)
    }
  }

  /// The error for a status that no other request gets around.
  func failure(_ status: GRPCStatus) -> RemoteError {
    let (code, detail): (RemoteError.Code, String) =
      switch (status.code, status.reason) {
      case (_, .namespaceDoesNotExist?): (.notFound, "there is no such database")
      case (.unauthenticated, _): (.unauthorized, "the token is missing, wrong or expired")
      case (.permissionDenied, _): (.forbidden, "the token does not allow this")
      case (.unavailable, _): (.unavailable, "the server cannot serve this now")
      case (.unimplemented, _): (.unsupportedProtocol, "the server does not know this call")
      case (_, .noHello?): (.malformedResponse, "the server refuses the session that it has opened itself")
      default: (.serverFailure, "the call failed with status \(status.code.rawValue) of gRPC")
      }
    return RemoteError(
      code, request.operation, url: url, detail: detail, remoteCode: status.reason?.rawValue,
      remoteText: status.message.isEmpty ? nil : remote.text(status.message))
  }

  func malformed(_ error: any Error) -> RemoteError {
    remote.malformed(request.operation, method.rawValue, error, mayHaveRun: false)
  }

  private var url: String { remote.url.description + method.rawValue }
}

private func operation(of method: ReplicationMethod) -> String {
  switch method {
  case .hello: "hello"
  case .batchLogEntries, .logEntries: "pull"
  case .snapshot: "snapshot"
  case .execute, .describe, .disconnect: "proxy"
  }
}

/// Makes the requests that a ``LogCursor`` asks for.
private struct V1Source: ReplicationSource {
  private let remote: Remote
  private var cursor: LogCursor
  private var events = EventQueue()
  /// The answer that is being read.
  private var answer: Answer?

  private struct Answer: Sendable {
    let call: GRPCCall
    let body: ResponseBody
    let status: GRPCStatus?
    var reader: ReplicationFrameReader
    /// Pages of the database after a snapshot, which its last frame says.
    var snapshotPageCount: UInt32?
    let isSnapshot: Bool
  }

  init(_ remote: Remote, _ cursor: LogCursor) {
    self.remote = remote
    self.cursor = cursor
  }

  mutating func next() async throws(RemoteError) -> ReplicationEvent? {
    while true {
      if let event = events.take() { return event }
      if answer != nil {
        try await read()
      } else if let request = cursor.request {
        try await ask(request)
      } else {
        return nil
      }
    }
  }

  private mutating func ask(_ request: LogCursor.Request) async throws(RemoteError) {
    switch request {
    case .hello:
      let response = try await GRPCCall(remote, .hello, HelloRequest().encoded).hello()
      // A log that is shorter than what the replica has of it was restored from a backup.
      if let committed = cursor.committed, committed.logID == response.logID,
        let newest = response.currentReplicationIndex, newest < committed.frameNumber
      {
        throw remote.otherHistory("hello", ReplicationMethod.hello.rawValue)
      }
      let hadPages = cursor.pendingFrameCount > 0
      if cursor.receive(response) { events.append(.reset) } else if hadPages { events.append(.discard) }
    case .batch(let offset): try await open(.batchLogEntries, offset, .batch)
    case .snapshot(let offset): try await open(.snapshot, offset, .stream)
    }
  }

  private mutating func open(
    _ method: ReplicationMethod, _ offset: LogOffset, _ shape: ReplicationFrameReader.Shape
  ) async throws(RemoteError) {
    let call = GRPCCall(remote, method, offset.encoded, sessionToken: cursor.sessionToken)
    let (body, status) = try await call.send()
    answer = Answer(
      call: call, body: body, status: status, reader: ReplicationFrameReader(shape), isSnapshot: shape == .stream)
  }

  private mutating func read() async throws(RemoteError) {
    guard var answer else { return }
    let chunk = try await answer.body.next()
    do throws(WireFormatError) {
      if let chunk { answer.reader.append(chunk) }
      while let message = try answer.reader.next() {
        let frame = message.frame
        events.append(RemotePage(number: frame.pageNumber, bytes: frame.page))
        let position = try cursor.receive(frame)
        if let position { events.append(.commit(Self.position(position), pageCount: frame.sizeAfter)) }
        if answer.isSnapshot && frame.isCommit { answer.snapshotPageCount = frame.sizeAfter }
      }
    } catch {
      throw answer.call.malformed(error)
    }
    self.answer = chunk == nil ? nil : answer
    if chunk == nil { try finish(&answer) }
  }

  private mutating func finish(_ answer: inout Answer) throws(RemoteError) {
    let hadPages = cursor.pendingFrameCount > 0
    do {
      let status = try answer.reader.finish(headers: answer.status)
      if let position = try cursor.finish(status), let pageCount = answer.snapshotPageCount {
        events.append(.commit(Self.position(position), pageCount: pageCount))
      } else if status.code != .ok && hadPages {
        events.append(.discard)
      }
      events.endRun()
    } catch let error as GRPCStatus {
      throw answer.call.failure(error)
    } catch {
      throw answer.call.malformed(error)
    }
  }

  private static func position(_ position: LogCursor.Position) -> ReplicationPosition {
    .v1(logID: position.logID, frameNumber: position.frameNumber)
  }
}
