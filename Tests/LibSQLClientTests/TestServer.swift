import Foundation
import Glibc
import LibSQLProtocol
import TestSupport
import Testing

@testable import LibSQLClient

/// `Servers/server.py` in a process of its own. It ends with the last reference.
final class TestServer: Sendable {
  /// What the server does with a request; see the script.
  struct Answer: Encodable, Sendable {
    var status = 200
    var headers: [[String]] = []
    var body = ""
    var framing = "length"
    var times = 1
    var cut_at: Int?
    var close = false
    var require_authorization: String?
    var refusal = ""

    init(_ status: Int = 200, _ body: some Sequence<UInt8> = [], headers: [[String]] = [], framing: String = "length") {
      self.status = status
      self.headers = headers
      self.framing = framing
      self.body = Data(body).base64EncodedString()
    }

    init(_ status: Int = 200, text: String, headers: [[String]] = [], framing: String = "length") {
      self.init(status, text.utf8, headers: headers, framing: framing)
    }

    init(message: some HranaMessage) { self.init(200, message.encoded()) }

    func changed(_ change: (inout Answer) -> Void) -> Answer {
      var answer = self
      change(&answer)
      return answer
    }
  }

  /// A request as the server got it.
  struct Seen: Sendable {
    let method: String
    let path: String
    let headers: [[String]]
    let body: [UInt8]
    let connection: Int

    func header(_ name: String) -> String? { headers.first { $0[0] == name }?[1] }
  }

  private struct Record: Decodable {
    let method: String
    let path: String
    let headers: [[String]]
    let body: Data
    let connection: Int
  }

  private let process: ChildProgram
  private let input: Pipe
  let port: Int
  private let controlPort: Int
  private let control: Transport
  private static let sharedControl = Result { try Transport() }
  let isEncrypted: Bool

  /// Starts a server. Waiting for it blocks, so it happens off the cooperative pool.
  static func start(_ arguments: [String] = []) async throws -> TestServer {
    try await blocking { try TestServer(arguments) }
  }

  private init(_ arguments: [String]) throws {
    process = ChildProgram()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["python3", Judges.root + "/Tests/LibSQLClientTests/Servers/server.py"] + arguments
    input = Pipe()
    let output = Pipe()
    process.setInput(input)
    process.setOutput(output)
    try process.run()
    var text = Data()
    while text.count(where: { $0 == UInt8(ascii: "\n") }) < 2 {
      let more = output.fileHandleForReading.availableData
      try #require(!more.isEmpty, "the server did not start")
      text += more
    }
    let ports = String(decoding: text, as: UTF8.self).split(separator: "\n").compactMap { Int($0) }
    port = try #require(ports.first)
    controlPort = try #require(ports.last)
    isEncrypted = arguments.contains("--certificate")
    control = try Self.sharedControl.get()
  }

  deinit {
    // Not by closing its input: servers that were started later hold that open, too.
    process.send(SIGKILL)
  }

  /// A port that nobody listens at: its server has just ended.
  static func unusedPort() async throws -> Int {
    let server = try await start()
    try await blocking {
      server.process.send(SIGKILL)
      server.process.waitUntilExit()
    }
    return server.port
  }

  /// The address as a user writes it.
  var address: String { isEncrypted ? "libsql://localhost:\(port)" : "http://127.0.0.1:\(port)" }

  /// Says what the server does; the last answer of a list is given again and again.
  func route(_ routes: [String: [Answer]]) async throws {
    let response = try await control.send(controlRequest(.post, "/_routes", [UInt8](JSONEncoder().encode(routes))))
    #expect(response.head.status == 200)
  }

  /// What it has been asked.
  func requests() async throws -> [Seen] {
    let response = try await control.send(controlRequest(.get, "/_requests"))
    let body = try await response.body.collect(upTo: 64 << 20)
    return try JSONDecoder().decode([Record].self, from: Data(body)).map {
      Seen(method: $0.method, path: $0.path, headers: $0.headers, body: [UInt8]($0.body), connection: $0.connection)
    }
  }

  private func controlRequest(_ method: HTTPRequest.Method, _ path: String, _ body: [UInt8] = []) -> HTTPRequest {
    let url = "http://127.0.0.1:\(controlPort)\(path)"
    return HTTPRequest(method: method, url: url, shownURL: url, operation: "control", body: body, isRepeatable: false)
  }
}

extension HTTPRequest {
  /// A plain request to a test server.
  static func get(_ server: TestServer, _ path: String) -> HTTPRequest {
    let url = (server.isEncrypted ? "https://localhost" : "http://127.0.0.1") + ":\(server.port)\(path)"
    return HTTPRequest(method: .get, url: url, shownURL: url, operation: "test", isRepeatable: true)
  }

  static func post(_ server: TestServer, _ path: String, _ body: [UInt8], isRepeatable: Bool = false) -> HTTPRequest {
    var request = get(server, path)
    (request.method, request.body, request.isRepeatable) = (.post, body, isRepeatable)
    return request
  }
}

extension TransportConfiguration {
  /// Made in one expression.
  static func with(_ change: (inout TransportConfiguration) -> Void) -> TransportConfiguration {
    var configuration = TransportConfiguration()
    change(&configuration)
    return configuration
  }
}

/// The error of a call that has to fail with one.
func remoteError(_ body: () async throws -> some Any) async -> RemoteError? {
  do {
    _ = try await body()
    return nil
  } catch {
    return error as? RemoteError
  }
}

/// Runs what blocks off the cooperative pool, which has two threads on a machine of two cores.
func blocking<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
  try await withCheckedThrowingContinuation { continuation in
    DispatchQueue.global().async { continuation.resume(with: Result { try body() }) }
  }
}
