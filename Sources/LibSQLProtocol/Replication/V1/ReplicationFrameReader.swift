/// Reads the frames of a response to `BatchLogEntries`, `Snapshot` or `LogEntries` from chunks of any size. A frame comes
/// out as soon as it is whole.
///
/// Use: ``append(_:)`` a chunk, ``next()`` until it gives nil, and so on; ``finish(headers:)`` when the body ends. Memory: one
/// frame and one chunk. After an error the reader gives that error again.
public struct ReplicationFrameReader: Sendable {
  /// How frames are put into gRPC messages.
  public enum Shape: Sendable, Hashable {
    /// One `Frames` message: `BatchLogEntries`.
    case batch
    /// One `Frame` for each message: `Snapshot` and `LogEntries`.
    case stream
  }

  private let shape: Shape
  private let frameCountLimit: Int
  private var reader: GRPCWebReader
  private var batch: FrameBatchReader?
  private var message: [UInt8] = []
  private var messageOffset = 0
  private var messageCount = 0
  private var status: GRPCStatus?
  private var failure: WireFormatError?
  /// Frames that have come out.
  public private(set) var frameCount = 0

  /// A reader at the start of a body.
  ///
  /// - Parameter frameCountLimit: frames of one response. Default 2^32 - 1, the pages a database can have.
  public init(_ shape: Shape, frameCountLimit: Int = Int(UInt32.max)) {
    self.shape = shape
    self.frameCountLimit = frameCountLimit
    let limit = shape == .batch ? Int(UInt32.max) : FrameBatchReader.frameMessageSizeLimit
    reader = GRPCWebReader(limits: GRPCWebReader.Limits(messageSize: limit))
  }

  /// Adds bytes that have arrived, which may be none.
  public mutating func append(_ chunk: some Collection<UInt8>) { reader.append(chunk) }

  /// Bytes that have arrived and are not used.
  var bufferedSize: Int { reader.bufferedSize + (batch?.bufferedSize ?? 0) + message.count }

  /// The next frame, nil until more bytes arrive.
  ///
  /// - Throws: ``WireFormatError`` of the framing, the messages and the frames; `.malformed` for a second batch;
  ///   `.limitExceeded` for more frames than allowed.
  public mutating func next() throws(WireFormatError) -> FrameMessage? {
    if let failure { throw failure }
    do throws(WireFormatError) {
      guard let frame = try step() else { return nil }
      frameCount += 1
      guard frameCount <= frameCountLimit else {
        throw WireFormatError(.limitExceeded, "frames", at: reader.offset, "more than \(frameCountLimit) frames")
      }
      return frame
    } catch {
      failure = error
      throw error
    }
  }

  /// Says that the body has ended, and how the call did.
  ///
  /// - Parameter headers: the status of the HTTP headers, where there is one. Trailers win.
  /// - Returns: `.ok`, or why the call failed: ``GRPCStatus/Reason`` says which way to go on.
  /// - Throws: ``WireFormatError`` `.truncated` inside a frame, or when nothing says how the call ended: the frames may then
  ///   not be all; `.malformed` when a batch succeeds without a message.
  public mutating func finish(headers: GRPCStatus? = nil) throws(WireFormatError) -> GRPCStatus {
    if let failure { throw failure }
    try reader.finish()
    guard let status = status ?? headers else {
      throw WireFormatError(.truncated, "gRPC-web body", at: reader.offset, "the body ends without a status")
    }
    if shape == .batch && status.code == .ok && messageCount == 0 {
      throw WireFormatError(.malformed, "Frames", at: reader.offset, "success without a message")
    }
    return status
  }

  private mutating func step() throws(WireFormatError) -> FrameMessage? {
    while true {
      if let frame = try batch?.next() { return frame }
      let offset = reader.offset
      guard let event = try reader.next() else { return nil }
      switch event {
      case .messageStart:
        messageCount += 1
        messageOffset = reader.offset
        if shape == .stream {
          message = []
        } else {
          guard messageCount == 1 else {
            throw WireFormatError(.malformed, "Frames", at: offset, "a second message in a response of one")
          }
          batch = FrameBatchReader(at: messageOffset)
        }
      case .messageBytes(let bytes):
        if shape == .stream { message.append(contentsOf: bytes) } else { batch?.append(bytes) }
      case .messageEnd:
        try batch?.finish()
        batch = nil
        if shape == .stream { return try streamed() }
      case .trailers(let status): self.status = status
      }
    }
  }

  private func streamed() throws(WireFormatError) -> FrameMessage {
    do throws(WireFormatError) {
      return try FrameMessage(message[...])
    } catch {
      throw error.shifted(by: messageOffset)
    }
  }
}
