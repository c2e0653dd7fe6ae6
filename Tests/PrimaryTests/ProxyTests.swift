import Foundation
import TestSupport
import Testing

@testable import Primary

/// Official clients over https, through Debian's nginx with the configuration that is shipped.
@Suite("Behind nginx", .serialized)
struct ProxyTests {
  private let keys: TemporaryDirectory
  private let token: String

  init() throws {
    keys = try TemporaryDirectory()
    try Bytes.write(Data(TestKey.first.publicKey.utf8), to: keys.file("public"))
    token = try TokenJudge.sign(.claims(["a": "rw"]))
  }

  private func start(_ arguments: String...) throws -> (ServerProcess, ProxyProcess) {
    let server = try ServerProcess(["--auth-jwt-key-file", keys.file("public")] + arguments)
    return (server, try ProxyProcess(to: server.url))
  }

  @Test func replicasAndWebSocketsPass() throws {
    let (server, proxy) = try start()
    let trust = ["SSL_CERT_FILE": proxy.authority]
    _ = try ClientProgram(name: "libsql_replica", packages: ["libsql"])
      .run(proxy.url, token: token, environment: trust)
    let report = try ClientProgram(name: "libsql_client_program", packages: ["libsql-client", "aiohttp"])
      .run(proxy.url, token: token, environment: trust)
    #expect(server.stop() == 0)
    #expect(try report.dump == server.dump())
    #expect(!proxy.errors.contains("temporary file"), "requests and answers must not be written to the disk")
  }

  @Test func replicasOfTheFirstProtocolPass() throws {
    let (server, proxy) = try start("--no-v2")
    let report = try ClientProgram(name: "libsql_experimental_replica", packages: ["libsql-experimental"])
      .run(proxy.url, token: token, environment: ["SSL_CERT_FILE": proxy.authority])
    #expect(server.stop() == 0)
    #expect(try report.dump == server.dump())
    #expect(!proxy.errors.contains("temporary file"))
  }

  @Test func tursosPullsAndPushesPass() throws {
    let (server, proxy) = try start()
    let report = try ClientProgram(name: "pyturso_sync", packages: ["pyturso", "turso-serverless"])
      .run(proxy.url, token: token, environment: ["SSL_CERT_FILE": proxy.authority])
    #expect(server.stop() == 0)
    #expect(try report.dump == server.dump())
    #expect(!proxy.errors.contains("temporary file"))
  }

  @Test func headersLimitsAndErrorsPassAsTheyAre() throws {
    let (server, proxy) = try start()
    let environment = ["SSL_CERT_FILE": proxy.authority]
    _ = try ClientProgram(name: "through_proxy", packages: []).run(proxy.url, token: token, environment: environment)
    #expect(server.stop() == 0)
    #expect(!proxy.errors.contains("temporary file"))
  }

  @Test func onlyModernTLSAndOnlyATrustedCertificateWillDo() throws {
    let (server, proxy) = try start()
    let address = proxy.url.replacing("https://", with: "")
    for (version, isGood) in [("-tls1_3", true), ("-tls1_2", true), ("-tls1_1", false), ("-tls1", false)] {
      let arguments = ["s_client", "-connect", address, "-CAfile", proxy.authority, "-verify_return_error", "-brief"]
      // The lowest security level, so that it is the server that refuses.
      let result = try Subprocess.run("openssl", arguments + [version, "-cipher", "DEFAULT:@SECLEVEL=0"])
      #expect((result.status == 0) == isGood, "\(version): \(result.errors)")
    }
    let program = ClientProgram(name: "libsql_remote", packages: ["libsql"])
    let distrusting = try program.result(proxy.url, token: token)
    #expect(distrusting.status != 0)
    #expect(distrusting.errors.contains("UnknownIssuer"), "\(distrusting.errors)")
    #expect(server.stop() == 0)
  }
}
