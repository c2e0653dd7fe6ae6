/// Collects whole gRPC messages from chunks of any size: for requests, and for responses of one small message.
///
/// Use as ``GRPCWebReader``. Memory: one message and one chunk.
public struct GRPCMessageReader: Sendable {
  private var reader: GRPCWebReader
  private var message: [UInt8] = []
  private var messageCount = 0
  private var status: GRPCStatus?

  /// A reader at the start of a body.
  ///
  /// - Parameter messageSizeLimit: bytes of one message. Default 16 MiB.
  public init(messageSizeLimit: Int = 16 << 20) {
    reader = GRPCWebReader(limits: GRPCWebReader.Limits(messageSize: messageSizeLimit))
  }

  /// Adds bytes that have arrived, which may be none.
  public mutating func append(_ chunk: some Collection<UInt8>) { reader.append(chunk) }

  /// The next whole message, nil until more bytes arrive.
  ///
  /// - Throws: ``WireFormatError`` as ``GRPCWebReader/next()``.
  public mutating func next() throws(WireFormatError) -> [UInt8]? {
    while let event = try reader.next() {
      switch event {
      case .messageStart: message = []
      case .messageBytes(let bytes): message.append(contentsOf: bytes)
      case .messageEnd:
        messageCount += 1
        defer { message = [] }
        return message
      case .trailers(let status): self.status = status
      }
    }
    return nil
  }

  /// Says that the body has ended, and how the call did.
  ///
  /// - Parameter headers: the status of the HTTP headers, where there is one. Trailers win.
  /// - Returns: `.ok`, or why the call failed.
  /// - Throws: ``WireFormatError`` `.truncated` inside a frame, or when nothing says how the call ended.
  public mutating func finish(headers: GRPCStatus? = nil) throws(WireFormatError) -> GRPCStatus {
    try reader.finish()
    guard let status = status ?? headers else {
      throw WireFormatError(.truncated, "gRPC-web body", at: reader.offset, "the body ends without a status")
    }
    return status
  }

  /// The message of a whole request, which is one frame and no trailers.
  ///
  /// - Throws: ``WireFormatError``; `.malformed` unless there is exactly one message.
  public static func request(_ body: [UInt8], messageSizeLimit: Int = 16 << 20) throws(WireFormatError) -> [UInt8] {
    var reader = GRPCMessageReader(messageSizeLimit: messageSizeLimit)
    reader.append(body)
    let message = try reader.next()
    let second = try reader.next()
    try reader.reader.finish()
    guard let message, second == nil, reader.status == nil else {
      throw WireFormatError(.malformed, "gRPC-web request", "a request is one message")
    }
    return message
  }

  /// The message of a whole response of one message.
  ///
  /// - Throws: ``GRPCStatus`` when the call failed; ``WireFormatError``; `.malformed` unless there is exactly one message.
  public static func response(
    _ body: [UInt8], headers: GRPCStatus? = nil, messageSizeLimit: Int = 16 << 20
  ) throws -> [UInt8] {
    var reader = GRPCMessageReader(messageSizeLimit: messageSizeLimit)
    reader.append(body)
    let message = try reader.next()
    let second = try reader.next()
    let status = try reader.finish(headers: headers)
    guard status.code == .ok else { throw status }
    guard let message, second == nil else {
      throw WireFormatError(.malformed, "gRPC-web response", "a response of one message has \(reader.messageCount)")
    }
    return message
  }
}
