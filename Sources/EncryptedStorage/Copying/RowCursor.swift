/// The rows of one query, one by one, so that two databases can be walked side by side in bounded memory.
///
/// The session must be in a transaction from the first row to the last. What came counts only when ``next()`` has answered
/// nil: a page that is not authentic shows at the end, as with `Session.query`.
package final class RowCursor {
  private let session: Session
  private let statement: Statement
  private let columnCount: Int
  private var hasEnded = false

  /// - Throws: `.statement`.
  package init(_ session: Session, _ sql: String, _ values: [ExactValue] = []) throws(EncryptedStorageError) {
    self.session = session
    statement = try session.prepare(sql)
    columnCount = statement.columnNames.count
    try statement.bind(exactly: values)
  }

  deinit { statement.reset() }

  /// The next row; nil after the last.
  ///
  /// - Throws: `.damaged`, `.cancelled`, `.busy`, …
  package func next() throws(EncryptedStorageError) -> [ExactValue]? {
    guard !hasEnded else { return nil }
    try session.handle.checkUsable("step")
    if try statement.step() { return (0..<columnCount).map { statement.exactValue(at: $0) } }
    hasEnded = true
    statement.reset()
    try session.fetchOnePage()
    return nil
  }

  /// The first row of a query; nil when there is none. The session must be in a transaction.
  package static func first(
    _ session: Session, _ sql: String, _ values: [ExactValue] = []
  ) throws(EncryptedStorageError) -> [ExactValue]? {
    let cursor = try RowCursor(session, sql, values)
    let row = try cursor.next()
    // Whether or not there are more: what was read must be authentic.
    cursor.statement.reset()
    try session.fetchOnePage()
    return row
  }
}

extension Session {
  /// Runs one statement with values as they are stored.
  ///
  /// - Returns: rows inserted, updated or deleted by it and by what it set off.
  @discardableResult
  package func execute(_ sql: String, exactly values: [ExactValue]) throws(EncryptedStorageError) -> Int {
    let statement = try prepare(sql)
    try statement.bind(exactly: values)
    let before = totalChanges
    while try statement.step() {}
    statement.reset()
    return totalChanges - before
  }
}
