internal import HTTPTypes
internal import Hummingbird
internal import Logging
internal import NIOCore
internal import NIOHTTP1
internal import ServerAccess

/// What belongs to one request. Its logger names the request in every line.
struct ServiceContext: RequestContext {
  var coreContext: CoreRequestContextStorage

  init(source: Source) { coreContext = .init(source: source) }
}

/// Turns what goes wrong into problems, names every request, counts and logs it. No path of a client is logged and no value,
/// only the pattern of the route.
struct AnsweringMiddleware: RouterMiddleware {
  let metrics: ServiceMetrics

  private static let requestID = HTTPField.Name("x-request-id")

  func handle(
    _ request: Request, context: ServiceContext, next: (Request, ServiceContext) async throws -> Response
  ) async throws -> Response {
    let start = ContinuousClock.now
    var response: Response
    do { response = try await next(request, context) } catch let error as HTTPParserError {
      // What came is not HTTP, or ended in the middle; the connection is closed.
      throw error
    } catch {
      let problem = Problem(error)
      if problem.status.code == 500 {
        context.logger.error("a request failed", metadata: ["reason": "\(ServiceErrors.text(error))"])
      } else if problem.status.code >= 500 {
        context.logger.warning("a request could not be served", metadata: ["problem": "\(problem.kind)"])
      }
      response = problem.response(requestID: context.id)
    }
    if let name = Self.requestID { response.headers[name] = context.id }
    // Answers are about people; nothing on the way may keep them.
    response.headers[.cacheControl] = "no-store"
    response.headers[.xContentTypeOptions] = "nosniff"
    let route = context.endpointPath ?? "other"
    let time = ContinuousClock.now - start
    metrics.answered(route, status: response.status.code, after: time)
    context.logger.info(
      "answered",
      metadata: [
        "method": "\(request.method.rawValue.prefix(10))", "route": "\(route)", "status": "\(response.status.code)",
        "milliseconds": "\(time / .milliseconds(1))",
      ])
    return response
  }
}

extension Request {
  /// The whole body.
  ///
  /// - Throws: ``Problem`` 413 for more than `byteCount` bytes, 408 when it is not there after `time`.
  consuming func bytes(upTo byteCount: Int, within time: Duration) async throws -> [UInt8] {
    let body = body
    return try await withThrowingTaskGroup(of: [UInt8].self) { group in
      group.addTask {
        var bytes: [UInt8] = []
        for try await part in body {
          guard bytes.count + part.readableBytes <= byteCount else {
            throw Problem(
              .contentTooLarge, "too-large", "The request is too large", detail: "at most \(byteCount) bytes")
          }
          bytes.append(contentsOf: part.readableBytesView)
        }
        return bytes
      }
      group.addTask {
        try await Task.sleep(for: time)
        throw Problem(.requestTimeout, "slow", "The request took too long to arrive")
      }
      defer { group.cancelAll() }
      return try await group.next() ?? []
    }
  }
}
