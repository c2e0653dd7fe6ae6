internal import EncryptedStorage
internal import Hummingbird
internal import LibSQLProtocol
internal import Logging
internal import NIOHTTP1
internal import ServerAccess

/// Turns what goes wrong into answers, and counts and logs every request.
struct AnsweringMiddleware: RouterMiddleware {
  let metrics: PrimaryMetrics

  func handle(
    _ request: Request, context: PrimaryContext, next: (Request, PrimaryContext) async throws -> Response
  ) async throws -> Response {
    let start = ContinuousClock.now
    var response: Response
    do { response = try await next(request, context) } catch let error as AccessError {
      context.logger.info("refused", metadata: ["reason": "\(error)"])
      response = Self.refusal(error)
    } catch let error as HTTPParserError {
      // What came is not HTTP, or ended in the middle; the connection is closed.
      throw error
    } catch let error as HTTPError {
      // Of the router: no such route, or not with this method.
      response = HTTPFailure(error.status, "there is nothing at this path for this method").response
    } catch {
      let failure = HTTPFailure(error)
      // What was meant as an answer is no failure of the server, whatever its status, and may quote a statement.
      let isMeant = error is HTTPFailure || error is StreamTable.Refusal
      if failure.status.code >= 500, !isMeant {
        context.logger.error("a request failed", metadata: ["reason": "\(Self.reason(error))"])
      }
      response = failure.response
    }
    let route = context.endpointPath ?? "other"
    let time = ContinuousClock.now - start
    metrics.answered(route, status: response.status.code, after: time)
    context.logger.debug(
      "answered",
      metadata: [
        "method": "\(request.method)", "route": "\(route)", "status": "\(response.status.code)",
        "milliseconds": "\(time / .milliseconds(1))",
      ])
    return response
  }

  static func refusal(_ error: AccessError) -> Response {
    var response = HTTPFailure(.init(code: error.httpStatus), error.message).response
    if let challenge = error.challenge { response.headers[.wwwAuthenticate] = challenge }
    return response
  }

  /// For the log, which may name files, never statements or values.
  private static func reason(_ error: any Error) -> String {
    switch error {
    case let error as EncryptedStorageError: error.description
    case let error as PrimaryError: error.description
    default: "\(type(of: error))"
    }
  }
}
