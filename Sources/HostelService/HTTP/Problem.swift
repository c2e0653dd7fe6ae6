internal import EncryptedStorage
internal import HTTPTypes
internal import HostelDomain
internal import HostelStore
internal import Hummingbird
internal import LibSQLClient
internal import NIOCore
internal import ReplicaSync
internal import ServerAccess

/// An answer that says why a request was not served. Source: RFC 9457.
struct Problem: Error, Sendable {
  var status: HTTPResponse.Status
  /// Short name of the kind: `urn:albergue:problem:conflict`.
  var kind: String
  var title: String
  var detail: String?
  var fields: [FieldProblem] = []
  /// Name of a change whose outcome is not known.
  var change: String?
  /// What to look for when a booking's outcome is not known.
  var reference: String?
  var headers: HTTPFields = [:]

  init(
    _ status: HTTPResponse.Status, _ kind: String, _ title: String, detail: String? = nil, fields: [FieldProblem] = []
  ) {
    self.status = status
    self.kind = kind
    self.title = title
    self.detail = detail
    self.fields = fields
  }

  /// What was sent has not the form that it should have.
  static func malformed(_ detail: String, fields: [FieldProblem] = []) -> Problem {
    Problem(.badRequest, "malformed", "The request is not valid", detail: detail, fields: fields)
  }

  /// What was sent has the right form, and breaks a rule.
  static func invalid(_ fields: [FieldProblem]) -> Problem {
    Problem(.unprocessableContent, "invalid", "What was sent breaks a rule", fields: fields)
  }

  static let notFound = Problem(.notFound, "not-found", "There is nothing at this path")

  func body(requestID: String) -> JSONValue {
    var body: [String: JSONValue] = [
      "type": .text("urn:albergue:problem:" + kind), "title": .text(title), "status": .integer(Int64(status.code)),
      "request_id": .text(requestID),
    ]
    if let detail { body["detail"] = .text(detail) }
    if let change { body["change"] = .text(change) }
    if let reference { body["reference"] = .text(reference) }
    if !fields.isEmpty {
      body["errors"] = .array(
        fields.map { ["pointer": .text($0.pointer), "rule": .text($0.rule), "message": .text($0.message)] })
    }
    return .object(body)
  }

  func response(requestID: String) -> Response {
    var headers = headers
    headers[.contentType] = "application/problem+json"
    return Response(
      status: status, headers: headers,
      body: .init(byteBuffer: ByteBuffer(bytes: body(requestID: requestID).bytes)))
  }

  static let shape = ObjectShape(
    "Problem",
    [
      Field("type", .text(1...200), "a URN that names the kind of problem"),
      Field("title", .text(1...200), "the kind, for people"),
      Field("status", .integer(400...599), "the status of the answer"),
      Field("detail", .text(0...2000), optional: true, "what was found"),
      Field("request_id", .text(1...100), "as in the log of the service"),
      Field("change", .text(1...100), optional: true, "ask /v1/changes/{change} what became of it"),
      Field("reference", .text(1...50), optional: true, "the booking that may have been made"),
      Field("errors", .list(.object(fieldShape), countMax: 1000), optional: true, "what is wrong with which field"),
    ])

  private static let fieldShape = ObjectShape(
    "FieldProblem",
    [
      Field("pointer", .text(0...1000), "a JSON pointer to the field"),
      Field("rule", .text(1...100), "the rule, for programs"), Field("message", .text(1...500), "the rule, for people"),
    ])
}

extension Problem {
  /// Any error. What is not known is 500, without a word of what it says.
  init(_ error: any Error) {
    switch error {
    case let problem as Problem: self = problem
    case let error as AccessError: self.init(access: error)
    case let error as StoreError: self.init(store: error)
    case let error as FieldProblem: self = .invalid([error])
    case let error as InvalidReport:
      self.init(
        .unprocessableContent, "report", "The ministry would refuse the report", fields: error.problems)
    case let error as HTTPError where error.status == .notFound: self = .notFound
    case let error as EncryptedStorageError where error.code == .busy:
      self.init(.serviceUnavailable, "busy", "The database is busy", detail: "try again")
      headers[.retryAfter] = "1"
    case let error as EncryptedStorageError where error.code == .statement:
      self.init(
        .serviceUnavailable, "schema", "The tables are not those that this service knows",
        detail: "apply the migrations")
    default: self.init(.internalServerError, "internal", "The service failed", detail: "its log says why")
    }
  }

  private init(access error: AccessError) {
    self.init(.init(code: error.httpStatus), "access", "The request is not let in", detail: error.message)
    if let challenge = error.challenge { headers[.wwwAuthenticate] = challenge }
  }

  private init(store error: StoreError) {
    let detail = [error.detail, error.hint].compactMap(\.self).joined(separator: "; ")
    switch error.code {
    case .notFound: self.init(.notFound, "not-found", "There is no such record", detail: detail)
    case .conflict: self.init(.conflict, "conflict", "It cannot be done as things are", detail: detail)
    case .unavailable:
      self.init(.serviceUnavailable, "unavailable", "Nothing can be changed now", detail: detail)
      headers[.retryAfter] = "5"
    case .outcomeUnknown:
      self.init(.serviceUnavailable, "outcome-unknown", "Nobody knows whether it was done", detail: detail)
      change = error.change
    case .notSynchronised:
      self.init(.serviceUnavailable, "not-synchronised", "There is no data yet", detail: detail)
      headers[.retryAfter] = "5"
    case .schema:
      self.init(.serviceUnavailable, "schema", "The tables are not those that this service knows", detail: detail)
    case .damaged, .cipher:
      self.init(.internalServerError, "internal", "The service failed", detail: "its log says why")
    }
  }
}
