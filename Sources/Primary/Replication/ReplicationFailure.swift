internal import EncryptedStorage
internal import HTTPTypes
internal import Hummingbird
internal import LibSQLProtocol
internal import NIOCore

/// Why a request of a replica is refused, as it is said to the client: no path, no key, nothing of a row.
struct ReplicationFailure: Error {
  let status: HTTPResponse.Status
  let code: GRPCStatus.Code
  let message: String
  private var closesConnection = false

  init(_ status: HTTPResponse.Status, _ code: GRPCStatus.Code, _ message: String) {
    self.status = status
    self.code = code
    self.message = message
  }

  /// A request that did not arrive as a whole.
  private init(_ failure: HTTPFailure) {
    self.init(failure.status, failure.status == .contentTooLarge ? .invalidArgument : .unavailable, failure.message)
    closesConnection = failure.closesConnection
  }

  /// A request that is not as its protocol has it.
  static func malformed(_ error: WireFormatError) -> ReplicationFailure {
    ReplicationFailure(
      error.code == .limitExceeded ? .contentTooLarge : .badRequest, .invalidArgument,
      "the request is not valid: \(error)")
  }

  /// Frames that belong to a history which this store does not have.
  static let foreignHistory = ReplicationFailure(
    .conflict, .failedPrecondition,
    "the replica is ahead of this primary, which may have been restored from a backup; make the replica anew")

  /// Any error of the store.
  init(_ error: any Error) {
    switch error {
    case let failure as ReplicationFailure: self = failure
    case let failure as HTTPFailure: self.init(failure)
    case let error as WireFormatError: self = .malformed(error)
    case let error as EncryptedStorageError where [.busy, .diskFull, .closed, .cancelled].contains(error.code):
      self.init(.serviceUnavailable, .unavailable, "the database is not available: \(error.code.rawValue)")
    // Says sizes and numbers of pages only.
    case let error as EncryptedStorageError where error.code == .invalidPages:
      self.init(.badRequest, .invalidArgument, error.detail)
    case let error as EncryptedStorageError:
      self.init(.internalServerError, .internal, "the database cannot be read: \(error.code.rawValue)")
    default: self.init(.internalServerError, .internal, "an unexpected failure")
    }
  }

  /// `{"error":"…"}` with the status.
  var response: Response { HTTPFailure(status, message, closesConnection: closesConnection).response }

  /// The same as the status of a gRPC call.
  var callResponse: Response { Self.response(GRPCStatus(code, message: message)) }

  /// A call that ends with a status and nothing else. Clients of libsql read it from the HTTP headers or from the trailers;
  /// here it is in both.
  static func response(_ status: GRPCStatus) -> Response {
    var headers: HTTPFields = [.contentType: GRPCWeb.responseContentType]
    if let name = HTTPField.Name("grpc-status") { headers[name] = status.statusValue }
    if let name = HTTPField.Name("grpc-message") { headers[name] = status.messageValue }
    let trailers = GRPCWeb.frame(trailers: status)
    return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: trailers)))
  }
}
