/// HTTP over libcurl: connections that are kept and shared by requests, bodies as streams.
///
/// Safe for any number of tasks. One thread does the work, off the cooperative pool; it ends with the last reference.
public final class Transport: Sendable {
  private let thread: CurlThread

  /// Starts a transport.
  ///
  /// - Throws: ``RemoteError`` `.configuration` when libcurl is not one that can be used.
  public init(_ configuration: TransportConfiguration = TransportConfiguration()) throws(RemoteError) {
    waitingByteCountMax = configuration.limits.waitingByteCountMax
    thread = try CurlThread(configuration)
  }

  private let waitingByteCountMax: Int

  deinit { thread.close() }

  /// Sends a request and waits for the head of the answer. Redirects and statuses are the caller's.
  ///
  /// - Throws: ``RemoteError``; `.cancelled` when the task is.
  func send(_ request: HTTPRequest) async throws(RemoteError) -> HTTPResponse {
    let exchange = Exchange(request, waitingByteCountMax: waitingByteCountMax)
    thread.start(exchange)
    let result = await withTaskCancellationHandler {
      await exchange.head()
    } onCancel: {
      thread.giveUp(exchange)
    }
    return HTTPResponse(head: try result.get(), body: ResponseBody(exchange, self))
  }

  fileprivate func resume(_ exchange: Exchange) { thread.resume(exchange) }
  fileprivate func giveUp(_ exchange: Exchange) { thread.giveUp(exchange) }
}

/// An answer whose body may still be on its way.
struct HTTPResponse: Sendable {
  let head: ResponseHead
  let body: ResponseBody
}

/// The body of an answer. Read by one task; given up with the last reference.
final class ResponseBody: Sendable {
  private let exchange: Exchange
  private let transport: Transport

  fileprivate init(_ exchange: Exchange, _ transport: Transport) {
    self.exchange = exchange
    self.transport = transport
  }

  // The thread has let a request go that has ended; it need not be woken for that.
  deinit { if !exchange.hasEnded { transport.giveUp(exchange) } }

  /// What has come since the last call, at least one byte; nil at the end.
  ///
  /// - Throws: ``RemoteError``: `.connectionLost` for a body that is cut, `.timedOut`, `.cancelled`.
  func next() async throws(RemoteError) -> [UInt8]? {
    let result = await withTaskCancellationHandler {
      await exchange.bytes()
    } onCancel: {
      transport.giveUp(exchange)
    }
    if exchange.takePause() { transport.resume(exchange) }
    return try result.get()
  }

  /// The whole body.
  ///
  /// - Throws: ``RemoteError`` `.limitExceeded` above `byteCountMax`.
  func collect(upTo byteCountMax: Int) async throws(RemoteError) -> [UInt8] {
    var bytes: [UInt8] = []
    while let chunk = try await next() {
      guard chunk.count <= byteCountMax - bytes.count else {
        throw RemoteError(
          .limitExceeded, exchange.request.operation, url: exchange.request.shownURL,
          detail: "the answer has more than \(byteCountMax) bytes", mayHaveRun: true)
      }
      bytes.append(contentsOf: chunk)
    }
    return bytes
  }

  /// The beginning of a body, for a message; what comes after is given up.
  func beginning(upTo byteCountMax: Int) async throws(RemoteError) -> [UInt8] {
    var bytes: [UInt8] = []
    while bytes.count < byteCountMax, let chunk = try await next() { bytes.append(contentsOf: chunk) }
    return Array(bytes.prefix(byteCountMax))
  }
}
