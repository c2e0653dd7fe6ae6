/// Reads frames of 4120 bytes, one after the other, from chunks of any size: the body of a pull and of a push.
///
/// Use: ``append(_:)`` a chunk, ``next()`` until it gives nil, and so on; ``finish()`` when the body ends. Memory: one frame
/// and one chunk. After an error the reader gives that error again.
public struct WALFrameReader: Sendable {
  private let frameCountLimit: Int
  private var queue = ByteQueue()
  private var failure: WireFormatError?
  /// Frames that have come out.
  public private(set) var frameCount = 0

  /// A reader at the start of a body.
  ///
  /// - Parameter frameCountLimit: frames of one body. Default 65536, 257 MiB; clients ask for 128 at a time.
  public init(frameCountLimit: Int = 65_536) { self.frameCountLimit = frameCountLimit }

  /// Adds bytes that have arrived, which may be none.
  public mutating func append(_ chunk: some Collection<UInt8>) { queue.append(chunk) }

  /// Bytes that have arrived and are not used.
  var bufferedSize: Int { queue.count }

  /// The next frame, nil until more bytes arrive.
  ///
  /// - Throws: ``WireFormatError`` `.malformed` for page number 0; `.limitExceeded` for more frames than allowed.
  public mutating func next() throws(WireFormatError) -> WALFrame? {
    if let failure { throw failure }
    guard !queue.isEmpty else { return nil }
    do throws(WireFormatError) {
      guard frameCount < frameCountLimit else {
        throw WireFormatError(.limitExceeded, "frames", at: queue.offset, "more than \(frameCountLimit) frames")
      }
      guard queue.count >= PageFormat.frameSize else { return nil }
      let offset = queue.offset
      let bytes = queue.take(upTo: PageFormat.frameSize)
      do throws(WireFormatError) {
        let frame = try WALFrame(bytes[...])
        frameCount += 1
        return frame
      } catch {
        throw error.shifted(by: offset)
      }
    } catch {
      failure = error
      throw error
    }
  }

  /// Says that the body has ended.
  ///
  /// - Throws: ``WireFormatError`` `.truncated` inside a frame, and for a body without a frame, which clients take for a
  ///   failure.
  public mutating func finish() throws(WireFormatError) {
    if let failure { throw failure }
    guard queue.isEmpty, frameCount > 0 else {
      throw WireFormatError(
        .truncated, "WAL frame", at: queue.endOffset, "the body ends inside a frame, or has none")
    }
  }
}
