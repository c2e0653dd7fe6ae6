import EncryptedStorage
import LibSQLClient
import LibSQLProtocol
import TestSupport

/// A ledger whose tables must agree with each other after every transaction.
enum Ledger {
  static let accountCount = 40

  static let schema = """
    CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL);
    CREATE TABLE ledger (id INTEGER PRIMARY KEY AUTOINCREMENT, client INTEGER, number INTEGER, amount INTEGER, note TEXT);
    CREATE TABLE counter (client INTEGER PRIMARY KEY, value INTEGER NOT NULL);
    CREATE TABLE total (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL, amount INTEGER NOT NULL);
    INSERT INTO account WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < \(accountCount))
      SELECT i, 1000 FROM n;
    INSERT INTO total VALUES (1, 0, 0);
    """

  /// The statements of one write. Nothing in the schema keeps them from being done twice: that is what is looked for.
  static func write(_ entry: History.Entry, _ choices: inout WorkloadChoices) -> [String] {
    let amount = choices.number(1...90)
    let from = choices.number(1...accountCount)
    let to = choices.number(1...accountCount)
    let note = "'\(Canary.text)' || printf('%.*c', \(choices.number(0...3000)), 'n')"
    return [
      """
      INSERT INTO ledger (client, number, amount, note) VALUES (\(entry.client), \(entry.number), \(amount), \(note))
      """,
      "UPDATE account SET balance = balance - \(amount) WHERE id = \(from)",
      "UPDATE account SET balance = balance + \(amount) WHERE id = \(to)",
      "INSERT INTO counter VALUES (\(entry.client), 1) ON CONFLICT DO UPDATE SET value = value + 1",
      "UPDATE total SET version = version + 1, amount = amount + \(amount)",
    ]
  }

  // MARK: - Reading

  static let entriesSQL = "SELECT id, client, number FROM ledger ORDER BY id"
  static let sumsSQL = """
    SELECT (SELECT version FROM total), (SELECT amount FROM total), (SELECT sum(balance) FROM account),
      (SELECT coalesce(sum(value), 0) FROM counter), (SELECT count(*) FROM ledger),
      (SELECT coalesce(sum(amount), 0) FROM ledger)
    """

  /// What is in the session's snapshot.
  static func look(_ session: Session) throws -> (entries: [History.Entry], disagreement: String?) {
    let rows = try session.query(entriesSQL) { row in (0..<3).map { Int(row[$0].integer ?? -1) } }
    let sums = try session.query(sumsSQL) { row in (0..<6).map { Int(row[$0].integer ?? -1) } }
    return judge(rows, sums.first ?? [])
  }

  /// What is in the remote, in one transaction.
  static func look(_ client: HranaClient) async throws(RemoteError) -> (
    entries: [History.Entry], disagreement: String?
  ) {
    let statements = [entriesSQL, sumsSQL].map { Hrana.Statement(.text($0)) }
    let results = try await client.executeAtomically(statements).results
    let numbers = results.map { $0.rows.map { $0.map(number) } }
    return judge(numbers[0], numbers[1].first ?? [])
  }

  private static func number(_ value: Hrana.Value) -> Int {
    if case .integer(let number) = value { Int(number) } else { -1 }
  }

  static func judge(_ rows: [[Int]], _ sums: [Int]) -> (entries: [History.Entry], disagreement: String?) {
    let entries = rows.map { History.Entry(client: $0[1], number: $0[2]) }
    guard sums.count == 6 else { return (entries, "the sums are missing") }
    var disagreements: [String] = []
    if !rows.enumerated().allSatisfy({ $0.element[0] == $0.offset + 1 }) { disagreements.append("gaps in the ledger") }
    if sums[0] != rows.count || sums[4] != rows.count { disagreements.append("version \(sums[0]), \(rows.count) entries") }
    if sums[3] != rows.count { disagreements.append("counters \(sums[3]), \(rows.count) entries") }
    if sums[1] != sums[5] { disagreements.append("amounts \(sums[1]) and \(sums[5])") }
    if sums[2] != accountCount * 1000 { disagreements.append("balances \(sums[2])") }
    return (entries, disagreements.isEmpty ? nil : disagreements.joined(separator: ", "))
  }
}
