internal import CSQLCipher

/// Translates SQLite's result codes. Source: https://www.sqlite.org/rescode.html
enum SQLiteResult {
  /// What `sqlite3_errmsg` answers to SQLITE_ERROR when nobody set a message.
  static let genericMessage: String = unsafe sqlite3_errstr(SQLITE_ERROR).map { unsafe String(cString: $0) } ?? ""

  /// The error for an extended result code.
  ///
  /// `message` is `sqlite3_errmsg` of a *prepare*, or nil: the message of a step may quote values.
  static func error(
    _ resultCode: Int32, operation: String, file: String?, message: String? = nil
  ) -> EncryptedStorageError {
    let meaning = Meaning(resultCode)
    return EncryptedStorageError(
      meaning.code, operation: operation, file: file, detail: message ?? meaning.detail, hint: meaning.hint,
      resultCode: resultCode)
  }

  private struct Meaning {
    let code: EncryptedStorageError.Code
    let detail: String
    let hint: String?

    init(_ resultCode: Int32) {
      switch resultCode & 0xff {
      case SQLITE_BUSY, SQLITE_LOCKED:
        self.init(.busy, "another connection holds a lock on the database", "try again when it has finished")
      case SQLITE_FULL:
        self.init(.diskFull, "no space left on the device", "free space and try again; nothing was changed")
      case SQLITE_READONLY:
        self.init(.readOnly, "the database cannot be written", "check the mode of the file and of its folder")
      case SQLITE_CANTOPEN:
        self.init(.inputOutput, "the file cannot be opened", "check the path, and that its folder can be written")
      case SQLITE_PERM:
        self.init(.readOnly, "access denied by the operating system", "check the owner and mode of the file")
      case SQLITE_AUTH:
        self.init(.denied, "the statement is not allowed on this connection", nil)
      case SQLITE_INTERRUPT:
        self.init(.cancelled, "the statement was interrupted", nil)
      case SQLITE_CONSTRAINT:
        self.init(.constraint, "a constraint of the schema failed", nil)
      case SQLITE_CORRUPT:
        self.init(.damaged, "the database is damaged", "run albergue-crypt verify, then albergue-crypt recover")
      case SQLITE_NOTADB:
        self.init(
          .damaged, "a page could not be authenticated", "run albergue-crypt status, then albergue-crypt verify")
      case SQLITE_IOERR:
        self.init(
          .inputOutput, "reading or writing the file failed", "check the disk; run albergue-crypt verify afterwards")
      case SQLITE_MISUSE, SQLITE_ERROR, SQLITE_RANGE, SQLITE_MISMATCH, SQLITE_TOOBIG:
        self.init(.statement, "the statement cannot be run", nil)
      default:
        self.init(.inputOutput, "SQLite failed with result code \(resultCode)", nil)
      }
    }

    private init(_ code: EncryptedStorageError.Code, _ detail: String, _ hint: String?) {
      self.code = code
      self.detail = detail
      self.hint = hint
    }
  }
}
