public import EncryptedStorage

/// A value of SQLite, by a name that no other module here has.
public typealias EncryptedValue = Value

/// Where a statement runs.
enum Routing {
  /// - Returns: whether the statement only reads, as the replica's SQLite sees it. One that it cannot compile, since its table
  ///   is not there yet, is for the remote.
  /// - Throws: `EncryptedStorageError` `.denied` for what is refused on every connection; ``SyncError`` `.statement` for what
  ///   begins or ends a transaction.
  static func isLocal(_ sql: String, _ session: Session) throws -> Bool {
    try refuseTransactionControl(sql)
    do throws(EncryptedStorageError) {
      return try session.prepare(sql).isReadOnly
    } catch {
      guard error.code == .statement else { throw error }
      return false
    }
  }

  private static let control: Set<String> = ["BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE"]

  /// Such a statement would run on a connection of its own and mean nothing there; SQLite calls it read-only.
  static func refuseTransactionControl(_ sql: String) throws(SyncError) {
    guard control.contains(firstWord(sql)) else { return }
    throw SyncError(
      .statement, "a statement that begins or ends a transaction", hint: "use Replica.transaction, which does both")
  }

  /// The first word in upper case, behind blanks, comments and semicolons.
  static func firstWord(_ sql: String) -> String {
    var rest = Substring(sql)
    while true {
      rest = rest.drop { $0.isWhitespace || $0 == ";" }
      if rest.hasPrefix("--") {
        rest = rest.drop { !$0.isNewline }
      } else if rest.hasPrefix("/*") {
        guard let end = rest.dropFirst(2).firstRange(of: "*/") else { return "" }
        rest = rest[end.upperBound...]
      } else {
        return rest.prefix { $0.isLetter }.uppercased()
      }
    }
  }
}
