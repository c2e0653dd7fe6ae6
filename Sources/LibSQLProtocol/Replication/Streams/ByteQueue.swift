/// Bytes that have arrived and are not used yet, with their place in the stream.
///
/// Holds what is left of one chunk and the beginning of one value; a reader that is drained before the next chunk comes
/// needs no more than that.
struct ByteQueue {
  private var storage: [UInt8] = []
  private var start = 0
  /// Place of the first unused byte in the stream.
  private(set) var offset = 0

  var count: Int { storage.count - start }
  var isEmpty: Bool { count == 0 }
  /// Place in the stream of the byte after the last one that has arrived.
  var endOffset: Int { offset + count }

  mutating func append(_ chunk: some Collection<UInt8>) {
    if start > 0 {
      storage.removeSubrange(..<start)
      start = 0
    }
    storage.append(contentsOf: chunk)
  }

  /// The unused bytes. Indices are not places in the stream.
  var bytes: ArraySlice<UInt8> { storage[start...] }

  /// Takes at most `limit` bytes. The caller owns a copy.
  mutating func take(upTo limit: Int) -> [UInt8] {
    let taken = Array(bytes.prefix(limit))
    skip(taken.count)
    return taken
  }

  mutating func skip(_ count: Int) {
    precondition(count >= 0 && count <= self.count, "more bytes used than arrived")
    start += count
    offset += count
  }
}
