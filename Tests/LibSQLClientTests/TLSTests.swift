import EncryptionKeys
import Foundation
import TestSupport
import Testing

@testable import LibSQLClient

@Suite("TLS", .serialized, .timeLimit(.minutes(20)))
struct TLSTests {
  private let authority: TestAuthority

  init() async throws { authority = try await TestAuthority.make() }

  private func get(
    _ server: TestServer, _ change: (inout TransportConfiguration) -> Void
  ) async throws -> Int {
    try await Transport(.with(change)).send(.get(server, "/")).head.status
  }

  @Test func aServerOfAnUnknownAuthorityIsRefusedAndSentNothing() async throws {
    let server = try await authority.server(name: "localhost")
    let error = await remoteError { try await get(server) { _ in } }
    #expect(error?.code == .untrusted)
    #expect(error?.mayHaveRun == false)
    #expect(try await server.requests().isEmpty)
  }

  @Test func aServerOfTheNamedAuthorityIsTrusted() async throws {
    let server = try await authority.server(name: "localhost")
    #expect(try await get(server) { $0.tls.authorityFile = authority.file } == 404)
  }

  @Test func aCertificateForAnotherNameIsRefused() async throws {
    let server = try await authority.server(name: "elsewhere.example")
    #expect(await remoteError { try await get(server) { $0.tls.authorityFile = authority.file } }?.code == .untrusted)
    #expect(try await server.requests().isEmpty)
  }

  @Test func aPinnedKeyHasToBeTheServers() async throws {
    let server = try await authority.server(name: "localhost")
    let pin = try await blocking { [authority] in try authority.pin(of: "localhost") }
    let status = try await get(server) {
      $0.tls.authorityFile = authority.file
      $0.tls.pinnedPublicKeys = pin
    }
    #expect(status == 404)
    let error = await remoteError {
      try await get(server) {
        $0.tls.authorityFile = authority.file
        $0.tls.pinnedPublicKeys = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
      }
    }
    #expect(error?.code == .untrusted)
    #expect(try await server.requests().count == 1)
  }

  @Test func aClientCertificateIsShown() async throws {
    let server = try await authority.server(name: "localhost", asksForClients: true)
    let (certificate, key) = try await blocking { [authority] in try authority.certificate(name: "client") }
    let status = try await get(server) {
      $0.tls.authorityFile = authority.file
      $0.tls.clientCertificateFile = certificate
      $0.tls.clientKeyFile = key
    }
    #expect(status == 404)
    let error = await remoteError { try await get(server) { $0.tls.authorityFile = authority.file } }
    #expect(error != nil)
    #expect(try await server.requests().count == 1)
  }

  @Test func aFileThatIsNoCertificateIsASettingThatIsWrong() async throws {
    let server = try await authority.server(name: "localhost")
    let error = await remoteError { try await get(server) { $0.tls.authorityFile = "/dev/null" } }
    #expect(error?.code == .configuration)
    #expect(error?.code.exitCode == 64)
  }

  @Test func aServerWithoutTLSIsSentNothing() async throws {
    let server = try await TestServer.start()
    let url = "https://127.0.0.1:\(server.port)/"
    let transport = try Transport(.with { $0.timeouts.connect = .milliseconds(200) })
    let error = await remoteError {
      try await transport.send(
        HTTPRequest(method: .post, url: url, shownURL: url, operation: "test", body: [1], isRepeatable: false))
    }
    // It waits for the end of a line, which no handshake has.
    #expect(error?.code == .timedOut)
    #expect(error?.mayHaveRun == false)
  }

  @Test func aProxyMakesATunnelAndSeesNoToken() async throws {
    let server = try await authority.server(name: "localhost")
    let proxy = try await TestServer.start()
    let transport = try Transport(
      .with {
        $0.tls.authorityFile = authority.file
        $0.proxy = .server("http://127.0.0.1:\(proxy.port)")
      })
    var request = HTTPRequest.get(server, "/")
    request.headers = [
      HTTPRequest.Header("authorization", prefix: "Bearer ", secret: Secret(.init(copying: "CANARY".utf8)))
    ]
    #expect(try await transport.send(request).head.status == 404)
    #expect(try await server.requests().first?.header("authorization") == "Bearer CANARY")
    let seen = try await proxy.requests()
    #expect(seen.map(\.method) == ["CONNECT"])
    #expect(!seen.contains { $0.headers.contains { $0[1].contains("CANARY") } })
  }

  @Test func plainHTTPGoesThroughNoProxy() async throws {
    let server = try await TestServer.start()
    let proxy = try await TestServer.start()
    let transport = try Transport(.with { $0.proxy = .server("http://127.0.0.1:\(proxy.port)") })
    #expect(try await transport.send(.get(server, "/")).head.status == 404)
    #expect(try await proxy.requests().isEmpty)
  }
}

/// Certificates of an authority of the test's own, made by the `openssl` command line.
struct TestAuthority: Sendable {
  private let folder: TemporaryDirectory

  var file: String { folder.file("authority.pem") }

  /// Waiting for the command line blocks, so it happens off the cooperative pool.
  static func make() async throws -> TestAuthority { try await blocking { try TestAuthority() } }

  private init() throws {
    folder = try TemporaryDirectory()
    try openssl(
      "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
      "/CN=Test authority", "-keyout", folder.file("authority.key"), "-out", file)
  }

  /// A certificate and its key.
  func certificate(name: String) throws -> (certificate: String, key: String) {
    let (request, certificate, key) = (
      folder.file("\(name).csr"), folder.file("\(name).pem"), folder.file("\(name).key")
    )
    try openssl(
      "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=\(name)", "-keyout", key,
      "-out", request)
    try Bytes.write(Data("subjectAltName=DNS:\(name)\n".utf8), to: folder.file("\(name).ext"))
    try openssl(
      "x509", "-req", "-in", request, "-CA", file, "-CAkey", folder.file("authority.key"), "-CAcreateserial", "-days",
      "2", "-extfile", folder.file("\(name).ext"), "-out", certificate)
    return (certificate, key)
  }

  /// The pin of a certificate's public key.
  func pin(of name: String) throws -> String {
    let script = """
      openssl x509 -in '\(folder.file("\(name).pem"))' -pubkey -noout | openssl pkey -pubin -outform DER \
      | openssl dgst -sha256 -binary | openssl base64 -A
      """
    let result = try Subprocess.run("sh", ["-c", script])
    try #require(result.status == 0, "\(result.errors)")
    return "sha256//\(result.output)"
  }

  func server(name: String, asksForClients: Bool = false) async throws -> TestServer {
    let (certificate, key) = try await blocking { try self.certificate(name: name) }
    return try await TestServer.start(
      ["--certificate", certificate, "--key", key] + (asksForClients ? ["--client-authority", file] : []))
  }

  private func openssl(_ arguments: String...) throws {
    let result = try Subprocess.run("openssl", arguments)
    try #require(result.status == 0, "\(result.errors)")
  }
}
