import EncryptionKeys
import Foundation
import TestSupport
import Testing

@testable import LibSQLClient

@Suite("Token sources", .serialized)
struct TokenSourceTests {
  private let folder: TemporaryDirectory

  init() throws { folder = try TemporaryDirectory() }

  private func file(_ text: String, mode: Int = 0o600) throws -> String {
    let path = folder.file("token")
    try Bytes.write(Data(text.utf8), to: path)
    try Bytes.setMode(path, mode)
    return path
  }

  private func text(_ token: TokenSource.Token?) -> String? {
    token.map { token in token.secret.withHeader("") { String(cString: $0) } }
  }

  @Test func aFileIsReadAndReadAgainWhenItsTokenIsRefused() async throws {
    let source = TokenSource(file: try file("first.token\n"))
    let first = try #require(try await source.current())
    #expect(text(first) == "first.token")
    _ = try file("second.token")
    // Not before it is refused.
    #expect(text(try await source.current()) == "first.token")
    #expect(text(try await source.renewed(after: first)) == "second.token")
    #expect(text(try await source.current()) == "second.token")
  }

  @Test func aFileThatStillHoldsTheRefusedTokenGivesNoOther() async throws {
    let source = TokenSource(file: try file("same"))
    let token = try #require(try await source.current())
    #expect(try await source.renewed(after: token) == nil)
  }

  @Test func manyRefusedRequestsReadACommandOnce() async throws {
    let log = folder.file("log")
    let script = folder.file("command.sh")
    try Bytes.write(Data("#!/bin/sh\necho run >> \(log)\nwc -l < \(log) | tr -d ' '\n".utf8), to: script)
    try Bytes.setMode(script, 0o700)
    let source = TokenSource(command: script)
    let token = try #require(try await source.current())
    let renewed = try await withThrowingTaskGroup(of: String?.self) { group in
      for _ in 0..<20 { group.addTask { self.text(try await source.renewed(after: token)) } }
      return try await group.reduce(into: Set()) { $0.insert($1) }
    }
    #expect(renewed == ["2"])
    #expect(String(decoding: try Bytes.read(log), as: UTF8.self) == "run\nrun\n")
  }

  @Test func aLiteralTokenCannotBeRenewed() async throws {
    let source = try TokenSource(SecretBytes(copying: "token".utf8))
    let token = try #require(try await source.current())
    #expect(try await source.renewed(after: token) == nil)
    #expect(text(try await source.current()) == "token")
  }

  @Test(arguments: [
    "", "Bearer CANARY", "CANARY\nCANARY", "\"CANARY x\"", "CANARY\u{e9}", String(repeating: "a", count: 8193),
  ])
  func whatCannotStandInAHeaderIsRefused(_ text: String) async throws {
    let error = await remoteError { try await TokenSource(file: try file(text)).current() }
    #expect(error?.code == .credentials)
    #expect(error?.code.exitCode == 77)
    let shown = "\(String(describing: error)) \(error?.hint ?? "")"
    #expect(!shown.contains("CANARY"))
  }

  @Test func aFileThatOthersCanReadIsRefused() async throws {
    let error = await remoteError { try await TokenSource(file: try file("token", mode: 0o644)).current() }
    #expect(error?.code == .credentials)
    #expect(await remoteError { try await TokenSource(file: folder.file("none")).current() }?.code == .credentials)
    #expect(await remoteError { try await TokenSource(command: "false").current() }?.code == .credentials)
  }

  @Test func theEnvironmentNamesOneSource() async throws {
    for name in ["", "_FILE", "_COMMAND"] { unsetenv("TURSO_AUTH_TOKEN\(name)") }
    #expect(try await TokenSource.fromEnvironment().current() == nil)
    setenv("TURSO_AUTH_TOKEN", "", 1)
    #expect(try await TokenSource.fromEnvironment().current() == nil)
    setenv("TURSO_AUTH_TOKEN", "literal", 1)
    #expect(text(try await TokenSource.fromEnvironment().current()) == "literal")
    #expect(getenv("TURSO_AUTH_TOKEN") == nil, "it is gone for children and for /proc")
    setenv("TURSO_AUTH_TOKEN_FILE", try file("from-file"), 1)
    #expect(text(try await TokenSource.fromEnvironment().current()) == "from-file")
    setenv("TURSO_AUTH_TOKEN_COMMAND", "echo CANARY", 1)
    let error = await remoteError { try TokenSource.fromEnvironment() }
    #expect(error?.code == .credentials)
    #expect(!"\(String(describing: error))".contains("CANARY"))
    unsetenv("TURSO_AUTH_TOKEN_FILE")
    #expect(text(try await TokenSource.fromEnvironment().current()) == "CANARY")
    unsetenv("TURSO_AUTH_TOKEN_COMMAND")
  }

  @Test(arguments: [
    ("AAECAwQFBgcICQoLDA0ODw", "AAECAwQFBgcICQoLDA0ODw=="), ("AAECAwQFBgcICQoLDA0ODw==", "AAECAwQFBgcICQoLDA0ODw=="),
  ])
  func aCustomerKeyIsSentWithPadding(_ text: String, _ sent: String) throws {
    let key = try CustomerKey(SecretBytes(copying: text.utf8))
    #expect(key.secret.withHeader("") { String(cString: $0) } == sent)
  }

  @Test(arguments: [
    "", "AAECAw", "AAECAwQFBgcICQoLDA0OD", "AAECAwQFBgcICQoLDA0ODw===", "AAECAwQFBgcICQoLDA0O D==",
    "AAECAwQFBgcICQoLDA0O_w",
  ])
  func whatIsNoCustomerKeyIsRefused(_ text: String) async {
    #expect(await remoteError { try CustomerKey(SecretBytes(copying: text.utf8)) }?.code == .credentials)
  }
}
