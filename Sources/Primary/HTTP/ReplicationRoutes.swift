internal import Hummingbird
internal import LibSQLProtocol
internal import ServerAccess

/// The paths of replicas: V1, V2 and Turso's.
struct ReplicationRoutes: Sendable {
  let gate: Gate

  func add(to router: Router<PrimaryContext>) {
    for method: ReplicationMethod in [.hello, .batchLogEntries, .logEntries, .snapshot] {
      router.post("\(method.rawValue)") { request, _ in try await answer(request) }
    }
    router.post("\(PullUpdatesRequest.path)") { request, _ in try await answer(request) }
    for path: RouterPath in ["/info", "/export/:generation", "/sync/:generation/:first/:end"] {
      router.get(path) { request, _ in try await answer(request) }
    }
    for path: RouterPath in ["/sync/:generation/:first/:end", "/sync/:generation/:first/:end/:baton"] {
      router.post(path) { request, _ in try await answer(request) }
    }
  }

  private func answer(_ request: Request) async throws -> Response {
    let route: ReplicationRoute?
    do throws(WireFormatError) {
      route = try ReplicationRoute(method: request.method.rawValue, path: request.uri.string)
    } catch { throw HTTPFailure(.badRequest, "the path is not valid: \(error)") }
    guard let route else { throw HTTPError(.notFound) }
    do {
      let admission = try await gate.admit(request.headers)
      return try await admission.database.replication.respond(
        to: route, headers: request.headers, body: request.body, right: admission.right)
    } catch let error as AccessError {
      // Calls carry their status in gRPC's way.
      guard case .call = route else { throw error }
      return ReplicationFailure.response(error.grpcStatus)
    }
  }
}
