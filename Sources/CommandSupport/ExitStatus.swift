public import EncryptedStorage
public import EncryptionKeys

/// Exit codes of every executable, after sysexits(3). Table: README, "Exit codes".
public enum ExitStatus: Int32, Sendable {
  case success = 0
  /// A check failed: findings of `verify`.
  case checkFailed = 1
  case usage = 64
  /// Damaged, or not a database.
  case dataError = 65
  case noInput = 66
  case unavailable = 69
  /// Will not overwrite.
  case cannotCreate = 73
  /// I/O error, disk full.
  case inputOutput = 74
  /// Busy, try again.
  case temporaryFailure = 75
  case protocolError = 76
  /// Wrong key, no key, or not authorised.
  case noPermission = 77
  /// Ended by Ctrl-C: 128 + SIGINT, as shells say it.
  case interrupted = 130

  /// The code for an error of the storage.
  public init(_ error: EncryptedStorageError) {
    switch error.code {
    case .wrongKey, .noKey, .profileMismatch, .denied, .keyUnusable: self = .noPermission
    case .plaintext, .notADatabase, .damaged, .unsupportedFormat, .pageStore: self = .dataError
    case .busy, .incomplete: self = .temporaryFailure
    case .positionMismatch, .remoteMismatch, .invalidPages: self = .protocolError
    case .diskFull, .readOnly, .inputOutput, .closed: self = .inputOutput
    case .missing: self = .noInput
    case .exists: self = .cannotCreate
    case .cipherUnavailable: self = .unavailable
    case .cancelled: self = .interrupted
    case .constraint, .statement: self = .usage
    }
  }

  /// The code for an error about keys.
  public init(_ error: KeyError) {
    self = ExitStatus(rawValue: error.code.exitCode) ?? .noPermission
  }
}
