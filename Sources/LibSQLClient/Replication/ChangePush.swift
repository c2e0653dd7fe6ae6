public import LibSQLProtocol

/// Pushes of changes as SQL, with a row in the remote that says how far they have come: Turso's way, and a way to find out
/// whether a push whose answer was lost has been committed.
///
/// Unlike Turso's clients, each statement runs only if the one before it succeeded, and a failed push is rolled back: there
/// a constraint that fails lets the rest be committed, and the change is lost.
public struct ChangePush: Sendable {
  private let client: HranaClient
  /// Names this replica; a copied or restored one needs a new name.
  public let clientID: String

  /// A push by this client.
  public init(_ client: HranaClient, clientID: String) {
    self.client = client
    self.clientID = clientID
  }

  /// What the remote knows of this client's pushes; nil when there was none.
  public func tracker() async throws(RemoteError) -> PushTracker? {
    let statement = Hrana.Statement(.text(PushTracker.selectStatement), arguments: [.text(clientID)])
    let result: Hrana.StatementResult
    do throws(RemoteError) {
      result = try await client.execute(statement, isRepeatable: true)
    } catch {
      guard error.code == .statement, let text = error.remoteText, PushTracker.isMissingTable(message: text.text) else {
        throw error
      }
      return nil
    }
    guard let row = result.rows.first else { return nil }
    guard result.rows.count == 1, row.count == 2, case .integer(let generation) = row[0],
      case .integer(let changeID) = row[1]
    else { throw client.mismatch("push") }
    return PushTracker(pullGeneration: generation, changeID: changeID)
  }

  /// Runs statements and writes the tracker, in one transaction: all or nothing.
  ///
  /// - Returns: the results, and the position after the commit where the server says it.
  /// - Throws: ``RemoteError`` `.statement` with nothing done. With ``RemoteError/mayHaveRun``, read ``tracker()`` before
  ///   anything is pushed again: it tells whether this was committed.
  public func push(
    _ statements: [Hrana.Statement], tracker: PushTracker
  ) async throws(RemoteError) -> (results: [Hrana.StatementResult], replicationIndex: UInt64?) {
    let upsert = Hrana.Statement(
      .text(PushTracker.upsertStatement),
      arguments: [.text(clientID), .integer(tracker.pullGeneration), .integer(tracker.changeID)], wantsRows: false)
    let all = [.control(PushTracker.createStatement)] + statements + [upsert]
    let (results, index) = try await client.executeAtomically(all)
    return (Array(results.dropFirst().dropLast()), index)
  }
}
