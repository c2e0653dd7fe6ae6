import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdCore
import LibSQLProtocol
import Logging
import NIOCore
import TestSupport

@testable import Primary
@testable import ServerAccess

/// The service behind HTTP on a loopback port, for clients that are not ours. `POST /sql` runs a script on the primary.
enum ReplicationServer {
  /// Serves while `body` runs, which gets the port.
  static func serve<T: Sendable>(
    _ primary: ReplicationPrimary, _ body: @escaping @Sendable (Int) async throws -> T
  ) async throws -> T {
    let (ports, port) = AsyncStream.makeStream(of: Int.self)
    let responder = CallbackResponder<BasicRequestContext> { request, _ in try await answer(request, primary) }
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let application = Application(
      responder: responder, configuration: .init(address: .hostname("127.0.0.1", port: 0)),
      onServerRunning: { channel in port.yield(channel.localAddress?.port ?? 0) }, logger: logger)
    let server = Task { try await application.runService(gracefulShutdownSignals: []) }
    defer { server.cancel() }
    for await port in ports { return try await body(port) }
    throw CancellationError()
  }

  private static func answer(_ request: Request, _ primary: ReplicationPrimary) async throws -> Response {
    let path = request.uri.string
    if path == "/sql" {
      let script = try await request.body.collect(upTo: 1 << 20)
      try await primary.run(String(buffer: script))
      return Response(status: .ok)
    }
    guard let route = try ReplicationRoute(method: request.method.rawValue, path: path) else {
      return Response(status: .notFound)
    }
    return try await primary.service.respond(
      to: route, headers: request.headers, body: request.body, right: .readWrite)
  }

  /// Runs a Python program with the port as its argument, off the cooperative pool.
  static func python(_ executable: String, _ script: String, _ arguments: [String]) async throws -> Subprocess {
    try await withCheckedThrowingContinuation { continuation in
      Thread.detachNewThread {
        continuation.resume(with: Result { try Subprocess.run(executable, ["-c", script] + arguments) })
      }
    }
  }
}
