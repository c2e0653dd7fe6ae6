import Foundation
import TestSupport
import Testing

@testable import Primary

/// The official clients, unchanged, against the real server: each does its whole job, and what it has at the end is what
/// is in the encrypted store.
@Suite("Official clients", .serialized)
struct ClientTests {
  /// Runs `program` with a token against a server of its own, and compares the client's dump with the store's.
  private func judge(
    _ program: String, _ packages: String..., arguments: [String] = []
  ) throws {
    let keys = try TemporaryDirectory()
    try Bytes.write(Data(TestKey.first.publicKey.utf8), to: keys.file("public"))
    let token = try TokenJudge.sign(.claims(["a": "rw"]))
    let server = try ServerProcess(["--auth-jwt-key-file", keys.file("public")] + arguments)
    let report = try ClientProgram(name: program, packages: packages).run(server.url, token: token)
    #expect(server.stop() == 0, "\(server.errors)")
    #expect(!report.dump.isEmpty)
    #expect(try report.dump == server.dump())
    // Mistakes of clients are no failures of the server, and neither tokens nor keys get into its log.
    #expect(!server.errors.contains(" error "), "\(server.errors)")
    #expect(!server.errors.contains(token.suffix(20)))
    #expect(!server.errors.contains(TestKeys.firstHex.prefix(16)))
  }

  @Test func libsqlAsARemoteClient() throws { try judge("libsql_remote", "libsql") }

  @Test func libsqlWithAReplicaAndDelegatedWrites() throws { try judge("libsql_replica", "libsql") }

  @Test func libsqlOfflineWithPushAndConflict() throws { try judge("libsql_offline", "libsql") }

  @Test func libsqlExperimentalWithAReplicaOfTheFirstProtocol() throws {
    try judge("libsql_experimental_replica", "libsql-experimental", arguments: ["--no-v2"])
  }

  @Test func libsqlClientOverHTTPAndWebSocket() throws {
    try judge("libsql_client_program", "libsql-client", "aiohttp")
  }

  @Test func tursoServerless() throws { try judge("turso_serverless_program", "turso-serverless") }

  @Test func aiolibsqlRemoteAndWithAReplica() throws { try judge("aiolibsql_program", "aiolibsql") }

  @Test func pytursoPullsAndPushes() throws { try judge("pyturso_sync", "pyturso", "turso-serverless") }

  @Test func sqlalchemyRunsAnORMProgram() throws {
    try judge("sqlalchemy_program", "sqlalchemy-libsql", "SQLAlchemy", "libsql-experimental")
  }

  @Test func aClientWithoutATokenOrWithAReadingOneIsRefused() throws {
    let keys = try TemporaryDirectory()
    try Bytes.write(Data(TestKey.first.publicKey.utf8), to: keys.file("public"))
    let server = try ServerProcess(["--auth-jwt-key-file", keys.file("public")])
    let program = ClientProgram(name: "refused", packages: ["libsql", "libsql-client", "turso-serverless"])
    for (claims, expected) in [
      (nil, "401"), (["a": "ro"], "BLOCKED"), (["exp": 1], "401"), (["p": .rights([:])], "403"),
    ]
      as [([String: JSONText]?, String)]
    {
      let token = try claims.map { try TokenJudge.sign(.claims($0)) } ?? ""
      let report = try program.run(server.url, token: token, environment: ["EXPECTED": expected])
      #expect(report.client == "refused")
    }
    #expect(server.stop() == 0)
    #expect(try server.dump().isEmpty)
  }
}
