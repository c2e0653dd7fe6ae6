internal import HTTPTypes
internal import Hummingbird
internal import LibSQLProtocol
internal import Logging
internal import NIOCore
internal import ServerAccess

/// The calls with which V1 replicas delegate statements, as gRPC-web.
struct ProxyRoutes: Sendable {
  let gate: Gate
  let limits: PrimaryLimits
  let metrics: PrimaryMetrics

  func add(to router: Router<PrimaryContext>) {
    add(.execute, to: router) { admission, message in
      let program = try ProxyProgram(message[...])
      let (results, state) = try await admission.database.delegated.execute(program, admission.right)
      for case .failure(let error) in results { metrics.failed("PROXY_\(error.code)") }
      // How far a replica must pull to read what it wrote.
      let position = try await admission.database.position()
      return ProxyResults(results: results, state: state, currentFrameNumber: position).encoded
    }
    add(.describe, to: router) { admission, message in
      ProxyDescription.encode(
        try await admission.database.delegated.describe(try ProxyDescribeRequest(message[...]), admission.right))
    }
    add(.disconnect, to: router) { admission, message in
      await admission.database.delegated.disconnect(try ProxyDisconnect(message[...]).clientID, admission.right)
      return []
    }
  }

  private func add(
    _ method: ReplicationMethod, to router: Router<PrimaryContext>,
    _ call: @escaping @Sendable (Gate.Admission, [UInt8]) async throws -> [UInt8]
  ) {
    router.post("\(method.rawValue)") { request, context in
      do {
        let admission = try await gate.admit(request.headers)
        let body = try await request.bytes(upTo: limits.requestByteCount, within: limits.requestTime)
        let message = try GRPCMessageReader.request(body, messageSizeLimit: limits.requestByteCount)
        return Self.answer(GRPCWeb.response(messages: [try await call(admission, message)]))
      } catch {
        let status = Self.status(error)
        if status.code == .internal {
          context.logger.error("a call failed", metadata: ["reason": "\(type(of: error))"])
        }
        return Self.answer(GRPCWeb.response(messages: [], status: status))
      }
    }
  }

  private static func answer(_ body: [UInt8]) -> Response {
    Response(
      status: .ok, headers: [.contentType: GRPCWeb.responseContentType],
      body: .init(byteBuffer: ByteBuffer(bytes: body)))
  }

  private static func status(_ error: any Error) -> GRPCStatus {
    switch error {
    case let error as AccessError: error.grpcStatus
    case let error as WireFormatError: GRPCStatus(.invalidArgument, message: error.description)
    case let refusal as StreamTable.Refusal: GRPCStatus(.unavailable, message: refusal.error.message)
    case let failure as HTTPFailure where failure.status.code == 401:
      GRPCStatus(.unauthenticated, message: failure.message)
    case let failure as HTTPFailure where failure.status.code < 500:
      GRPCStatus(.invalidArgument, message: failure.message)
    default: GRPCStatus(.internal, message: "the server failed; its log says why")
    }
  }
}
