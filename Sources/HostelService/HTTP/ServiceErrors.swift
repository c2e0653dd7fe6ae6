internal import EncryptionKeys

/// Errors as the log may have them.
enum ServiceErrors {
  /// What errors of this package say of themselves holds no value; of any other only the type is told.
  static func text(_ error: any Error) -> String { (error as? any ReportedError)?.report ?? "\(type(of: error))" }
}
