internal import EncryptedStorage

/// Runs the statements of a push on a copy of the remote: what a constraint forbids there is a conflict, found before
/// anything is sent.
struct Rehearsal {
  private let session: Session
  private let spool: Session
  private let layouts: [String: TableLayout]
  private let expected: [SchemaEntry.Identity: SchemaEntry]

  /// - Parameters:
  ///   - session: the copy, in a transaction that is not kept, without foreign key actions.
  ///   - spool: in a transaction.
  ///   - expected: the definitions that must come out.
  init(
    _ session: Session, spool: Session, layouts: [String: TableLayout], expected: [SchemaEntry.Identity: SchemaEntry]
  ) {
    self.session = session
    self.spool = spool
    self.layouts = layouts
    self.expected = expected
  }

  /// - Returns: conflicts.
  /// - Throws: ``WorkingCopyError`` `.unsupported` for definitions that the remote's state does not allow.
  mutating func run() throws -> [Conflict] {
    var conflicts: [Conflict] = []
    let formerViolations = Set(try violations() ?? [])
    try Spool.forEach(in: spool) { statement, _ in
      if let conflict = try run(statement) { conflicts.append(conflict) }
      return true
    }
    guard conflicts.isEmpty else { return conflicts }
    for violation in try violations() ?? [] where !formerViolations.contains(violation) {
      conflicts.append(Conflict(.foreignKey, violation.table, key: try key(of: violation)))
    }
    try checkSchema()
    return conflicts
  }

  private func run(_ statement: PushStatement) throws -> Conflict? {
    let count: Int
    do { count = try session.execute(statement.sql, exactly: statement.arguments) } catch {
      switch error.code {
      case .constraint: return Conflict(.constraint, statement.subject, key: statement.key)
      case .statement, .denied:
        throw WorkingCopyError(
          .unsupported, "what changed in \(statement.subject) cannot be done at the remote: \(error.detail)",
          hint: "do it at the remote, then pull")
      default: throw error
      }
    }
    guard let expected = statement.rowCount, expected != count else { return nil }
    throw WorkingCopyError(
      .unsupported,
      "a change of table \(statement.subject) affects \(count) rows at the remote, where it is \(expected) here",
      hint: "make the change at the remote, then pull")
  }

  // MARK: - Foreign keys

  private struct Violation: Hashable {
    let table: String
    let rowid: Int64?
    let number: Int64
  }

  /// Nil when a foreign key refers to what cannot be referred to, so that nothing can be checked.
  /// Source: https://www.sqlite.org/pragma.html#pragma_foreign_key_check
  private func violations() throws -> [Violation]? {
    do {
      return try session.query("SELECT \"table\", rowid, fkid FROM pragma_foreign_key_check") {
        Violation(table: $0[0].text ?? "", rowid: $0[1].integer, number: $0[2].integer ?? 0)
      }
    } catch let error as EncryptedStorageError where error.code == .statement { return nil }
  }

  private func key(of violation: Violation) throws -> [ExactValue] {
    guard let layout = layouts[violation.table], let rowid = violation.rowid, !layout.isWithoutRowid else { return [] }
    let key = layout.keyExpressions.joined(separator: ", ")
    return try RowCursor.first(
      session, "SELECT \(key) FROM \(layout.quotedName) WHERE rowid = ?", [.integer(rowid)]) ?? []
  }

  // MARK: - Schema

  private func checkSchema() throws {
    let found = try DatabaseSchema(of: session).byIdentity
    let names = Set(found.keys).union(expected.keys).filter { found[$0] != expected[$0] }.map(\.name)
    guard let name = names.min() else { return }
    throw WorkingCopyError(
      .unsupported, "the change of the definition of \(name) cannot be repeated at the remote",
      hint: "change it at the remote, then pull")
  }
}
