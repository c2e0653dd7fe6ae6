import Foundation
import LibSQLClient
import TestSupport
import Testing

/// The built `albergue-primary`, on loopback, on a port that the system chooses. It ends with the last reference.
final class PrimaryProcess: Sendable {
  private let process: ChildProgram
  private let directory: TemporaryDirectory
  /// `http://127.0.0.1:PORT`.
  let address: String

  /// - Parameter arguments: by default limits that no test meets, however busy the machine is.
  static func start(
    _ arguments: [String] = ["--transaction-secs", "600", "--stream-idle-secs", "600"]
  ) async throws -> PrimaryProcess {
    try await blocking { try PrimaryProcess(arguments) }
  }

  private init(_ arguments: [String]) throws {
    directory = try TemporaryDirectory(named: "albergue-primary")
    let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    process = ChildProgram()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    // Killed should the test itself have died.
    process.arguments =
      ["timeout", "-s", "KILL", "180", (program as NSString).deletingLastPathComponent + "/albergue-primary", "serve"]
      + ["--store", directory.file("primary.store"), "--listen", "127.0.0.1:0"] + arguments
    process.environment = ProcessInfo.processInfo.environment.filter {
      ["PATH", "HOME", "LD_LIBRARY_PATH"].contains($0.key)
    }
    .merging(["TURSO_ENCRYPTION_KEY": TestKeys.firstHex]) { $1 }
    process.setInput(FileHandle.nullDevice)
    let output = Pipe()
    process.setOutput(output)
    try process.run()
    var line = Data()
    while !line.contains(UInt8(ascii: "\n")) {
      let more = output.fileHandleForReading.availableData
      try #require(!more.isEmpty, "albergue-primary did not start")
      line += more
    }
    let said = String(decoding: line, as: UTF8.self)
    address = String(try #require(said.firstMatch(of: /http:\/\/[0-9.:]+/)).output)
  }

  /// A remote without token.
  func remote() throws -> Remote {
    Remote(try RemoteURL(address), tokens: .none, transport: try Transport())
  }
}
