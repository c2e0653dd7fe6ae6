public import LibSQLProtocol

/// A transaction on the remote, over several requests.
///
/// The server ends it when it takes too long between requests, or as a whole; then `execute` and ``commit()`` throw,
/// and nothing has been done. Where the server speaks version 3, statements carry the condition that the transaction is
/// still open: one that SQLite has rolled back cannot go on as single statements.
public final class RemoteTransaction: Sendable {
  /// How a transaction begins.
  public enum Mode: String, Sendable {
    /// Writes from the start: it waits for its turn at once.
    case immediate = "BEGIN IMMEDIATE"
    /// Reads until the first write, which can then fail with `SQLITE_BUSY`.
    case deferred = "BEGIN DEFERRED"
  }

  private let client: HranaClient
  private let stream: RemoteStream
  private let isGuarded: Bool

  fileprivate init(_ client: HranaClient, _ stream: RemoteStream, isGuarded: Bool) {
    self.client = client
    self.stream = stream
    self.isGuarded = isGuarded
  }

  /// Runs one statement.
  ///
  /// - Throws: ``RemoteError``: `.statement` when it failed, and the transaction is open still; `.transactionClosed`,
  ///   `.streamExpired` and any failure on the way: then it is undone.
  public func execute(_ statement: Hrana.Statement) async throws(RemoteError) -> Hrana.StatementResult {
    guard let result = try await run([statement], "execute").first else { throw client.mismatch("execute") }
    return result
  }

  /// Runs statements in one request, up to the first that fails.
  ///
  /// - Throws: ``RemoteError`` as ``execute(_:)``; those before the failed one have been done.
  public func execute(_ statements: [Hrana.Statement]) async throws(RemoteError) -> [Hrana.StatementResult] {
    try await run(statements, "execute")
  }

  /// Commits, and ends the stream.
  ///
  /// - Returns: the position after the commit, where the server says it.
  /// - Throws: ``RemoteError``. With ``RemoteError/mayHaveRun`` it is not known whether the transaction was committed; else it
  ///   is undone.
  @discardableResult
  public func commit() async throws(RemoteError) -> UInt64? {
    let batch = batch([.control("COMMIT")])
    let isSent = await stream.isOpen
    do throws(RemoteError) {
      let results = try await stream.pipeline([.batch(batch), .close], "commit")
      return try self.results(client.batchResult(results[0], of: batch, "commit"), "commit").first?.replicationIndex
    } catch {
      // A request that something on the way repeats: its first copy has committed and ended the stream, and the answer is
      // that of the second.
      if isSent, error.code == .streamExpired { throw error.withUnknownEffect }
      throw error
    }
  }

  /// Undoes everything, and ends the stream. A transaction that is gone already is no error.
  ///
  /// - Throws: ``RemoteError`` for failures on the way: the server then undoes it by itself, after some seconds.
  public func rollback() async throws(RemoteError) {
    guard await stream.isOpen else { return }
    _ = try await stream.pipeline([.execute(.control("ROLLBACK")), .close], "rollback")
  }

  private func run(
    _ statements: [Hrana.Statement], _ operation: String
  ) async throws(RemoteError) -> [Hrana.StatementResult] {
    guard !statements.isEmpty else { return [] }
    let batch = batch(statements)
    let results = try await stream.pipeline([.batch(batch)], operation)
    return try self.results(client.batchResult(results[0], of: batch, operation), operation)
  }

  private func batch(_ statements: [Hrana.Statement]) -> Hrana.Batch {
    let isOpen: [Hrana.Condition] = isGuarded ? [.not(.isAutocommit)] : []
    return Hrana.Batch(
      steps: statements.enumerated().map { index, statement in
        let conditions = isOpen + (index > 0 ? [.ok(step: UInt32(index - 1))] : [])
        return Hrana.BatchStep(statement, if: conditions.count > 1 ? .and(conditions) : conditions.first)
      })
  }

  private func results(
    _ result: Hrana.BatchResult, _ operation: String
  ) throws(RemoteError) -> [Hrana.StatementResult] {
    if let error = result.stepErrors.lazy.compactMap(\.self).first { throw client.failure(error, operation) }
    let results = result.stepResults.compactMap(\.self)
    guard results.count == result.stepResults.count else {
      throw RemoteError(
        .transactionClosed, operation, url: client.remote.url.description,
        detail: "the transaction is not open any more: SQLite has undone it, or a statement has ended it",
        hint: "begin it again")
    }
    return results
  }
}

extension HranaClient {
  /// Begins a transaction. End it with ``RemoteTransaction/commit()`` or ``RemoteTransaction/rollback()``.
  ///
  /// - Parameter settings: run on the stream before it begins, for settings of the connection that a transaction cannot
  ///   change any more, such as `PRAGMA foreign_keys`.
  /// - Throws: ``RemoteError``.
  public func begin(
    _ mode: RemoteTransaction.Mode = .immediate, after settings: [String] = []
  ) async throws(RemoteError) -> RemoteTransaction {
    let stream = RemoteStream(self)
    let requests = (settings + [mode.rawValue]).map { Hrana.StreamRequest.execute(.control($0)) }
    for result in try await stream.pipeline(requests, "begin") {
      guard case .execute = try success(result, "begin") else { throw mismatch("begin") }
    }
    guard await stream.isOpen else { throw mismatch("begin") }
    return RemoteTransaction(self, stream, isGuarded: try await version() == .three)
  }

  /// Runs `body` in a transaction, commits when it returns, and rolls back when it throws.
  ///
  /// - Throws: what `body` throws; ``RemoteError`` of begin and commit.
  public func transaction<Value: Sendable>(
    _ mode: RemoteTransaction.Mode = .immediate,
    _ body: (RemoteTransaction) async throws -> Value
  ) async throws -> (value: Value, replicationIndex: UInt64?) {
    let transaction = try await begin(mode)
    let value: Value
    do {
      value = try await body(transaction)
    } catch {
      // The reason is the first error. A rollback that does not arrive is made by the server itself.
      try? await transaction.rollback()
      throw error
    }
    return (value, try await transaction.commit())
  }
}
