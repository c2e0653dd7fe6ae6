internal import CCurl
internal import Glibc

/// One easy handle and what its callbacks need.
///
/// Lives on the thread of ``CurlThread`` alone: not Sendable, made, used and destroyed there. The handle's context pointer
/// is this object, unretained: the thread keeps it until the handle is removed, and callbacks come from that thread only,
/// between adding and removing. Header list and error buffer live as long as the handle.
@safe
final class Transfer {
  let exchange: Exchange
  let handle: UnsafeMutableRawPointer
  private let headers: HeaderList
  private let errorBuffer: UnsafeMutablePointer<CChar>
  private let timeouts: TransportConfiguration.Timeouts
  private var headReader: ResponseHeadReader
  private var hasHead = false
  /// Bytes of the request's body that curl has taken.
  private var sentCount = 0
  private var isPaused = false
  /// Bytes of the response's body since the deadline was set.
  private var receivedCount = 0
  /// When what has to come next is late; nil while the reader is.
  private(set) var deadline: ContinuousClock.Instant?
  /// Why a callback stopped the transfer.
  private var refusal: RemoteError?

  /// Prepares a request.
  ///
  /// - Throws: ``RemoteError`` `.configuration` for what curl does not accept.
  init(_ exchange: Exchange, _ configuration: TransportConfiguration) throws(RemoteError) {
    guard let handle = unsafe curl_easy_init() else {
      throw Self.refused("prepare", "curl cannot make a request: no memory", exchange)
    }
    unsafe self.handle = unsafe handle
    self.exchange = exchange
    timeouts = exchange.request.timeouts ?? configuration.timeouts
    headReader = ResponseHeadReader(limits: configuration.limits)
    headers = HeaderList(exchange.request)
    unsafe errorBuffer = .allocate(capacity: Int(CURL_ERROR_SIZE))
    unsafe errorBuffer.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
    deadline = .now + timeouts.response + timeouts.connect
    try configure(configuration)
  }

  deinit {
    unsafe curl_easy_cleanup(handle)
    unsafe errorBuffer.deallocate()
  }

  // MARK: What curl says

  /// A chunk of the body.
  fileprivate func receiveBody(_ bytes: UnsafeRawBufferPointer) -> Int {
    guard unsafe exchange.offer(bytes) else {
      (isPaused, deadline) = (true, nil)
      return Int(CURL_WRITEFUNC_PAUSE)
    }
    receivedCount += bytes.count
    if receivedCount >= timeouts.idleByteCountMin { restartDeadline() }
    return bytes.count
  }

  /// One line of the headers, or of the trailers.
  fileprivate func receiveHeader(_ bytes: UnsafeRawBufferPointer) -> Int {
    switch headReader.receive(unsafe Array(bytes)) {
    case .more: return bytes.count
    case .refused(let code, let detail): return stop(code, detail)
    case .head(let head):
      if let encoding = head.value(of: "content-encoding"), encoding.lowercased() != "identity" {
        return stop(.malformedResponse, "a body that is encoded although nobody asked for it")
      }
      if exchange.request.needsDelimitedBody && !head.isDelimited {
        return stop(.malformedResponse, "a body without a length, whose end could not be told from a cut")
      }
      hasHead = true
      restartDeadline()
      exchange.deliver(head)
      return bytes.count
    }
  }

  /// Stops curl: no callback may consume nothing.
  private func stop(_ code: RemoteError.Code, _ detail: String) -> Int {
    refusal = error(code, detail)
    return 0
  }

  /// Room for more of the request's body.
  fileprivate func send(into room: UnsafeMutableRawBufferPointer) -> Int {
    let rest = exchange.request.body[sentCount...].prefix(room.count)
    unsafe room.copyBytes(from: rest)
    sentCount += rest.count
    // A large body may take its time; the answer's begins when it is out.
    if !hasHead { deadline = .now + timeouts.response + timeouts.connect }
    return rest.count
  }

  /// curl wants to send the body once more, because a kept connection was dead. What may have run is not sent twice.
  fileprivate func rewind(to offset: Int) -> Bool {
    guard exchange.request.isRepeatable || sentCount < exchange.request.body.count else { return false }
    guard (0...exchange.request.body.count).contains(offset) else { return false }
    sentCount = offset
    return true
  }

  // MARK: What the thread does

  /// Goes on after a pause.
  func resume() {
    guard isPaused else { return }
    isPaused = false
    restartDeadline()
    // 0 is CURLPAUSE_CONT. Delivers what curl has kept, from inside the call; a failure comes as the end of the transfer.
    _ = unsafe curl_easy_pause(handle, 0)
  }

  private func restartDeadline() {
    receivedCount = 0
    deadline = isPaused ? nil : .now + timeouts.idle
  }

  /// What is late, when the deadline has passed.
  var lateness: RemoteError {
    hasHead
      ? error(.timedOut, "fewer than \(timeouts.idleByteCountMin) bytes came in \(timeouts.idle)")
      : error(.timedOut, "no answer within \(timeouts.response)")
  }

  /// The end for curl's result.
  func end(_ result: CURLcode) -> Result<Void, RemoteError> {
    if let refusal { return .failure(refusal) }
    guard result != CURLE_OK else { return .success(()) }
    let failure = CurlFailure(result)
    var detail = unsafe String(cString: curl_easy_strerror(result))
    if failure.hasSafeDetail {
      let text = unsafe String(cString: errorBuffer)
      if !text.isEmpty { detail = text }
    }
    return .failure(error(failure.code, Self.sentence(detail), hint: failure.hint))
  }

  /// An error of this request, as things stand.
  func error(_ code: RemoteError.Code, _ detail: String, hint: String? = nil) -> RemoteError {
    RemoteError(
      code, exchange.request.operation, url: exchange.request.shownURL, detail: detail, hint: hint,
      mayHaveRun: mayHaveRun)
  }

  /// A server acts on a body when it has all of it, and on a request without one when it has its head.
  private var mayHaveRun: Bool {
    let size = exchange.request.body.count
    guard size == 0 else { return sentCount == size || hasHead }
    var requestSize = 0
    guard unsafe CCurl_get_request_size(handle, &requestSize) == CURLE_OK else { return true }
    return requestSize > 0
  }

  /// curl's texts in the form of ours.
  private static func sentence(_ text: String) -> String {
    let line = text.unicodeScalars.filter { (0x20...0x7E).contains($0.value) }.prefix(200)
    var sentence = String(String.UnicodeScalarView(line))
    while sentence.hasSuffix(".") || sentence.hasSuffix(" ") { sentence.removeLast() }
    return sentence.prefix(1).lowercased() + sentence.dropFirst()
  }

  private static func refused(_ operation: String, _ detail: String, _ exchange: Exchange) -> RemoteError {
    RemoteError(.configuration, operation, url: exchange.request.shownURL, detail: detail)
  }
}

// MARK: - Options

extension Transfer {
  private func configure(_ configuration: TransportConfiguration) throws(RemoteError) {
    let request = exchange.request
    var problem: String?
    func set(_ name: String, _ result: CURLcode) {
      if result != CURLE_OK && problem == nil { problem = name }
    }
    set("address", unsafe CCurl_set_url(handle, request.url))
    set("protocols", unsafe CCurl_set_protocols(handle, "http,https"))
    set("redirect protocols", unsafe CCurl_set_redirect_protocols(handle, "http,https"))
    set("signals", unsafe CCurl_set_no_signal(handle, 1))
    // A name that is being looked up must not hold up the thread when its request is given up.
    set("quick exit", unsafe CCurl_set_quick_exit(handle, 1))
    set("buffer", unsafe CCurl_set_buffer_size(handle, 256 << 10))
    set("error buffer", unsafe CCurl_set_error_buffer(handle, errorBuffer))
    let version = configuration.usesHTTP1Only ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_2TLS
    set("HTTP version", unsafe CCurl_set_http_version(handle, Int(version)))
    set("connect timeout", unsafe CCurl_set_connect_timeout(handle, timeouts.connect.milliseconds))
    if let total = timeouts.total { set("total timeout", unsafe CCurl_set_total_timeout(handle, total.milliseconds)) }
    // Servers close idle connections after some 60 seconds; a request on one that is being closed fails.
    set("age of connections", unsafe CCurl_set_connection_age_max(handle, 50))
    if request.method == .post {
      set("method", unsafe CCurl_set_post(handle, 1))
      set("size of the body", unsafe CCurl_set_post_size(handle, curl_off_t(request.body.count)))
    } else {
      set("method", unsafe CCurl_set_http_get(handle, 1))
    }
    set("headers", unsafe CCurl_set_headers(handle, headers.list))
    set("certificate version", unsafe CCurl_set_ssl_version(handle, Int(CURL_SSLVERSION_TLSv1_2)))
    set("verification", unsafe CCurl_set_verify_peer(handle, 1))
    set("verification", unsafe CCurl_set_verify_host(handle, 2))
    let tls = configuration.tls
    if let file = tls.authorityFile { set("authority file", unsafe CCurl_set_ca_file(handle, file)) }
    if let pins = tls.pinnedPublicKeys { set("pinned keys", unsafe CCurl_set_pinned_public_key(handle, pins)) }
    if let file = tls.clientCertificateFile {
      set("client certificate", unsafe CCurl_set_client_certificate(handle, file))
    }
    if let file = tls.clientKeyFile { set("client key", unsafe CCurl_set_client_key(handle, file)) }
    set("proxy", setProxy(configuration.proxy))
    set("tunnel", unsafe CCurl_set_suppress_connect_headers(handle, 1))
    let context = unsafe Unmanaged.passUnretained(self).toOpaque()
    set("callbacks", unsafe CCurl_set_callbacks(handle, context, writeBody, writeHeader, readBody, seekBody))
    guard let problem else { return }
    throw RemoteError(
      .configuration, request.operation, url: request.shownURL, detail: "libcurl does not accept the \(problem)")
  }

  private func setProxy(_ proxy: TransportConfiguration.Proxy) -> CURLcode {
    switch proxy {
    // An empty name switches the variables off, too.
    case _ where !exchange.request.url.hasPrefix("https:"), .none: unsafe CCurl_set_proxy(handle, "")
    case .environment: CURLE_OK
    case .server(let url): unsafe CCurl_set_proxy(handle, url)
    }
  }
}

extension Duration {
  /// Whole milliseconds, at least one: curl takes 0 for its default.
  fileprivate var milliseconds: Int {
    max(1, min(Int(components.seconds), 1_000_000_000) * 1000 + Int(components.attoseconds / 1_000_000_000_000_000))
  }
}

/// The header lines of a request. Lines with secrets are wiped before they are freed.
@safe
private final class HeaderList {
  private(set) var list: UnsafeMutablePointer<curl_slist>?

  init(_ request: HTTPRequest) {
    let names = Set(request.headers.map(\.name))
    for header in request.headers {
      switch header.value {
      case .plain(let value): unsafe append("\(header.name): \(value)")
      case .secret(let prefix, let secret):
        unsafe secret.withHeader("\(header.name): \(prefix)") { unsafe append($0) }
      }
    }
    // What curl would add by itself: a name without a value takes it away.
    for name in ["accept", "user-agent", "content-type", "expect"] where !names.contains(name) {
      unsafe append("\(name):")
    }
  }

  private func append(_ line: UnsafePointer<CChar>) {
    // Nil when there is no memory; the list is then as it was.
    guard let longer = unsafe curl_slist_append(list, line) else { preconditionFailure("no memory for a header") }
    unsafe list = longer
  }

  deinit {
    var next = unsafe list
    while let entry = unsafe next {
      if let line = unsafe entry.pointee.data { unsafe explicit_bzero(line, strlen(line)) }
      unsafe next = entry.pointee.next
    }
    unsafe curl_slist_free_all(list)
  }
}

// MARK: - Callbacks

private func transfer(_ context: UnsafeMutableRawPointer?) -> Transfer? {
  guard let context = unsafe context else { return nil }
  return unsafe Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
}

private func writeBody(
  _ bytes: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?
) -> Int {
  unsafe transfer(context)?.receiveBody(UnsafeRawBufferPointer(start: bytes, count: size * count)) ?? 0
}

private func writeHeader(
  _ bytes: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?
) -> Int {
  unsafe transfer(context)?.receiveHeader(UnsafeRawBufferPointer(start: bytes, count: size * count)) ?? 0
}

private func readBody(
  _ bytes: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?
) -> Int {
  unsafe transfer(context)?.send(into: UnsafeMutableRawBufferPointer(start: bytes, count: size * count))
    ?? Int(CURL_READFUNC_ABORT)
}

private func seekBody(_ context: UnsafeMutableRawPointer?, _ offset: curl_off_t, _ origin: Int32) -> Int32 {
  // Origin 0 is SEEK_SET, the only one that curl uses.
  guard origin == 0, let transfer = unsafe transfer(context), transfer.rewind(to: Int(offset)) else {
    return CURL_SEEKFUNC_FAIL
  }
  return CURL_SEEKFUNC_OK
}
