internal import LibSQLClient
internal import LibSQLProtocol

/// Writes to the remote, each of which leaves its name there (`WriteClaims`), so that a lost answer can be found out.
struct WriteLedger: Sendable {
  private let client: HranaClient
  private let claims: WriteClaims

  init(_ remote: Remote) {
    client = HranaClient(remote)
    claims = WriteClaims(client, .writes, retries: remote.retries)
  }

  /// Statements before those of the caller.
  private static func opening(_ id: WriteID) -> [Hrana.Statement] {
    WriteClaims.opening(id.description, in: .writes)
  }

  /// Runs statements in one transaction and one request.
  ///
  /// - Throws: `RemoteError` `.statement`: nothing was changed.
  func write(_ statements: [Hrana.Statement]) async throws -> WriteOutcome<[StatementResult]> {
    let id = WriteID()
    let opening = Self.opening(id)
    do throws(RemoteError) {
      let (results, index) = try await client.executeAtomically(opening + statements)
      let own = results.dropFirst(opening.count).map { StatementResult($0) }
      return .confirmed(Confirmation(value: own, position: index, id: id))
    } catch {
      if Self.isOfSecondCopy(error, opening) { return .confirmed(Confirmation(value: nil, position: nil, id: id)) }
      if error.code == .statement, error.failedStatementIndex ?? 0 < opening.count {
        // Not one of the caller's: busy, mostly. That is no proof either, since it may be the answer to a second copy.
        let outcome: WriteOutcome<[StatementResult]> = await resolve(id, error)
        if case .notCommitted = outcome { throw error }
        return outcome
      }
      return try await outcome(of: id, error)
    }
  }

  /// Whether the name of the write was there already. Nobody else has it, and it has not been claimed: so something on the way
  /// has repeated the request, its first copy was committed, and this is the answer to the second.
  private static func isOfSecondCopy(_ error: RemoteError, _ opening: [Hrana.Statement]) -> Bool {
    error.code == .statement && error.failedStatementIndex == opening.count - 1
      && error.remoteCode?.hasPrefix("SQLITE_CONSTRAINT") == true
  }

  /// Runs `body` in a transaction over several requests.
  ///
  /// - Throws: what `body` throws, and `RemoteError` `.statement`: nothing was changed.
  func transaction<Value: Sendable>(
    _ body: (ReplicaTransaction) async throws -> Value
  ) async throws -> WriteOutcome<Value> {
    let id = WriteID()
    let transaction: RemoteTransaction
    do throws(RemoteError) {
      transaction = try await client.begin(.immediate)
    } catch {
      // A transaction that has only begun has changed nothing, and is undone by the server.
      guard error.code != .statement else { throw error }
      return .notCommitted(error)
    }
    let value: Value
    do {
      _ = try await transaction.execute(Self.opening(id))
      value = try await body(ReplicaTransaction(transaction))
    } catch {
      // The reason is the first error; a rollback that does not arrive is made by the server.
      try? await transaction.rollback()
      if let error = error as? RemoteError, error.code != .statement { return .notCommitted(error) }
      throw error
    }
    do throws(RemoteError) {
      let index = try await transaction.commit()
      return .confirmed(Confirmation(value: value, position: index, id: id))
    } catch {
      return try await outcome(of: id, error)
    }
  }

  private func outcome<Value>(of id: WriteID, _ error: RemoteError) async throws -> WriteOutcome<Value> {
    guard error.code != .statement else { throw error }
    guard error.mayHaveRun || error.status == Self.tooManyRequests else { return .notCommitted(error) }
    return await resolve(id, error)
  }

  /// HTTP's status for a request that the server did not act upon. It may be the answer to a second copy, made on the way, of
  /// one that it did act upon; 503, which may be the same, always counts as a write that may have run.
  private static let tooManyRequests = 429

  /// Finds out what became of a write, and makes sure that it stays so.
  func resolve<Value>(_ id: WriteID, _ cause: RemoteError) async -> WriteOutcome<Value> {
    switch await claims.isCommitted(id.description) {
    case true?: .confirmed(Confirmation(value: nil, position: nil, id: id))
    case false?: .notCommitted(cause)
    case nil: .unknown(id, cause)
    }
  }
}

/// A transaction on the remote, in which everything is remote: reads too.
public struct ReplicaTransaction: Sendable {
  private let transaction: RemoteTransaction

  init(_ transaction: RemoteTransaction) { self.transaction = transaction }

  /// Runs one statement.
  ///
  /// - Throws: `RemoteError` `.statement` when it failed, and the transaction goes on if the caller does.
  @discardableResult
  public func execute(_ sql: String, _ values: [EncryptedValue] = []) async throws -> StatementResult {
    try Routing.refuseTransactionControl(sql)
    return StatementResult(try await transaction.execute(RemoteStatement(sql, values).hrana()))
  }
}
