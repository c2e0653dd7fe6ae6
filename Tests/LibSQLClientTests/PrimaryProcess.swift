import Foundation
import LibSQLClient
import TestSupport

/// A server that speaks Hrana.
protocol SQLServer: Sendable {
  func remote() throws -> Remote
}

/// Whose server the client talks to.
///
/// A third party's is not to be had from a package registry. Who has one (github.com/libsql/hrana-test-server, `ENCODING=json
/// PERSISTENT_DB=FILE python3 server_v3.py`) names its address in `ALBERGUE_HRANA_URL`; tables `t` and `v` are replaced there.
enum SQLPeer: Sendable, Hashable {
  case primary
  case thirdParty(url: String)

  static var available: [SQLPeer] {
    let url = ProcessInfo.processInfo.environment["ALBERGUE_HRANA_URL"] ?? ""
    return url.isEmpty ? [.primary] : [.primary, .thirdParty(url: url)]
  }

  func start() async throws -> any SQLServer {
    switch self {
    case .primary: try await PrimaryProcess.start()
    case .thirdParty(let url): ThirdPartyServer(url: url)
    }
  }
}

/// Started by somebody else.
struct ThirdPartyServer: SQLServer {
  let url: String

  func remote() throws -> Remote { Remote(try RemoteURL(url), tokens: .none, transport: try Transport()) }
}

/// The built `albergue-primary`, on loopback, on a port that the system chooses. It ends with the last reference.
final class PrimaryProcess: SQLServer {
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
