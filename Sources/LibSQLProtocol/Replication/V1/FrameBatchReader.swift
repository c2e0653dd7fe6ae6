/// Reads frames out of a `Frames` message while it arrives. A batch can have thousands of frames in one message; only one of
/// them is in memory at a time.
struct FrameBatchReader: Sendable {
  /// Bytes of the longest `Frame` that is read: a frame of 4120 bytes, its two other fields, and room for fields of later
  /// versions.
  static let frameMessageSizeLimit = PageFormat.frameSize + 1024

  private static let structure = "Frames"
  private var queue = ByteQueue()
  /// Bytes of an unknown field that have not arrived yet.
  private var skipping = 0

  /// Where the message begins in its stream, for positions in errors.
  private let base: Int

  init(at base: Int) { self.base = base }

  var bufferedSize: Int { queue.count }

  mutating func append(_ chunk: some Collection<UInt8>) { queue.append(chunk) }

  mutating func next() throws(WireFormatError) -> FrameMessage? {
    while true {
      let skipped = min(skipping, queue.count)
      queue.skip(skipped)
      skipping -= skipped
      guard skipping == 0, let key = try varint(after: 0) else { return nil }
      guard key.value >> 3 > 0, key.value >> 3 < 1 << 29 else {
        throw malformed("a field number outside 1 to 2^29 - 1")
      }
      switch key.value & 7 {
      case 0:
        guard let value = try varint(after: key.length) else { return nil }
        queue.skip(key.length + value.length)
      case 1: skip(key.length, 8)
      case 5: skip(key.length, 4)
      case 2:
        guard let size = try varint(after: key.length) else { return nil }
        guard size.value <= UInt64(UInt32.max) else { throw malformed("a field of more than 4 GiB") }
        let (header, length) = (key.length + size.length, Int(size.value))
        guard key.value >> 3 == 1 else {
          skip(header, length)
          continue
        }
        guard length <= Self.frameMessageSizeLimit else {
          throw WireFormatError(
            .limitExceeded, Self.structure, at: place,
            "a Frame of \(length) bytes, the limit is \(Self.frameMessageSizeLimit)")
        }
        guard queue.count >= header + length else { return nil }
        let start = place + header
        queue.skip(header)
        let bytes = queue.take(upTo: length)
        do throws(WireFormatError) {
          return try FrameMessage(bytes[...])
        } catch {
          throw error.shifted(by: start)
        }
      case 3, 4: throw WireFormatError(.unsupported, Self.structure, at: place, "a group")
      default: throw malformed("a field without a wire type")
      }
    }
  }

  /// Says that the message has ended.
  func finish() throws(WireFormatError) {
    guard queue.isEmpty, skipping == 0 else {
      throw WireFormatError(.truncated, Self.structure, at: base + queue.endOffset, "the message ends inside a field")
    }
  }

  private var place: Int { base + queue.offset }

  private mutating func skip(_ header: Int, _ content: Int) {
    queue.skip(header)
    skipping = content
  }

  private func varint(after skipped: Int) throws(WireFormatError) -> (value: UInt64, length: Int)? {
    switch Varint.read(queue.bytes.dropFirst(skipped)) {
    case .value(let value, let length): return (value, length)
    case .incomplete: return nil
    case .overflow: throw malformed("a varint of more than 64 bits")
    }
  }

  private func malformed(_ detail: String) -> WireFormatError {
    WireFormatError(.malformed, Self.structure, at: place, detail)
  }
}
