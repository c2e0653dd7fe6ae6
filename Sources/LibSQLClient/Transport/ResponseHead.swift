/// Status and headers of a response.
struct ResponseHead: Sendable, Hashable {
  let status: Int
  /// Whether the response came over HTTP/2 or later, where every body has an end of its own.
  let isMultiplexed: Bool
  /// Names in lower case, in the order in which they came.
  let headers: [(name: String, value: String)]

  /// The first value of a header; `name` is in lower case.
  func value(of name: String) -> String? { headers.first { $0.name == name }?.value }

  static func == (left: ResponseHead, right: ResponseHead) -> Bool {
    left.status == right.status && left.headers.elementsEqual(right.headers, by: ==)
  }

  func hash(into hasher: inout Hasher) { hasher.combine(status) }

  /// Whether the end of the body can be told from a cut.
  var isDelimited: Bool {
    isMultiplexed || status == 204 || status == 304 || value(of: "content-length") != nil
      || value(of: "transfer-encoding")?.lowercased().contains("chunked") == true
  }

  /// Whether the token was refused. gRPC says it in a header of its own: 16 is UNAUTHENTICATED.
  var isUnauthorized: Bool { status == 401 || value(of: "grpc-status") == "16" }

  /// Nil where it is not said.
  var contentLength: UInt64? { value(of: "content-length").flatMap { UInt64($0) } }

  /// The seconds of `Retry-After`; a date is not read.
  var retryAfter: Duration? {
    guard let text = value(of: "retry-after"), let seconds = UInt32(text) else { return nil }
    return .seconds(Int64(seconds))
  }
}

/// Puts a head together from the lines that curl hands over, of interim responses and trailers too.
struct ResponseHeadReader {
  enum Outcome { case more, head(ResponseHead), refused(RemoteError.Code, String) }

  private let limits: TransportConfiguration.Limits
  private var status: Int?
  private var isMultiplexed = false
  private var headers: [(name: String, value: String)] = []
  private var byteCount = 0
  private var lineCount = 0
  private var isDone = false

  init(limits: TransportConfiguration.Limits) { self.limits = limits }

  /// Takes one line with its end. After the head, lines are trailers: counted and dropped.
  mutating func receive(_ line: [UInt8]) -> Outcome {
    byteCount += line.count
    lineCount += 1
    // One line more for the status, one for the end.
    guard byteCount <= limits.headerByteCountMax, lineCount <= limits.headerCountMax + 2 else {
      return .refused(
        .limitExceeded,
        "more than \(limits.headerCountMax) header lines or \(limits.headerByteCountMax) bytes of them")
    }
    if isDone { return .more }
    let text = line.prefix { $0 != 0x0D && $0 != 0x0A }
    if text.starts(with: Array("HTTP/".utf8)) && status == nil { return begin(text) }
    guard let status else { return .refused(.malformedResponse, "no status line") }
    if text.isEmpty {
      guard status >= 200 else {
        // An interim response; the real one follows.
        self.status = nil
        headers = []
        return .more
      }
      isDone = true
      return .head(ResponseHead(status: status, isMultiplexed: isMultiplexed, headers: headers))
    }
    guard let colon = text.firstIndex(of: 0x3A), colon > text.startIndex else {
      return .refused(.malformedResponse, "a header line without a name")
    }
    let value = text[(colon + 1)...].drop { $0 == 0x20 || $0 == 0x09 }
    let end = value.lastIndex { $0 != 0x20 && $0 != 0x09 }
    headers.append(
      (
        String(decoding: text[..<colon], as: UTF8.self).lowercased(),
        String(decoding: end.map { value[...$0] } ?? [], as: UTF8.self)
      ))
    return .more
  }

  private mutating func begin(_ line: ArraySlice<UInt8>) -> Outcome {
    let words = line.split(separator: 0x20, maxSplits: 2)
    guard words.count >= 2, words[1].count == 3, let number = Int(String(decoding: words[1], as: UTF8.self)),
      (100...599).contains(number)
    else { return .refused(.malformedResponse, "a status line without a status") }
    status = number
    let version = words[0].dropFirst(5)
    isMultiplexed = version.first == 0x32 || version.first == 0x33
    return .more
  }
}
