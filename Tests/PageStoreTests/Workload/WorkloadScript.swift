import TestSupport

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
