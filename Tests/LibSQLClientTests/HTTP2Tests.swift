import EncryptionKeys
import Foundation
import TestSupport
import Testing

@testable import LibSQLClient

/// Debian's nginx speaks HTTP/2 to us, and HTTP/1.1 to the server that misbehaves.
@Suite("HTTP/2", .serialized, .timeLimit(.minutes(20)))
struct HTTP2Tests {
  private let server: TestServer
  private let proxy: Nginx
  private let transport: Transport

  init() async throws {
    server = try await TestServer.start()
    let authority = try await TestAuthority.make()
    let upstream = server.port
    let port = try await TestServer.unusedPort()
    proxy = try await blocking { try Nginx(port: port, upstream: upstream, authority) }
    transport = try Transport(.with { $0.tls.authorityFile = authority.file })
  }

  private func request(_ path: String, _ body: [UInt8]? = nil) -> HTTPRequest {
    let url = "https://localhost:\(proxy.port)\(path)"
    return HTTPRequest(
      method: body == nil ? .get : .post, url: url, shownURL: url, operation: "test", body: body ?? [],
      isRepeatable: body == nil)
  }

  private static let pattern = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 7) }

  @Test func requestsShareAConnection() async throws {
    try await server.route(["GET /": [.init(200, Self.pattern)]])
    let first = try await transport.send(request("/"))
    #expect(first.head.isMultiplexed)
    #expect(try await first.body.collect(upTo: 1000) == Self.pattern)
    let connections = try await withThrowingTaskGroup(of: String?.self) { group in
      for _ in 0..<30 {
        group.addTask { [transport, request] in
          let response = try await transport.send(request("/", nil))
          _ = try await response.body.collect(upTo: 1000)
          return response.head.value(of: "x-connection")
        }
      }
      return try await group.reduce(into: Set()) { $0.insert($1) }
    }
    #expect(connections == [first.head.value(of: "x-connection")])
  }

  @Test func HTTP1IsSpokenWhenItIsAskedFor() async throws {
    try await server.route(["GET /": [.init(200, Self.pattern)]])
    let old = try Transport(
      .with {
        $0.tls.authorityFile = proxy.authority.file
        $0.usesHTTP1Only = true
      })
    #expect(try await old.send(request("/")).head.isMultiplexed == false)
  }

  @Test func aLargeBodyIsSent() async throws {
    try await server.route(["POST /": [.init(200, text: "x")]])
    let body = [UInt8](repeating: 9, count: 3_000_000)
    #expect(try await transport.send(request("/", body)).head.status == 200)
    #expect(try await server.requests().first?.body == body)
  }

  @Test func aReaderThatTakesItsTimeGetsEverything() async throws {
    try await server.route([
      "GET /": [.init(200, Self.pattern, framing: "chunked").changed { $0.times = 60_000 }], "GET /x": [.init()],
    ])
    let response = try await transport.send(request("/"))
    var (count, isRight) = (0, true)
    while let chunk = try await response.body.next() {
      // Other requests on the connection go on meanwhile.
      if count < 5_000_000 { #expect(try await transport.send(request("/x")).head.status == 200) }
      for (index, byte) in chunk.enumerated() where byte != Self.pattern[(count + index) % 1000] { isRight = false }
      count += chunk.count
    }
    #expect(count == 60_000_000)
    #expect(isRight)
  }

  @Test(arguments: ["cut-length", "cut-chunked", "reset"])
  func aBodyThatIsCutIsAnError(framing: String) async throws {
    try await server.route(["GET /": [TestServer.Answer(200, Self.pattern, framing: framing)]])
    let error = await remoteError { try await transport.send(request("/")).body.collect(upTo: 10_000) }
    // nginx answers 502 when it has got nothing that it could pass on.
    #expect(error?.code == .connectionLost, "\(String(describing: error))")
  }

  @Test func aRequestThatIsGivenUpLeavesTheConnectionAlone() async throws {
    try await server.route(["GET /": [.init(framing: "silence")], "GET /x": [.init()]])
    let first = try await transport.send(request("/x")).head.value(of: "x-connection")
    let task = Task { [transport, request] in try await transport.send(request("/", nil)) }
    while try await server.requests().count < 2 { await Task.yield() }
    task.cancel()
    #expect(await remoteError { try await task.value }?.code == .cancelled)
    #expect(try await transport.send(request("/x")).head.value(of: "x-connection") == first)
  }
}

/// nginx in a folder of its own, without root.
final class Nginx: Sendable {
  let port: Int
  let authority: TestAuthority
  private let process: ChildProgram
  private let directory: TemporaryDirectory
  /// Kept open, since nginx writes to it.
  private let errors = Pipe()

  init(port: Int, upstream: Int, _ authority: TestAuthority) throws {
    self.port = port
    self.authority = authority
    directory = try TemporaryDirectory(named: "albergue-nginx")
    let program = Judges.root + "/.tools/nginx/nginx"
    try #require(Bytes.exists(program), "the judge nginx is not installed; ./taskw deps:judges installs it")
    let (certificate, key) = try authority.certificate(name: "localhost")
    let configuration = """
      pid nginx.pid;
      error_log stderr notice;
      events { use epoll; }
      http {
        access_log off;
        client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
        scgi_temp_path scgi;
        server {
          listen 127.0.0.1:\(port) ssl http2;
          ssl_certificate \(certificate);
          ssl_certificate_key \(key);
          client_max_body_size 0;
          add_header x-connection $connection always;
          location / {
            proxy_pass http://127.0.0.1:\(upstream);
            proxy_http_version 1.1;
            proxy_buffering off;
          }
        }
      }
      """
    try Bytes.write(Data(configuration.utf8), to: directory.file("nginx.conf"))
    process = ChildProgram()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    // Killed should the test itself have died.
    process.arguments =
      ["timeout", "-s", "KILL", "600", program, "-p", directory.path, "-c", "nginx.conf", "-e", "stderr"]
      + ["-g", "daemon off; master_process off;"]
    process.setErrors(errors)
    process.setInput(FileHandle.nullDevice)
    try process.run()
    // Said after the socket is open.
    var said = Data()
    while !String(decoding: said, as: UTF8.self).contains("epoll") {
      let more = errors.fileHandleForReading.availableData
      try #require(!more.isEmpty, "nginx did not start: \(String(decoding: said, as: UTF8.self))")
      said += more
    }
  }

}
