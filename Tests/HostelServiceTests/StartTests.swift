import EncryptedStorage
import Foundation
import TestSupport
import Testing

/// A service that is not set up rightly does not start, and says what to do.
@Suite("Starting the service")
struct StartTests {
  let folder: TemporaryDirectory
  private let variables: [String: String]

  init() async throws {
    folder = try TemporaryDirectory(named: "albergue-start")
    for (name, hex) in [("right.key", TestKeys.secondHex), ("other.key", TestKeys.firstHex)] {
      try Bytes.write(Data(hex.utf8), to: folder.file(name))
      try Bytes.setMode(folder.file(name), 0o600)
    }
    let connection = try await ConnectionFactory(key: TestKeys.second()).create(folder.file("hostel.db"))
    await connection.close()
    variables = [
      "DB_MODE": "seaorm_sqlite", "TURSO_REPLICA_PATH": folder.file("hostel.db"),
      "TURSO_ENCRYPTION_KEY_FILE": folder.file("right.key"), "PILGRIM_ENCRYPTION_KEY_FILE": folder.file("other.key"),
    ]
  }

  /// - Returns: what it printed, when it ended with `status` and without listening.
  private func refusal(
    _ arguments: [String] = [], _ changes: [String: String], status: Int32,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> String {
    let environment = variables.merging(changes) { $1 }.filter { !$0.value.isEmpty }
    let program = Executables.path("albergue-service")
    let result = try Subprocess.run(
      "timeout", ["-s", "KILL", "600", program, "serve", "--listen", "127.0.0.1:0"] + arguments,
      environment: environment
    )
    #expect(result.status == status && result.output.isEmpty, "\(result.errors)", sourceLocation: sourceLocation)
    #expect(result.errors.contains("error:"), sourceLocation: sourceLocation)
    for hex in [TestKeys.firstHex, TestKeys.secondHex] {
      #expect(!result.errors.contains(hex), sourceLocation: sourceLocation)
    }
    return result.errors
  }

  @Test func withoutAKeyForThePersonalColumnsNothingStarts() throws {
    let errors = try refusal(["PILGRIM_ENCRYPTION_KEY_FILE": ""], status: 77)
    #expect(errors.contains("PILGRIM_ENCRYPTION_KEY_FILE"))
    _ = try refusal(["PILGRIM_ENCRYPTION_KEY_FILE": folder.file("none")], status: 66)
    _ = try refusal(["PILGRIM_ENCRYPTION_KEYRING": folder.file("right.key")], status: 77)
  }

  /// What gives the file's key runs before the key of the columns is taken out of the environment.
  @Test func theKeyOfThePersonalColumnsIsWithheldFromKeyCommands() throws {
    let (seen, key) = (folder.file("seen"), folder.file("right.key"))
    let program = folder.file("give-key")
    try Bytes.write(Data("#!/bin/sh\nenv > '\(seen)'\ncat '\(key)'\n".utf8), to: program)
    try Bytes.setMode(program, 0o700)
    let changes = [
      "TURSO_ENCRYPTION_KEY_FILE": "", "TURSO_ENCRYPTION_KEY_COMMAND": program, "PILGRIM_ENCRYPTION_KEY_FILE": "",
      "PILGRIM_ENCRYPTION_KEY": TestKeys.thirdHex, "TURSO_REPLICA_PATH": folder.file("none.db"), "PLAIN": "passed on",
    ]
    _ = try refusal(changes, status: 66)
    let environment = String(decoding: try Bytes.read(seen), as: UTF8.self)
    #expect(environment.contains("PLAIN=passed on"))
    #expect(!environment.contains(TestKeys.thirdHex) && !environment.contains("PILGRIM_ENCRYPTION_KEY"))
  }

  @Test func withoutTheKeyOfTheFileNothingStarts() throws {
    _ = try refusal(["TURSO_ENCRYPTION_KEY_FILE": ""], status: 77)
    _ = try refusal(["TURSO_ENCRYPTION_KEY_FILE": folder.file("other.key")], status: 77)
  }

  @Test func aSettingThatNobodyKnowsIsAnError() throws {
    _ = try refusal(["DB_MODE": "plaintext"], status: 64)
    _ = try refusal(["TURSO_REPLICA_PATH": folder.file("none.db")], status: 66)
    _ = try refusal(["DB_MODE": "libsql_embedded_replica"], status: 64)
    _ = try refusal(["PILGRIM_ENCRYPTION_UNBOUND": "perhaps"], status: 64)
  }

  @Test func othersOnTheNetworkNeedATokenAndTLS() throws {
    _ = try refusal(["--listen", "0.0.0.0:0"], [:], status: 64)
    _ = try refusal(["--listen", "0.0.0.0:0", "--insecure-listen"], [:], status: 64)
  }

  private func refusal(
    _ changes: [String: String], status: Int32, sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> String { try refusal([], changes, status: status, sourceLocation: sourceLocation) }
}
