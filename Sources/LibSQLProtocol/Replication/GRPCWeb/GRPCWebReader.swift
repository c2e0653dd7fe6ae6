/// Reads a body of gRPC-web frames from chunks of any size. Messages come out in pieces, as they arrive: a batch of
/// frames may have megabytes, and a reader of frames needs only one of them at a time.
///
/// Use: ``append(_:)`` a chunk, ``next()`` until it gives nil, and so on; ``finish()`` when the body ends. Memory: one chunk,
/// or the trailers. After an error the reader gives that error again.
public struct GRPCWebReader: Sendable {
  /// What is refused before it is read.
  public struct Limits: Sendable, Hashable {
    /// Bytes of one message. Default 2^32 - 1, the most that its length can say, since messages are not collected here.
    public var messageSize: Int
    /// Bytes of the trailers. Default 16 KiB.
    public var trailersSize: Int

    /// Limits.
    public init(messageSize: Int = Int(UInt32.max), trailersSize: Int = 16 << 10) {
      self.messageSize = messageSize
      self.trailersSize = trailersSize
    }
  }

  /// What came out.
  public enum Event: Sendable, Hashable {
    /// A message of this many bytes begins.
    case messageStart(size: Int)
    /// More of it; never empty.
    case messageBytes([UInt8])
    /// It is whole.
    case messageEnd
    /// The response is whole, and this is how the call ended.
    case trailers(GRPCStatus)
  }

  private enum State {
    case prefix
    case message(left: Int)
    case trailers(size: Int)
    case ended
    case failed(WireFormatError)
  }

  private static let structure = "gRPC-web body"
  private let limits: Limits
  private var queue = ByteQueue()
  private var state = State.prefix

  /// A reader at the start of a body.
  public init(limits: Limits = Limits()) { self.limits = limits }

  /// Adds bytes that have arrived, which may be none.
  public mutating func append(_ chunk: some Collection<UInt8>) { queue.append(chunk) }

  /// Bytes of the body that have been used.
  var offset: Int { queue.offset }

  /// Bytes that have arrived and are not used.
  var bufferedSize: Int { queue.count }

  /// What comes next, nil until more bytes arrive.
  ///
  /// - Throws: ``WireFormatError`` `.malformed` for unknown flags, bytes after the trailers or trailers without a status;
  ///   `.unsupported` for compressed messages; `.limitExceeded`.
  public mutating func next() throws(WireFormatError) -> Event? {
    do throws(WireFormatError) {
      return try step()
    } catch {
      state = .failed(error)
      throw error
    }
  }

  /// Says that the body has ended.
  ///
  /// - Throws: ``WireFormatError`` `.truncated` inside a frame. A body without trailers is accepted here: the status can be in
  ///   the HTTP headers.
  public mutating func finish() throws(WireFormatError) {
    switch state {
    case .ended where queue.isEmpty: return
    case .prefix where queue.isEmpty: return
    case .failed(let error): throw error
    case .ended: throw malformed("bytes after the trailers")
    default: throw WireFormatError(.truncated, Self.structure, at: queue.endOffset, "the body ends inside a frame")
    }
  }

  private mutating func step() throws(WireFormatError) -> Event? {
    switch state {
    case .prefix: return try prefix()
    case .message(let left):
      if left == 0 {
        state = .prefix
        return .messageEnd
      }
      let bytes = queue.take(upTo: left)
      state = .message(left: left - bytes.count)
      return bytes.isEmpty ? nil : .messageBytes(bytes)
    case .trailers(let size):
      guard queue.count >= size else { return nil }
      let offset = queue.offset
      let status = try GRPCWeb.trailers(queue.take(upTo: size), at: offset)
      state = .ended
      return .trailers(status)
    case .ended:
      guard queue.isEmpty else { throw malformed("bytes after the trailers") }
      return nil
    case .failed(let error): throw error
    }
  }

  private mutating func prefix() throws(WireFormatError) -> Event? {
    guard let flag = queue.bytes.first else { return nil }
    guard flag == GRPCWeb.messageFlag || flag == GRPCWeb.trailersFlag else {
      guard flag & 0x7E == 0 else { throw malformed("a frame with unknown flags") }
      throw WireFormatError(.unsupported, Self.structure, at: queue.offset, "a compressed frame")
    }
    guard queue.count >= GRPCWeb.prefixSize else { return nil }
    let size = Int(queue.bytes.bigEndian(UInt32.self, at: 1))
    let isMessage = flag == GRPCWeb.messageFlag
    let limit = isMessage ? limits.messageSize : limits.trailersSize
    guard size <= limit else {
      throw WireFormatError(
        .limitExceeded, Self.structure, at: queue.offset,
        "\(isMessage ? "a message" : "trailers") of \(size) bytes, the limit is \(limit)")
    }
    queue.skip(GRPCWeb.prefixSize)
    state = isMessage ? .message(left: size) : .trailers(size: size)
    return isMessage ? .messageStart(size: size) : try step()
  }

  private func malformed(_ detail: String) -> WireFormatError {
    WireFormatError(.malformed, Self.structure, at: queue.offset, detail)
  }
}
