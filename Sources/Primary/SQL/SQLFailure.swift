internal import EncryptedStorage
internal import LibSQLProtocol

/// How failures are told to clients: the codes and wordings of sqld, which clients look for.
/// Source: docs/primary.md, "Errors".
enum SQLFailure {
  static func error(_ failure: StatementFailure) -> Hrana.ProtocolError {
    switch failure.stop {
    case .time:
      return Hrana.ProtocolError(message: "SQLite error: the statement ran too long", code: "SQLITE_INTERRUPT")
    case .instructions:
      return Hrana.ProtocolError(message: "SQLite error: the statement needs too many steps", code: "SQLITE_INTERRUPT")
    case .cancelled: return Hrana.ProtocolError(message: "SQLite error: interrupted", code: "SQLITE_INTERRUPT")
    case nil: break
    }
    if let offset = failure.offset, failure.resultCode & 0xff == 1 {
      return Hrana.ProtocolError(
        message: "SQL input error: \(failure.message) (at offset \(offset))", code: "SQL_INPUT_ERROR")
    }
    return Hrana.ProtocolError(message: "SQLite error: \(failure.message)", code: name(of: failure.resultCode))
  }

  static let noStatement = Hrana.ProtocolError(
    message: "SQL string does not contain any statement", code: "SQL_NO_STATEMENT")
  static let manyStatements = Hrana.ProtocolError(
    message: "SQL string contains more than one statement", code: "SQL_MANY_STATEMENTS")
  static let bothKindsOfArguments = Hrana.ProtocolError(
    message: "Specifying both positional and named arguments is not supported", code: "ARGS_BOTH_POSITIONAL_AND_NAMED")
  static let responseTooLarge = Hrana.ProtocolError(
    message: "Response is too large", code: "RESPONSE_TOO_LARGE")
  static let transactionTimeout = Hrana.ProtocolError(
    message: "Transaction timed-out", code: "TRANSACTION_TIMEOUT")
  static let readOnly = Hrana.ProtocolError(
    message: "Operation was blocked: the token allows reading only", code: "BLOCKED")
  static let streamExpired = Hrana.ProtocolError(
    message: "The stream has expired due to inactivity", code: "STREAM_EXPIRED")
  static let tooBusy = Hrana.ProtocolError(
    message: "Transaction busy: every connection of the server is in use", code: "TRANSACTION_BUSY")
  static let storedTooMany = Hrana.ProtocolError(
    message: "Too many SQL texts have been stored on the stream", code: "SQL_STORE_TOO_MANY")
  static let storedTooLarge = Hrana.ProtocolError(
    message: "The SQL text is too large to be stored", code: "SQL_STORE_TOO_LARGE")

  static func arguments(_ detail: String) -> Hrana.ProtocolError {
    Hrana.ProtocolError(message: "Arguments do not match SQL parameters: \(detail)", code: "ARGS_INVALID")
  }

  static func notStored(_ id: Int32) -> Hrana.ProtocolError {
    Hrana.ProtocolError(message: "SQL text with id \(id) has not been stored", code: "SQL_NOT_FOUND")
  }

  /// The name of the primary result code. Source: https://www.sqlite.org/rescode.html
  private static func name(of resultCode: Int32) -> String {
    let names: [Int32: String] = [
      1: "SQLITE_UNKNOWN", 2: "SQLITE_INTERNAL", 3: "SQLITE_PERM", 4: "SQLITE_ABORT", 5: "SQLITE_BUSY",
      6: "SQLITE_LOCKED", 7: "SQLITE_NOMEM", 8: "SQLITE_READONLY", 9: "SQLITE_INTERRUPT", 10: "SQLITE_IOERR",
      11: "SQLITE_CORRUPT", 12: "SQLITE_NOTFOUND", 13: "SQLITE_FULL", 14: "SQLITE_CANTOPEN", 15: "SQLITE_PROTOCOL",
      17: "SQLITE_SCHEMA", 18: "SQLITE_TOOBIG", 19: "SQLITE_CONSTRAINT", 20: "SQLITE_MISMATCH", 21: "SQLITE_MISUSE",
      22: "SQLITE_NOLFS", 23: "SQLITE_AUTH", 25: "SQLITE_RANGE", 26: "SQLITE_NOTADB",
    ]
    return names[resultCode & 0xff] ?? "SQLITE_UNKNOWN"
  }
}

/// Carries what is told to the client through code that throws.
struct ClientError: Error {
  let error: Hrana.ProtocolError

  init(_ error: Hrana.ProtocolError) { self.error = error }

  init(_ failure: StatementFailure) { error = SQLFailure.error(failure) }
}
