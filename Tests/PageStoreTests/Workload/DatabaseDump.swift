import EncryptedStorage
import TestSupport

/// A database as canonical text: its schema, every row of every table, virtual tables and their shadows included, and what
/// SQLite says about its structure.
enum DatabaseDump {
  /// The queries that make the dump of the database behind `session`. Each answers one column of text.
  static func queries(_ session: Session) throws -> [String] {
    let schema =
      "SELECT quote(type) || quote(name) || quote(tbl_name) || quote(sql) FROM sqlite_schema ORDER BY type, name"
    var queries = [
      schema, "PRAGMA user_version", "PRAGMA application_id", "PRAGMA integrity_check",
    ]
    let tables = try session.query(
      "SELECT name, sql FROM sqlite_schema WHERE type = 'table' ORDER BY name"
    ) { (name: $0[0].text ?? "", sql: $0[1].text ?? "") }
    for (name, sql) in tables {
      let columns = try session.query("SELECT name FROM pragma_table_xinfo(?) WHERE hidden <> 1", [.text(name)]) {
        "quote(\"\($0[0].text ?? "")\")"
      }
      let row = columns.joined(separator: " || ',' || ")
      // ANALYZE goes through the tables in the order in which the connection has come to know them.
      let isSorted = sql.uppercased().contains("WITHOUT ROWID") || name.hasPrefix("sqlite_stat")
      queries.append(
        isSorted
          ? "SELECT '\(name): ' || line FROM (SELECT \(row) AS line FROM \"\(name)\") ORDER BY line"
          : "SELECT '\(name) ' || rowid || ': ' || \(row) FROM \"\(name)\" ORDER BY rowid")
    }
    return queries
  }

  static func lines(_ session: Session, _ queries: [String]) throws -> [String] {
    try queries.flatMap { try session.query($0) { $0[0].text ?? "\($0[0].integer ?? 0)" } }
  }
}

/// A workload as a script for the `sqlcipher` command line, which runs it on a plain file in rollback mode.
struct WorkloadScript {
  private(set) var statements: [String] = []
  /// Positions of the statements that failed, with the primary result code.
  private(set) var failures: [Int: Int32] = [:]

  private var isInTransaction = false

  mutating func append(_ sql: String, _ answer: WorkloadAnswer) {
    if let failure = answer.resultCode { failures[statements.count] = failure & 0xff }
    statements.append(sql)
    isInTransaction = answer.isInTransaction
  }

  /// What a connection does that is closed.
  mutating func endTransaction() {
    if isInTransaction { statements.append("ROLLBACK") }
    isInTransaction = false
  }

  /// Runs the script there, and compares which statements failed, and what `queries` answer in the end.
  ///
  /// - Returns: what is different; nil if nothing is.
  func differenceOnPlainFile(_ path: String, queries: [String], lines: [String]) throws -> String? {
    let preamble = [
      "PRAGMA foreign_keys = ON;", "PRAGMA temp_store = MEMORY;", "PRAGMA synchronous = OFF;", ".dbconfig defensive on",
      ".dbconfig trusted_schema off", ".mode list",
    ]
    let marker = "----dump----"
    let text = preamble + statements.map { $0 + ";" } + [".print \(marker)"] + queries.map { $0 + ";" }
    let result = try Subprocess.run("sqlcipher", ["-batch", path], input: text.joined(separator: "\n") + "\n")
    let output = result.output.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    let answers = Array(output.drop { $0 != marker }.dropFirst().dropLast())
    var found: [Int: Int32] = [:]
    for match in result.errors.matches(of: /(?m)error near line (\d+): [^\n]*?(?:\((\d+)\))?$/) {
      guard let line = Int(match.output.1) else { continue }
      // A statement that cannot be prepared has no code there; it is 1.
      found[line - preamble.count - 1] = match.output.2.flatMap { Int32($0) } ?? 1
    }
    if let position = Set(found.keys).union(failures.keys).sorted().first(where: { found[$0] != failures[$0] }) {
      let sql = statements.indices.contains(position) ? statements[position] : queries.joined(separator: "; ")
      return "\(sql) gives \(failures[position] ?? 0), on a plain file \(found[position] ?? 0)"
    }
    guard answers != lines else { return nil }
    let index = zip(answers, lines).enumerated().first { $1.0 != $1.1 }?.offset ?? min(answers.count, lines.count)
    return
      "line \(index) of the dump differs from that of a plain file: \(lines.dropFirst(index).first?.prefix(300) ?? "") "
      + "/ \(answers.dropFirst(index).first?.prefix(300) ?? "")"
  }
}
