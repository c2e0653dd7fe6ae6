internal import EncryptedStorage

/// The statements of a push, in an encrypted file of their own, so that a push of any size takes little memory, and what was
/// rehearsed is what is sent.
struct Spool: Sendable {
  let path: String

  static let script = """
    CREATE TABLE statement (number INTEGER PRIMARY KEY, phase INTEGER, subject TEXT, sql TEXT, row_count INTEGER);
    CREATE INDEX statement_order ON statement (phase, number);
    CREATE TABLE value (
      statement INTEGER, part INTEGER, place INTEGER, value, PRIMARY KEY (statement, part, place)
    ) WITHOUT ROWID;
    """

  /// Where a reader has got to.
  struct Place: Sendable, Hashable {
    var phase = -1
    var number: Int64 = 0
  }

  private enum Part: Int64 { case argument, key }

  /// Adds a statement, in the session's transaction.
  static func append(_ statement: PushStatement, to session: Session) throws {
    try session.execute(
      "INSERT INTO statement (phase, subject, sql, row_count) VALUES (?, ?, ?, ?)",
      exactly: [
        .integer(Int64(statement.phase.rawValue)), .text(statement.subject), .text(statement.sql),
        statement.rowCount.map { .integer(Int64($0)) } ?? .null,
      ])
    let number = session.lastInsertedRowID
    for (part, values) in [(Part.argument, statement.arguments), (Part.key, statement.key)] {
      for (place, value) in values.enumerated() {
        try session.execute(
          "INSERT INTO value VALUES (?, ?, ?, ?)",
          exactly: [.integer(number), .integer(part.rawValue), .integer(Int64(place)), value])
      }
    }
  }

  /// Hands each statement behind a place to `body`, in order, with its own place, until that says that it is enough.
  ///
  /// - Parameter session: in a transaction.
  static func forEach(
    in session: Session, after place: Place = Place(), _ body: (PushStatement, Place) throws -> Bool
  ) throws {
    let statements = try RowCursor(
      session,
      """
      SELECT phase, number, subject, sql, row_count FROM statement WHERE (phase, number) > (?, ?) ORDER BY phase, number
      """, [.integer(Int64(place.phase)), .integer(place.number)])
    while let row = try statements.next() {
      guard case .integer(let phaseNumber) = row[0], let phase = PushStatement.Phase(rawValue: Int(phaseNumber)),
        case .integer(let number) = row[1], case .text(let subject) = row[2], case .text(let sql) = row[3]
      else { throw EncryptedStorageError(.damaged, operation: "push", file: session.path, detail: "not a statement") }
      var statement = PushStatement(
        phase: phase, subject: String(decoding: subject, as: UTF8.self), sql: String(decoding: sql, as: UTF8.self))
      if case .integer(let count) = row[4] { statement.rowCount = Int(count) }
      statement.arguments = try values(.argument, of: number, session)
      statement.key = try values(.key, of: number, session)
      guard try body(statement, Place(phase: Int(phaseNumber), number: number)) else { return }
    }
  }

  private static func values(_ part: Part, of number: Int64, _ session: Session) throws -> [ExactValue] {
    let cursor = try RowCursor(
      session, "SELECT value FROM value WHERE statement = ? AND part = ? ORDER BY place",
      [.integer(number), .integer(part.rawValue)])
    var values: [ExactValue] = []
    while let row = try cursor.next() { values.append(row[0]) }
    return values
  }
}
