internal import LibSQLClient
internal import LibSQLProtocol

/// Writes to the remote, each of which leaves its name in the table `_albergue_writes`, in its own transaction.
///
/// When an answer is lost, the name is claimed: a row with that name is inserted, with a negative time, unless there is one.
/// Then either the write's own row is there, and it was committed; or the claim is, and a copy of the write that is still
/// under way cannot commit any more, since its own row would be the second of that name. Looking alone would prove nothing.
struct WriteLedger: Sendable {
  private let client: HranaClient
  private let retries: RetryPolicy
  /// How long it is tried to find out what became of a write, in attempts. A transaction whose commit was lost is held open by
  /// the server for some seconds, and keeps others out.
  private static let claimCountMax = 8
  /// Seconds after which a name is removed by a later write. A copy of a write is not under way that long.
  private static let lifetime = 86_400

  init(_ remote: Remote) {
    client = HranaClient(remote)
    retries = remote.retries
  }

  private static let create = """
    CREATE TABLE IF NOT EXISTS _albergue_writes (id TEXT PRIMARY KEY, written_at INTEGER)
    """
  private static func insert(_ id: WriteID) -> Hrana.Statement {
    Hrana.Statement(
      .text("INSERT INTO _albergue_writes (id, written_at) VALUES (?, unixepoch())"),
      arguments: [.text(id.description)], wantsRows: false)
  }

  /// Statements before those of the caller.
  private static func opening(_ id: WriteID) -> [Hrana.Statement] {
    [
      Hrana.Statement(.text(create), wantsRows: false),
      Hrana.Statement(
        .text("DELETE FROM _albergue_writes WHERE abs(written_at) < unixepoch() - \(lifetime)"), wantsRows: false),
      insert(id),
    ]
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
      return try await outcome(of: id, error)
    }
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
    guard error.mayHaveRun else { return .notCommitted(error) }
    return await resolve(id, error)
  }

  /// Finds out what became of a write, and makes sure that it stays so.
  func resolve<Value>(_ id: WriteID, _ cause: RemoteError) async -> WriteOutcome<Value> {
    for attempt in 1...Self.claimCountMax {
      do throws(RemoteError) {
        guard try await isCommitted(id) else { return .notCommitted(cause) }
        return .confirmed(Confirmation(value: nil, position: nil, id: id))
      } catch {
        // Busy is what the lost write's own transaction makes the others.
        let isBusy = error.code == .statement && error.remoteCode?.hasPrefix("SQLITE_BUSY") == true
        guard isBusy || error.code.isPassing || error.mayHaveRun else { break }
        // The outcome is unknown whether the pause was cut short or not.
        guard attempt < Self.claimCountMax, (try? await retries.clock.sleep(for: pause(attempt))) != nil else { break }
      }
    }
    return .unknown(id, cause)
  }

  private func pause(_ attempt: Int) -> Duration {
    min(retries.firstDelay * (1 << attempt), retries.delayMax) * (0.5 + 0.5 * retries.jitter())
  }

  /// Claims the name.
  ///
  /// - Returns: whether the write was there before. Doing this twice is as doing it once.
  private func isCommitted(_ id: WriteID) async throws(RemoteError) -> Bool {
    let claim = Hrana.Statement(
      .text("INSERT OR IGNORE INTO _albergue_writes (id, written_at) VALUES (?, -unixepoch())"),
      arguments: [.text(id.description)], wantsRows: false)
    let look = Hrana.Statement(
      .text("SELECT written_at > 0 FROM _albergue_writes WHERE id = ?"), arguments: [.text(id.description)])
    let create = Hrana.Statement(.text(Self.create), wantsRows: false)
    let results = try await client.executeAtomically([create, claim, look]).results
    return results.last?.rows.first?.first == .integer(1)
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
