internal import CSQLCipher
public import EncryptionKeys

/// Why an operation on an encrypted file failed: what, where, which key, and what to do.
///
/// Never holds a key, a passphrase, a bound value or the content of a row, so it is safe to log.
public struct EncryptedStorageError: ReportedError, Sendable, CustomStringConvertible {
  /// One case per reaction a caller can have; SQLCipher itself answers 26 (`SQLITE_NOTADB`) to most of them.
  public enum Code: String, Sendable, CaseIterable {
    /// No key given authenticates a single page of the file.
    case wrongKey
    /// The operation needs a key and none was given.
    case noKey
    /// The file is an ordinary, unencrypted SQLite database.
    case plaintext
    /// Neither a SQLite nor a SQLCipher database: empty, a directory, another format.
    case notADatabase
    /// The key fits, but pages are damaged, missing or not authentic.
    case damaged
    /// The key fits, under another cipher profile than the one asked for.
    case profileMismatch
    /// A format that is recognised and refused: legacy SQLCipher, Turso's own encryption, a newer store.
    case unsupportedFormat
    /// A page store, where a plain encrypted database is needed.
    case pageStore
    /// A page store whose image is not whole yet.
    case incomplete
    /// Pages that do not follow the position the store is at.
    case positionMismatch
    /// Pages of another remote, or of another generation of it, than the store's.
    case remoteMismatch
    /// Pages that cannot be part of the image they claim to make.
    case invalidPages
    /// Another connection or process holds a lock, or has the file open.
    case busy
    /// No space left on the device, or a file size limit.
    case diskFull
    /// The file or its folder cannot be written.
    case readOnly
    /// The file does not exist.
    case missing
    /// The target exists and is not overwritten.
    case exists
    /// Reading or writing failed in the operating system.
    case inputOutput
    /// The linked library is not SQLCipher 4, or OpenSSL refused an algorithm.
    case cipherUnavailable
    /// The task was cancelled; the statement was interrupted and nothing was changed.
    case cancelled
    /// The statement is refused on this connection: a key pragma, ATTACH, a write on a reader.
    case denied
    /// A constraint of the schema was violated.
    case constraint
    /// The SQL text is wrong, or its parameters do not fit.
    case statement
    /// The connection is closed, or refused after an earlier failure.
    case closed
    /// The key itself could not be loaded or derived.
    case keyUnusable
  }

  /// What went wrong, as far as a caller can react to it.
  public let code: Code
  /// The step that failed, one word or two: `open`, `rekey`, `checkpoint`.
  public let operation: String
  /// The file, as the caller named it.
  public let file: String?
  /// The id of the key that was tried last, never the key.
  public let keyID: KeyID?
  /// What was found, in one sentence without a full stop.
  public let detail: String
  /// What to do about it, where something can be done.
  public let hint: String?
  /// The extended SQLite result code, where SQLite said it. Source: https://www.sqlite.org/rescode.html
  public let resultCode: Int32?

  /// Makes an error; `detail` and `hint` must be free of secrets and of row data.
  public init(
    _ code: Code, operation: String, file: String? = nil, keyID: KeyID? = nil, detail: String, hint: String? = nil,
    resultCode: Int32? = nil
  ) {
    self.code = code
    self.operation = operation
    self.file = file
    self.keyID = keyID
    self.detail = detail
    self.hint = hint
    self.resultCode = resultCode
  }

  /// `operation file: detail`, for logs and people.
  public var description: String {
    var text = operation
    if let file { text += " \(file)" }
    text += ": \(detail)"
    if let keyID { text += " (key \(keyID))" }
    return text
  }

  /// ``description``.
  public var report: String { description }

  /// That of the code.
  public var exitCode: Int32 {
    switch code {
    case .wrongKey, .noKey, .profileMismatch, .denied, .keyUnusable: 77
    case .plaintext, .notADatabase, .damaged, .unsupportedFormat, .pageStore: 65
    case .busy, .incomplete: 75
    case .positionMismatch, .remoteMismatch, .invalidPages: 76
    case .diskFull, .readOnly, .inputOutput, .closed: 74
    case .missing: 66
    case .exists: 73
    case .cipherUnavailable: 69
    case .cancelled: 130
    case .constraint, .statement: 64
    }
  }

  /// The same error with the file named, for code that learns the path only further up.
  package func naming(file: String, keyID: KeyID? = nil) -> EncryptedStorageError {
    EncryptedStorageError(
      code, operation: operation, file: self.file ?? file, keyID: self.keyID ?? keyID, detail: detail, hint: hint,
      resultCode: resultCode)
  }

  /// Any error of this module, as what it is; anything else cannot come from it.
  package init(_ error: any Error, file: String?) {
    switch error {
    case let error as EncryptedStorageError: self = error
    case let error as KeyError: self.init(error, operation: "derive key", file: file)
    default:
      self.init(.inputOutput, operation: "use", file: file, detail: "an unexpected failure: \(type(of: error))")
    }
  }

  /// A key error, seen from the operation that needed the key.
  package init(_ error: KeyError, operation: String, file: String?) {
    self.init(.keyUnusable, operation: operation, file: file, detail: error.message, hint: error.hint)
  }
}
