internal import EncryptedStorage
internal import HTTPTypes
internal import Hummingbird
internal import LibSQLProtocol

/// An answer that says why a request was not served, in JSON as sqld writes it.
struct HTTPFailure: Error, HTTPResponseError {
  let status: HTTPResponse.Status
  let message: String
  private let body: [UInt8]
  let closesConnection: Bool

  /// `{"message": …, "code": …}`: about a request of Hrana.
  init(_ status: HTTPResponse.Status, _ error: Hrana.ProtocolError) {
    self.status = status
    message = error.message
    body = error.encoded()
    closesConnection = false
  }

  /// `{"error": …}`: about the request as such.
  init(_ status: HTTPResponse.Status, _ message: String, closesConnection: Bool = false) {
    self.status = status
    self.message = message
    body = Hrana.RefusalBody(message).encoded()
    self.closesConnection = closesConnection
  }

  func response(from request: Request, context: some RequestContext) throws -> Response { response }

  var response: Response {
    var headers: HTTPFields = [.contentType: "application/json"]
    if closesConnection { headers[.connection] = "close" }
    return Response(status: status, headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: body)))
  }
}

extension HTTPFailure {
  /// Why no stream could be had.
  init(_ refusal: StreamTable.Refusal) {
    switch refusal {
    case .invalidBaton: self.init(.badRequest, "Received an invalid baton")
    case .expired: self.init(.badRequest, SQLFailure.streamExpired)
    case .busy: self.init(.serviceUnavailable, SQLFailure.tooBusy)
    case .tooMany: self.init(.serviceUnavailable, "the server has as many streams as it may have; try again later")
    case .closing: self.init(.serviceUnavailable, "the server is stopping", closesConnection: true)
    }
  }

  /// Any error, without the names of files.
  init(_ error: any Error) {
    switch error {
    case let failure as HTTPFailure: self = failure
    case let refusal as StreamTable.Refusal: self.init(refusal)
    case let error as EncryptedStorageError where error.code == .busy:
      self.init(.serviceUnavailable, "the database is busy; try again later")
    default: self.init(.internalServerError, "the server failed; its log says why")
    }
  }
}
