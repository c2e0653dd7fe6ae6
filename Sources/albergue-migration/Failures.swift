import CommandSupport
import Migrations

/// Errors of migrations, as the program reports errors.
enum Failures {
  /// Runs `body`, and gives its errors the exit code and the hint that they carry.
  static func translated<T>(_ body: () async throws -> T) async throws -> T {
    do { return try await body() } catch { throw translate(error) }
  }

  static func translate(_ error: any Error) -> any Error {
    switch error {
    case let error as MigrationError:
      CommandError(ExitStatus(rawValue: error.code.exitCode) ?? .dataError, error.description, hint: error.hint)
    default: error
    }
  }
}
