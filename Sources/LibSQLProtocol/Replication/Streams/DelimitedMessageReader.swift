/// Reads messages with their length before them, as a varint, from chunks of any size.
///
/// - Source: https://protobuf.dev/programming-guides/techniques/#streaming; the bound of nine bytes for the length is that of
///   Turso's client.
struct DelimitedMessageReader: Sendable {
  private static let lengthSizeLimit = 9
  private let structure: String
  private var queue = ByteQueue()

  init(_ structure: String) { self.structure = structure }

  var offset: Int { queue.offset }
  var endOffset: Int { queue.endOffset }
  var isEmpty: Bool { queue.isEmpty }
  var bufferedSize: Int { queue.count }

  mutating func append(_ chunk: some Collection<UInt8>) { queue.append(chunk) }

  /// The next whole message and where it begins, nil until more bytes arrive.
  ///
  /// - Throws: ``WireFormatError`` `.limitExceeded` for a message above `sizeLimit`, as soon as its length is known.
  mutating func next(sizeLimit: Int) throws(WireFormatError) -> (message: [UInt8], offset: Int)? {
    switch Varint.read(queue.bytes.prefix(Self.lengthSizeLimit)) {
    case .incomplete where queue.count < Self.lengthSizeLimit: return nil
    case .incomplete, .overflow:
      throw WireFormatError(.malformed, structure, at: offset, "a length of more than nine bytes")
    case .value(let size, let length):
      guard size <= UInt64(sizeLimit) else {
        throw WireFormatError(
          .limitExceeded, structure, at: offset, "a message of \(size) bytes, the limit is \(sizeLimit)")
      }
      guard queue.count >= length + Int(size) else { return nil }
      queue.skip(length)
      let offset = queue.offset
      return (queue.take(upTo: Int(size)), offset)
    }
  }

  /// A message with its length.
  static func frame(_ message: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Varint.maximumLength + message.count)
    Varint.append(UInt64(message.count), to: &bytes)
    return bytes + message
  }
}
