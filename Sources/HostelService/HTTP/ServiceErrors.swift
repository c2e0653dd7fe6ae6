internal import EncryptedStorage
internal import LibSQLClient
internal import ReplicaSync

/// Errors as the log may have them.
enum ServiceErrors {
  /// What the libraries below say of themselves holds no value; of anything else only the type is told.
  static func text(_ error: any Error) -> String {
    switch error {
    case let error as EncryptedStorageError: error.description
    case let error as RemoteError: error.description
    case let error as SyncError: error.description
    default: "\(type(of: error))"
    }
  }
}
