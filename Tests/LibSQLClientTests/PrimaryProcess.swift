import Foundation
import LibSQLClient
import TestSupport

/// The built `albergue-primary`, on loopback, on a port that the system chooses. It ends with the last reference.
final class PrimaryProcess: Sendable {
  private let process: RunningPrimary
  private let directory: TemporaryDirectory
  /// `http://127.0.0.1:PORT`.
  var address: String { process.url }

  /// - Parameter arguments: by default limits that no test meets, however busy the machine is.
  static func start(
    _ arguments: [String] = ["--transaction-secs", "600", "--stream-idle-secs", "600"]
  ) async throws -> PrimaryProcess {
    try await blocking { try PrimaryProcess(arguments) }
  }

  private init(_ arguments: [String]) throws {
    directory = try TemporaryDirectory(named: "albergue-primary")
    let keyFile = directory.file("key")
    try Bytes.write(Data(TestKeys.firstHex.utf8), to: keyFile)
    try Bytes.setMode(keyFile, 0o600)
    process = try RunningPrimary(store: directory.file("primary.store"), keyFile: keyFile, arguments: arguments)
  }

  /// A remote without token.
  func remote() throws -> Remote {
    Remote(try RemoteURL(address), tokens: .none, transport: try Transport())
  }
}
