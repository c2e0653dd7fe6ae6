package import EncryptedStorage

/// A database whose tables must agree with each other after every transaction: what a reader sees is of one commit, or the
/// check fails.
package enum Bookkeeping {
  package static let accountCount = 600

  package static let schema = """
    CREATE TABLE state (id INTEGER PRIMARY KEY CHECK (id = 1), version, ledger_count, ledger_bytes, ledger_versions);
    CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL, version INTEGER NOT NULL, name TEXT);
    CREATE INDEX account_balance ON account (balance);
    CREATE TABLE ledger (id INTEGER PRIMARY KEY, version INTEGER NOT NULL, note BLOB);
    CREATE INDEX ledger_version ON ledger (version);
    INSERT INTO state VALUES (1, 0, 0, 0, 0);
    INSERT INTO account WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < \(accountCount))
      SELECT i, 1000, 0, 'account ' || i FROM n;
    """

  /// The statements of the transaction that makes `version`: every account changes, and the ledger grows or shrinks.
  package static func change(to version: Int, _ generator: inout some RandomNumberGenerator) -> [String] {
    let amount = Int.random(in: 1...90, using: &generator)
    let count = Int.random(in: 1...(version % 9 == 0 ? 150 : 25), using: &generator)
    let size = Int.random(in: 10...(version % 4 == 0 ? 9000 : 900), using: &generator)
    let divisor = Int.random(in: version % 7 == 0 ? 1...2 : 5...40, using: &generator)
    return [
      "UPDATE state SET version = \(version)",
      """
      UPDATE account SET version = \(version),
        balance = balance + CASE WHEN id % 2 = 0 THEN \(amount) ELSE -\(amount) END
      """,
      """
      INSERT INTO ledger (version, note) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < \(count))
        SELECT \(version), randomblob(1 + i * 7919 % \(size)) FROM n
      """,
      "DELETE FROM ledger WHERE id % \(divisor) = 0",
      """
      UPDATE state SET ledger_count = (SELECT count(*) FROM ledger),
        ledger_bytes = (SELECT coalesce(sum(length(note)), 0) FROM ledger),
        ledger_versions = (SELECT coalesce(sum(version), 0) FROM ledger)
      """,
    ]
  }

  /// What did not agree.
  package struct Disagreement: Error, CustomStringConvertible { package let description: String }

  /// Checks the whole in the session's transaction, query by query.
  ///
  /// - Returns: the version.
  /// - Throws: ``Disagreement``.
  @discardableResult
  package static func check(_ session: Session) throws -> Int {
    func row(_ sql: String) throws -> [Int64] {
      try session.query(sql) { $0.values.map { $0.integer ?? -1 } }.first ?? []
    }
    let state = try row("SELECT version, ledger_count, ledger_bytes, ledger_versions FROM state")
    guard state.count == 4 else { throw Disagreement(description: "no state") }
    let accounts = try row("SELECT count(*), sum(balance), min(version), max(version) FROM account NOT INDEXED")
    guard accounts == [Int64(accountCount), Int64(accountCount * 1000), state[0], state[0]] else {
      throw Disagreement(description: "accounts \(accounts) at version \(state[0])")
    }
    let ledger = try row(
      """
      SELECT version, count(*), coalesce(sum(size), 0), coalesce(sum(row_version), 0)
      FROM state LEFT JOIN (SELECT length(note) AS size, version AS row_version FROM ledger NOT INDEXED)
      """)
    // A ledger without rows is one row of the join.
    guard ledger == state || state[1] == 0 && ledger == [state[0], 1, 0, 0] else {
      throw Disagreement(description: "ledger \(ledger), expected \(state)")
    }
    let indexed = try row("SELECT count(*), sum(version) FROM ledger INDEXED BY ledger_version WHERE version > -1")
    guard indexed.first == state[1] else { throw Disagreement(description: "index of the ledger \(indexed), \(state)") }
    let balances = try row("SELECT count(*), sum(balance) FROM account INDEXED BY account_balance WHERE balance > -1e9")
    guard balances == [Int64(accountCount), Int64(accountCount * 1000)] else {
      throw Disagreement(description: "index of the accounts \(balances)")
    }
    guard try row("SELECT version FROM state") == [state[0]] else {
      throw Disagreement(description: "the snapshot has moved from version \(state[0])")
    }
    return Int(state[0])
  }
}
