public import LibSQLProtocol
internal import Synchronization

/// SQL on a remote database, by Hrana over HTTP: version 3, or 2 where a server has no more.
///
/// Statements are sent once. The exception is a request that did not reach the server, and one that the caller calls
/// repeatable: a read.
public final class HranaClient: Sendable {
  /// The versions that are spoken.
  public enum Version: Int, Sendable {
    /// Without cursors, and without asking whether a transaction is open.
    case two = 2
    /// Everything.
    case three = 3
  }

  let remote: Remote
  private let limits: Hrana.Limits
  private let known = Mutex<Version?>(nil)

  /// A client. Nothing is sent yet.
  ///
  /// - Parameter limits: of one answer. Default 64 MiB.
  public init(_ remote: Remote, limits: Hrana.Limits = Hrana.Limits()) {
    self.remote = remote
    self.limits = limits
  }

  /// The version that the server speaks, asked once.
  ///
  /// - Throws: ``RemoteError``; an answer that says nothing about versions, such as 503, is an error and decides nothing.
  public func version() async throws(RemoteError) -> Version {
    if let version = known.withLock(\.self) { return version }
    // A server that answers neither check is asked the newest way, and says then what it thinks of it.
    let version: Version
    if try await supports(.three) { version = .three } else { version = try await supports(.two) ? .two : .three }
    known.withLock { $0 = version }
    return version
  }

  private func supports(_ version: Version) async throws(RemoteError) -> Bool {
    let request = Remote.Request(operation: "probe", path: "/v\(version.rawValue)", isRepeatable: true)
    let response = try await remote.send(request) { (200...299).contains($0) || [404, 405, 501].contains($0) }
    return response.head.status < 300
  }

  // MARK: - Statements

  /// Runs one statement.
  ///
  /// - Parameter isRepeatable: whether running it twice does no harm. Then it is sent again after a passing failure.
  /// - Throws: ``RemoteError``: `.statement` when it failed; any other error with ``RemoteError/mayHaveRun`` when its effect is
  ///   not known.
  public func execute(
    _ statement: Hrana.Statement, isRepeatable: Bool = false
  ) async throws(RemoteError) -> Hrana.StatementResult {
    let results = try await once([.execute(statement), .close], "execute", isRepeatable)
    guard case .execute(let result) = try success(results[0], "execute") else { throw mismatch("execute") }
    return result
  }

  /// Runs a batch; failing steps are in the result.
  ///
  /// - Throws: ``RemoteError`` as ``execute(_:isRepeatable:)``.
  public func batch(
    _ batch: Hrana.Batch, isRepeatable: Bool = false
  ) async throws(RemoteError) -> Hrana.BatchResult {
    let results = try await once([.batch(batch), .close], "batch", isRepeatable)
    return try batchResult(results[0], of: batch, "batch")
  }

  /// Runs statements in one transaction and one request: all of them or none.
  ///
  /// - Returns: the result of each statement, and the position after the commit where the server says it.
  /// - Throws: ``RemoteError`` `.statement` for the first that failed, with everything undone; any other error with
  ///   ``RemoteError/mayHaveRun`` when it is not known whether the transaction was committed.
  public func executeAtomically(
    _ statements: [Hrana.Statement]
  ) async throws(RemoteError) -> (results: [Hrana.StatementResult], replicationIndex: UInt64?) {
    let batch = Hrana.Batch(atomically: statements)
    let result = try await self.batch(batch)
    if let step = result.stepErrors.dropLast().firstIndex(where: { $0 != nil }), let error = result.stepErrors[step] {
      var failure = failure(error, "execute")
      // Before the statements there is BEGIN.
      failure.failedStatementIndex = (1...statements.count).contains(step) ? step - 1 : nil
      throw failure
    }
    let results = result.stepResults[1...statements.count].compactMap(\.self)
    guard results.count == statements.count, let commit = result.stepResults[statements.count + 1] else {
      throw mismatch("execute")
    }
    return (results, commit.replicationIndex ?? result.replicationIndex)
  }

  /// Runs a script; its rows are dropped, and it stops at the first statement that fails.
  ///
  /// - Throws: ``RemoteError`` `.statement`: what came before it has been done.
  public func sequence(_ sql: String) async throws(RemoteError) {
    let results = try await once([.sequence(.text(sql)), .close], "sequence", false)
    guard case .sequence = try success(results[0], "sequence") else { throw mismatch("sequence") }
  }

  /// Says what a statement is, without running it.
  public func describe(_ sql: String) async throws(RemoteError) -> Hrana.DescribeResult {
    let results = try await once([.describe(.text(sql)), .close], "describe", true)
    guard case .describe(let result) = try success(results[0], "describe") else { throw mismatch("describe") }
    return result
  }

  private func once(
    _ requests: [Hrana.StreamRequest], _ operation: String, _ isRepeatable: Bool
  ) async throws(RemoteError) -> [Hrana.StreamResult] {
    try await RemoteStream(self).pipeline(requests, operation, isRepeatable: isRepeatable)
  }
}

// MARK: - Messages

extension HranaClient {
  /// The endpoints of a version.
  enum Endpoint: String {
    case pipeline, cursor
  }

  /// Sends a message. A baton that the server does not know is an expired stream.
  func post(
    _ message: some HranaMessage, to endpoint: Endpoint, base: String?, baton: String?, _ operation: String,
    isRepeatable: Bool
  ) async throws(RemoteError) -> HTTPResponse {
    let request = Remote.Request(
      operation: operation, method: .post, path: "/v\(try await version().rawValue)/\(endpoint.rawValue)",
      contentType: "application/json", body: message.encoded(), isRepeatable: isRepeatable && baton == nil, base: base)
    do throws(RemoteError) {
      return try await remote.send(request)
    } catch {
      let isUnknownBaton = error.status == 404 || (error.status == 400 && error.remoteCode == nil)
      guard baton != nil, isUnknownBaton || error.remoteCode == Self.streamExpired else { throw error }
      throw expired(operation, error.status, error.remoteText)
    }
  }

  private static let streamExpired = "STREAM_EXPIRED"
  private static let transactionTimeout = "TRANSACTION_TIMEOUT"

  /// Sends a pipeline and reads the whole answer.
  func pipeline(
    _ request: Hrana.PipelineRequest, base: String?, _ operation: String, isRepeatable: Bool
  ) async throws(RemoteError) -> Hrana.PipelineResponse {
    var attempt = 1
    while true {
      let response = try await post(
        request, to: .pipeline, base: base, baton: request.baton, operation, isRepeatable: isRepeatable)
      do throws(RemoteError) {
        let body = try await response.body.collect(upTo: limits.byteCountMax)
        return try decode(body, operation, resultCount: request.requests.count)
      } catch {
        // An answer that is cut. A read can be made again.
        guard isRepeatable, request.baton == nil, error.code.isPassing,
          let pause = remote.retries.pause(after: attempt, error)
        else { throw error }
        try await remote.wait(pause)
        attempt += 1
      }
    }
  }

  private func decode(
    _ body: [UInt8], _ operation: String, resultCount: Int
  ) throws(RemoteError) -> Hrana.PipelineResponse {
    let response: Hrana.PipelineResponse
    do throws(JSONMessageError) {
      response = try Hrana.PipelineResponse(decoding: body, limits: limits)
    } catch {
      throw remote.malformed(operation, "", error, mayHaveRun: true)
    }
    guard response.results.count == resultCount else { throw mismatch(operation) }
    return response
  }

  /// Reads lines of a cursor.
  func cursorLines() -> Hrana.CursorLines { Hrana.CursorLines(limits: limits) }

  /// What a request of a pipeline produced.
  ///
  /// - Throws: ``RemoteError`` `.statement`, `.streamExpired`.
  func success(
    _ result: Hrana.StreamResult, _ operation: String
  ) throws(RemoteError) -> Hrana.StreamResponse {
    switch result {
    case .ok(let response): return response
    case .error(let error): throw failure(error, operation)
    }
  }

  /// The result of a batch, with one element for each step.
  func batchResult(
    _ result: Hrana.StreamResult, of batch: Hrana.Batch, _ operation: String
  ) throws(RemoteError) -> Hrana.BatchResult {
    guard case .batch(let outcome) = try success(result, operation), outcome.stepResults.count == batch.steps.count,
      outcome.stepErrors.count == batch.steps.count
    else { throw mismatch(operation) }
    return outcome
  }

  /// What a server says about a statement. It had no effect.
  package func failure(_ error: Hrana.ProtocolError, _ operation: String) -> RemoteError {
    if error.code == Self.streamExpired { return expired(operation, nil, remote.text(error.message)) }
    if error.code == Self.transactionTimeout {
      return RemoteError(
        .transactionClosed, operation, url: remote.url.description,
        detail: "the transaction took longer than the server allows, and is undone",
        hint: "do less in it, and begin it again",
        remoteCode: error.code, remoteText: remote.text(error.message))
    }
    return RemoteError(
      .statement, operation, url: remote.url.description, detail: "the statement failed",
      remoteCode: error.code == Hrana.ProtocolError.unknownCode ? nil : error.code,
      remoteText: remote.text(error.message))
  }

  func expired(_ operation: String, _ status: Int?, _ text: RemoteText?) -> RemoteError {
    RemoteError(
      .streamExpired, operation, url: remote.url.description,
      detail: "the stream is gone, and its transaction is undone",
      hint: "begin the transaction again; the server ends those that wait too long", status: status, remoteText: text)
  }

  /// Results that do not fit the requests.
  func mismatch(_ operation: String) -> RemoteError {
    RemoteError(
      .malformedResponse, operation, url: remote.url.description, detail: "the results do not fit the requests",
      mayHaveRun: true)
  }
}

extension Hrana.Statement {
  /// A statement that has neither arguments nor rows.
  static func control(_ sql: String) -> Hrana.Statement { Hrana.Statement(.text(sql), wantsRows: false) }
}

extension Hrana.Batch {
  /// `BEGIN IMMEDIATE`, the statements, each only if the one before it succeeded, then `COMMIT`, else `ROLLBACK`.
  init(atomically statements: [Hrana.Statement]) {
    var steps = [Hrana.BatchStep(.control("BEGIN IMMEDIATE"))]
    for statement in statements + [.control("COMMIT")] {
      steps.append(Hrana.BatchStep(statement, if: .ok(step: UInt32(steps.count - 1))))
    }
    let commit = UInt32(steps.count - 1)
    // Without a BEGIN there is nothing to roll back.
    let condition = Hrana.Condition.and([.ok(step: 0), .not(.ok(step: commit))])
    steps.append(Hrana.BatchStep(.control("ROLLBACK"), if: condition))
    self.init(steps: steps)
  }
}
