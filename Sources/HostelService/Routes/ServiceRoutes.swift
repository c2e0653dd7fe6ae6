internal import HTTPTypes
internal import HostelStore
internal import Hummingbird
internal import Logging
internal import NIOCore
internal import ServerAccess

/// Every path of the service, made from its endpoints.
struct ServiceRoutes: Sendable {
  let hostel: Hostel
  let authenticator: Authenticator

  /// What is served, in the order of the document.
  var endpoints: [Endpoint] {
    BedRoutes(hostel: hostel).endpoints + PilgrimRoutes(hostel: hostel).endpoints
      + BookingRoutes(hostel: hostel).endpoints + ReportRoutes(hostel: hostel).endpoints
      + OperationRoutes(hostel: hostel).endpoints
  }

  /// Bytes of the largest body.
  static let bodyByteCountMax = 64 << 10
  /// How long a body may take to arrive.
  static let bodyTime = Duration.seconds(30)
  static let ageHeader = "x-albergue-age"
  static let lacksWritesHeader = "x-albergue-lacks-writes"

  func router() -> Router<ServiceContext> {
    let router = Router(context: ServiceContext.self, options: .autoGenerateHeadEndpoints)
    router.add(middleware: AnsweringMiddleware(metrics: hostel.metrics))
    let endpoints = endpoints
    let document = OpenAPIDocument(endpoints: endpoints, requiresTokens: authenticator.requiresTokens).json.bytes
    let description = Endpoint(
      method: .get, path: "/openapi.json", name: "openAPI", summary: "This document.", access: .open,
      respond: { _ in Reply(text: String(decoding: document, as: UTF8.self)) })
    var methods: [String: [HTTPRequest.Method]] = [:]
    for endpoint in endpoints + [description] {
      methods[endpoint.path, default: []].append(endpoint.method)
      router.on(Self.pattern(endpoint.path), method: endpoint.method) { request, context in
        try await answer(endpoint, request, context)
      }
    }
    AdminRoutes(hostel: hostel, authenticator: authenticator).add(to: router)
    methods["/admin"] = [.get]
    for (path, served) in methods { Self.refuseOthers(than: served, at: path, router) }
    return router
  }

  /// The path as the router takes it: with colons.
  private static func pattern(_ path: String) -> RouterPath {
    RouterPath(path.replacing("{", with: ":").replacing("}", with: ""))
  }

  private static func refuseOthers(
    than served: [HTTPRequest.Method], at path: String, _ router: Router<ServiceContext>
  ) {
    // Where there is GET, the router makes HEAD of it.
    let served = served.contains(.get) ? served + [.head] : served
    let allowed = served.map(\.rawValue).sorted().joined(separator: ", ")
    let all: [HTTPRequest.Method] = [.get, .head, .post, .put, .patch, .delete, .options, .trace, .connect]
    for method in all + [HTTPRequest.Method("QUERY")].compactMap(\.self) where !served.contains(method) {
      router.on(pattern(path), method: method) { _, _ -> Response in
        var problem = Problem(.methodNotAllowed, "method", "This path has no such method", detail: "use \(allowed)")
        problem.headers[.allow] = allowed
        throw problem
      }
    }
  }

  private func answer(_ endpoint: Endpoint, _ request: Request, _ context: ServiceContext) async throws -> Response {
    let actor = try admit(request.headers, for: endpoint.access)
    var values: [String: JSONValue] = [:]
    let query = request.uri.queryParameters
    for parameter in endpoint.parameters {
      let texts =
        parameter.isInPath
        ? context.parameters.getAll(parameter.name) : query[values: parameter.name[...]].map(String.init)
      values[parameter.name] = try parameter.value(texts)
    }
    var body = JSONValue.null
    if let shape = endpoint.body {
      let type = request.headers[.contentType]?.prefix { $0 != ";" }.lowercased().trimmingSuffix { $0 == " " }
      guard type == "application/json" else {
        throw Problem(.unsupportedMediaType, "media-type", "The body has to be application/json")
      }
      let bytes = try await request.bytes(upTo: Self.bodyByteCountMax, within: Self.bodyTime)
      guard let value = JSONValue(parsing: bytes) else { throw Problem.malformed("the body is not JSON") }
      let problems = Shape.object(shape).problems(of: value, at: "")
      guard problems.isEmpty else {
        throw Problem.malformed("the body has not the form that it should", fields: problems)
      }
      body = value
    }
    let reply = try await endpoint.respond(Call(actor: actor, context: context, values: values, body: body))
    var headers: HTTPFields = [:]
    if endpoint.answer.status != .noContent { headers[.contentType] = endpoint.answer.mediaType }
    if let age = reply.age { Self.add(age, to: &headers) }
    if let location = reply.location { headers[.location] = location }
    return Response(
      status: endpoint.answer.status, headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: reply.bytes)))
  }

  /// Says how old what was read is.
  static func add(_ age: HostelDatabase.Age, to headers: inout HTTPFields) {
    if let seconds = age.seconds, let name = HTTPField.Name(ageHeader) { headers[name] = String(seconds) }
    if age.lacksWrites, let name = HTTPField.Name(lacksWritesHeader) { headers[name] = "true" }
  }

  /// - Throws: `AccessError`; ``Problem`` 403 for a token that only reads.
  private func admit(_ headers: HTTPFields, for access: Endpoint.Access) throws -> Actor {
    guard access != .open else { return Actor(nil) }
    let grant = try authenticator.grant(
      Authenticator.Credentials(authorization: headers[values: .authorization], origin: headers[values: .origin]))
    guard access == .reading || grant.right == .readWrite else {
      throw Problem(.forbidden, "read-only", "The token allows reading only")
    }
    return Actor(grant.subject)
  }
}

extension String {
  /// Without the characters at the end for which `predicate` holds.
  fileprivate func trimmingSuffix(_ predicate: (Character) -> Bool) -> String {
    String(reversed().drop(while: predicate).reversed())
  }
}

/// What the routes work on.
struct Hostel: Sendable {
  let store: HostelStore
  let metrics: ServiceMetrics
  let syncs: SyncJournal
  /// The ministry's code of the establishment; nil when none was configured.
  let establishmentCode: String?

  /// Notes that somebody has read what is personal; where that cannot be written down, in the log.
  func noteReading(of table: String, _ id: Int64, by call: Call) async {
    do { try await store.noteReading(of: table, id, by: call.actor) } catch {
      call.context.logger.warning(
        "a reading of personal data could not be noted in the audit log",
        metadata: ["table": "\(table)", "record": "\(id)", "reason": "\(Problem(error).kind)"])
    }
  }
}
