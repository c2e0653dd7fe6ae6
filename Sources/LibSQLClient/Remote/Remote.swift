public import EncryptionKeys
internal import LibSQLProtocol
public import Logging

/// A remote database: its address, what it may be told, and how requests to it are made.
///
/// Adds token and customer key to every request, reads the token again after a 401, follows redirects within the origin,
/// and sends a request again when that is safe. Token and key go to ``url``'s origin and nowhere else.
public final class Remote: Sendable {
  /// Redirects that are followed for one request.
  static let redirectCountMax = 5

  /// The address.
  public let url: RemoteURL
  /// When a request is sent again.
  public let retries: RetryPolicy
  private let tokens: TokenSource
  private let customerKey: CustomerKey?
  private let transport: Transport
  private let logger: Logger?

  /// A remote.
  ///
  /// - Parameter logger: gets one line at level debug for each answer: what, where, status. Never a header or a body.
  public init(
    _ url: RemoteURL, tokens: TokenSource, customerKey: CustomerKey? = nil, transport: Transport,
    retries: RetryPolicy = RetryPolicy(), logger: Logger? = nil
  ) {
    self.url = url
    self.tokens = tokens
    self.customerKey = customerKey
    self.transport = transport
    self.retries = retries
    self.logger = logger
  }

  /// A remote with the token and the customer key that the environment gives, as programs use it. Nothing is sent yet.
  ///
  /// - Throws: ``RemoteError`` as `TokenSource.fromEnvironment` and `CustomerKey.fromEnvironment`, and when libcurl fails.
  public static func fromEnvironment(
    _ url: RemoteURL, options: KeyLoadingOptions = KeyLoadingOptions(), retries: RetryPolicy = RetryPolicy(),
    logger: Logger? = nil
  ) throws(RemoteError) -> Remote {
    Remote(
      url, tokens: try .fromEnvironment(options: options), customerKey: try .fromEnvironment(options: options),
      transport: try Transport(), retries: retries, logger: logger)
  }

  /// A request to the remote.
  struct Request: Sendable {
    /// What messages call it.
    var operation: String
    var method = HTTPRequest.Method.get
    /// Is appended to the address; it holds no secret.
    var path: String
    var contentType: String?
    var headers: [HTTPRequest.Header] = []
    /// The header that carries the token.
    var authorization = "authorization"
    var body: [UInt8] = []
    /// Whether a second copy does no harm.
    var isRepeatable: Bool
    var timeouts: TransportConfiguration.Timeouts?
    /// Another base for ``path`` than the remote's own, of the same origin.
    var base: String?
  }

  /// Sends a request, again where that is safe.
  ///
  /// - Parameter accepts: statuses that the caller reads the body of.
  /// - Throws: ``RemoteError`` for every other status, and for failures on the way.
  func send(
    _ request: Request, accepting accepts: (Int) -> Bool = { $0 == 200 }
  ) async throws(RemoteError) -> HTTPResponse {
    var attempt = 1
    while true {
      do throws(RemoteError) {
        return try await sendOnce(request, accepting: accepts)
      } catch {
        guard Self.mayRepeat(request, error), let pause = retries.pause(after: attempt, error) else { throw error }
        log(request, "failed, and is sent again", ["error": "\(error.code)", "attempt": "\(attempt)"])
        try await wait(pause)
        attempt += 1
      }
    }
  }

  /// A request that may do harm twice is repeated only when it did not get as far as the server.
  private static func mayRepeat(_ request: Request, _ error: RemoteError) -> Bool {
    error.code.isPassing && (request.isRepeatable || (!error.mayHaveRun && error.status == nil))
  }

  /// A pause before another attempt.
  func wait(_ pause: Duration) async throws(RemoteError) {
    do {
      try await retries.clock.sleep(for: pause)
    } catch {
      throw RemoteError(
        .cancelled, "wait", url: url.description, detail: "the request was given up before it was repeated")
    }
  }

  private func sendOnce(
    _ request: Request, accepting accepts: (Int) -> Bool
  ) async throws(RemoteError) -> HTTPResponse {
    var token = try await tokens.current()
    var target = (request.base ?? url.description) + request.path
    var hasRenewed = false
    var redirectCount = 0
    while true {
      let response = try await transport.send(httpRequest(request, target, token))
      let status = response.head.status
      log(request, "answered", ["status": "\(status)"])
      if response.head.isUnauthorized, !hasRenewed, let refused = token,
        let renewed = try await tokens.renewed(after: refused)
      {
        (token, hasRenewed) = (renewed, true)
        continue
      }
      if accepts(status) { return response }
      if [301, 302, 303, 307, 308].contains(status) {
        redirectCount += 1
        target = try redirect(request, response.head, from: target, count: redirectCount)
        continue
      }
      throw await failure(request, response)
    }
  }

  private func httpRequest(_ request: Request, _ target: String, _ token: TokenSource.Token?) -> HTTPRequest {
    var headers = request.headers
    headers.append(HTTPRequest.Header("user-agent", "albergue-crypt"))
    if let type = request.contentType { headers.append(HTTPRequest.Header("content-type", type)) }
    if let token {
      headers.append(HTTPRequest.Header(request.authorization, prefix: "Bearer ", secret: token.secret))
    }
    if let customerKey {
      headers.append(HTTPRequest.Header(PullUpdatesRequest.encryptionKeyHeader, secret: customerKey.secret))
    }
    return HTTPRequest(
      method: request.method, url: target, shownURL: String(target.prefix { $0 != "?" }), operation: request.operation,
      headers: headers, body: request.body, isRepeatable: request.isRepeatable, timeouts: request.timeouts)
  }

  private func redirect(
    _ request: Request, _ head: ResponseHead, from target: String, count: Int
  ) throws(RemoteError) -> String {
    func refused(_ code: RemoteError.Code, _ detail: String, hint: String? = nil) -> RemoteError {
      RemoteError(code, request.operation, url: shown(request), detail: detail, hint: hint, status: head.status)
    }
    // These mean a GET without the body afterwards.
    guard request.method == .get || head.status == 307 || head.status == 308 else {
      throw refused(.refused, "a redirect that drops the body of the request")
    }
    guard count <= Self.redirectCountMax else {
      throw refused(.refused, "more than \(Self.redirectCountMax) redirects")
    }
    guard let location = head.value(of: "location") else { throw refused(.malformedResponse, "a redirect to nowhere") }
    guard let path = url.sameOriginTarget(location, from: target) else {
      throw refused(
        .foreignOrigin, "a redirect to another origin, which would get token and key",
        hint: "if the database has moved, set TURSO_DATABASE_URL to where it is")
    }
    return url.origin + path
  }

  // MARK: - Failures

  private func shown(_ request: Request) -> String {
    (request.base ?? url.description) + request.path.prefix { $0 != "?" }
  }

  /// The error for an answer that nobody wanted.
  func failure(
    _ request: Request, _ response: HTTPResponse
  ) async -> RemoteError {
    let head = response.head
    // The status is what counts; a body that cannot be read says nothing.
    let body: [UInt8]
    do throws(RemoteError) {
      body = try await response.body.beginning(upTo: RemoteText.byteCountMax)
    } catch {
      body = []
    }
    let (text, code) = explanation(body)
    let kind = Self.kind(head.status)
    return RemoteError(
      kind.code, request.operation, url: shown(request), detail: kind.detail, hint: kind.hint, status: head.status,
      remoteCode: code, remoteText: text, mayHaveRun: head.status == 408 || head.status >= 500,
      retryAfter: head.retryAfter)
  }

  /// What the body of an error says, without our own secrets.
  private func explanation(_ body: [UInt8]) -> (RemoteText?, code: String?) {
    guard !body.isEmpty else { return (nil, nil) }
    let body = withoutSecrets(body)
    do throws(JSONMessageError) {
      let error = try Hrana.ProtocolError(decoding: body)
      return (RemoteText(error.message), error.code == Hrana.ProtocolError.unknownCode ? nil : error.code)
    } catch {
      // Not every server writes its errors in JSON.
      return (RemoteText(String(decoding: body, as: UTF8.self)), nil)
    }
  }

  /// A text of the remote, without what it repeats of token and customer key.
  func text(_ message: String) -> RemoteText {
    RemoteText(String(decoding: withoutSecrets(Array(message.utf8.prefix(RemoteText.byteCountMax))), as: UTF8.self))
  }

  private func withoutSecrets(_ bytes: [UInt8]) -> [UInt8] {
    var bytes = bytes
    if let token = tokens.known { bytes = token.redacted(in: bytes) }
    if let customerKey { bytes = customerKey.secret.redacted(in: bytes) }
    return bytes
  }

  private static func kind(_ status: Int) -> (code: RemoteError.Code, detail: String, hint: String?) {
    switch status {
    case 401: (.unauthorized, "the token is missing, wrong or expired", "check TURSO_AUTH_TOKEN, or make a new token")
    case 403: (.forbidden, "the token does not allow this", "use a token with more rights")
    case 404: (.notFound, "there is no such database at this address", "check TURSO_DATABASE_URL")
    case 408, 502, 503, 504: (.unavailable, "the server cannot serve this now", "try again later")
    case 429: (.rateLimited, "too many requests", "try again later")
    case 500...599: (.serverFailure, "the server failed", nil)
    case 200...299: (.malformedResponse, "a status that the protocol does not have", nil)
    default: (.refused, "the server refused the request", nil)
    }
  }

  /// An answer whose body is not what the protocol says. `mayHaveRun`: it may have been acted upon all the same.
  func malformed(_ operation: String, _ path: String, _ error: any Error, mayHaveRun: Bool) -> RemoteError {
    let detail: String
    var code = RemoteError.Code.malformedResponse
    switch error {
    case let error as WireFormatError:
      detail = "\(error)"
      if error.code == .limitExceeded { code = .limitExceeded }
      if error.code == .truncated { code = .connectionLost }
    case let error as JSONMessageError:
      detail = "the answer is not what the protocol says: \(error)"
      if error.code == .tooLarge { code = .limitExceeded }
    default: detail = "the answer is not what the protocol says"
    }
    return RemoteError(code, operation, url: url.description + path, detail: detail, mayHaveRun: mayHaveRun)
  }

  private func log(_ request: Request, _ message: Logger.Message, _ metadata: Logger.Metadata) {
    guard let logger else { return }
    logger.debug(
      message,
      metadata: metadata.merging(["operation": "\(request.operation)", "url": "\(shown(request))"]) { $1 })
  }
}
