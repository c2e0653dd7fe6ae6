import CommandSupport
import LibSQLClient
import ReplicaSync
import WorkingCopy

/// Errors of remote and synchronisation, as the program reports errors.
enum Failures {
  /// Runs `body`, and gives its errors the exit code and the hint that they carry.
  static func translated<T>(_ body: () async throws -> T) async throws -> T {
    do { return try await body() } catch { throw translate(error) }
  }

  static func translate(_ error: any Error) -> any Error {
    switch error {
    case let error as RemoteError where error.code == .cancelled: CancellationError()
    case let error as RemoteError:
      CommandError(status(error.code.exitCode), error.description, hint: error.hint)
    case let error as SyncError: CommandError(status(error.code.exitCode), error.description, hint: error.hint)
    case let error as WorkingCopyError: CommandError(status(error.code.exitCode), error.description, hint: error.hint)
    default: error
    }
  }

  private static func status(_ exitCode: Int32) -> ExitStatus { ExitStatus(rawValue: exitCode) ?? .protocolError }

  /// One line about an error, for people.
  static func text(_ error: any Error) -> String {
    switch translate(error) {
    case let error as CommandError: error.message
    case let error: "\(error)"
    }
  }
}
