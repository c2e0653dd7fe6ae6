package import LibSQLProtocol

/// The names that writes leave in a table of the remote, each in its own transaction, so that a write whose answer was lost is
/// neither lost nor done twice.
///
/// When an answer is lost, the name is claimed: a row with that name is inserted, with a negative time, unless there is one.
/// Then either the write's own row is there, and it was committed; or the claim is, and a copy of the write that is still
/// under way cannot commit any more, since its own row would be the second of that name. Looking alone would prove nothing.
package struct WriteClaims: Sendable {
  /// Where names are kept, and for how long. Those that are asked for late have a table of their own, so that they are not
  /// among the many that nobody will ask for.
  package struct Ledger: Sendable {
    package let table: String
    /// Seconds after which a name may be removed: beyond that, nobody asks for it, and no copy of its write is under way.
    let lifetime: Int

    /// Of delegated writes, which find out their outcome at once or not at all: a day.
    package static let writes = Ledger(table: "_albergue_writes", lifetime: 86_400)
    /// Of pushes, which may be asked for when somebody next works on the file: 30 days.
    package static let pushes = Ledger(table: "_albergue_pushes", lifetime: 30 * 86_400)
  }

  private let client: HranaClient
  private let ledger: Ledger
  private let retries: RetryPolicy
  /// How long it is tried to find out what became of a write, in attempts. A transaction whose commit was lost is held open by
  /// the server for some seconds, and keeps others out.
  private static let attemptCountMax = 8

  /// - Parameter retries: says how long the pauses between attempts are.
  package init(_ client: HranaClient, _ ledger: Ledger, retries: RetryPolicy) {
    self.client = client
    self.ledger = ledger
    self.retries = retries
  }

  /// Statements with which a write's transaction begins: they write its name, and remove old ones.
  ///
  /// Names are looked at in the order in which they came, a few at a time: the cost of a write does not grow with their number,
  /// and more are removed than come.
  package static func opening(_ id: String, in ledger: Ledger) -> [Hrana.Statement] {
    [
      creation(of: ledger),
      Hrana.Statement(
        .text(
          "DELETE FROM \(ledger.table) WHERE rowid IN (SELECT rowid FROM \(ledger.table) ORDER BY rowid LIMIT 100) "
            + "AND abs(written_at) < unixepoch() - \(ledger.lifetime)"), wantsRows: false),
      Hrana.Statement(
        .text("INSERT INTO \(ledger.table) (id, written_at) VALUES (?, unixepoch())"), arguments: [.text(id)],
        wantsRows: false),
    ]
  }

  private static func creation(of ledger: Ledger) -> Hrana.Statement {
    Hrana.Statement(
      .text("CREATE TABLE IF NOT EXISTS \(ledger.table) (id TEXT PRIMARY KEY, written_at INTEGER)"), wantsRows: false)
  }

  /// Claims the name of a write whose answer was lost, as often as it takes.
  ///
  /// - Returns: whether the write was committed; if not, it cannot be from now on. Nil when the remote cannot be asked.
  package func isCommitted(_ id: String) async -> Bool? {
    for attempt in 1...Self.attemptCountMax {
      do throws(RemoteError) { return try await claim(id) } catch {
        // Busy is what the lost write's own transaction makes the others.
        let isBusy = error.code == .statement && error.remoteCode?.hasPrefix("SQLITE_BUSY") == true
        guard isBusy || error.code.isPassing || error.mayHaveRun, attempt < Self.attemptCountMax else { return nil }
        // The outcome is unknown whether the pause was cut short or not.
        guard (try? await retries.clock.sleep(for: pause(attempt))) != nil else { return nil }
      }
    }
    return nil
  }

  private func pause(_ attempt: Int) -> Duration {
    min(retries.firstDelay * (1 << attempt), retries.delayMax) * (0.5 + 0.5 * retries.jitter())
  }

  /// - Returns: whether the write was there before. Doing this twice is as doing it once.
  private func claim(_ id: String) async throws(RemoteError) -> Bool {
    let claim = Hrana.Statement(
      .text("INSERT OR IGNORE INTO \(ledger.table) (id, written_at) VALUES (?, -unixepoch())"), arguments: [.text(id)],
      wantsRows: false)
    let look = Hrana.Statement(
      .text("SELECT written_at > 0 FROM \(ledger.table) WHERE id = ?"), arguments: [.text(id)])
    let results = try await client.executeAtomically([Self.creation(of: ledger), claim, look]).results
    return results.last?.rows.first?.first == .integer(1)
  }
}
