/// One authentic, decrypted page. Every read is checked: what lies outside the page is nil, never a trap.
struct AuthenticPage {
  let number: UInt32
  /// Bytes that SQLite uses; the codec's reserve follows.
  let usableByteCount: Int
  private let buffer: PageBuffer

  init(number: UInt32, usableByteCount: Int, buffer: PageBuffer) {
    self.number = number
    self.usableByteCount = min(max(0, usableByteCount), buffer.byteCount)
    self.buffer = buffer
  }

  func byte(at offset: Int) -> UInt8? {
    guard offset >= 0, offset < usableByteCount else { return nil }
    return buffer.withSpan(offset..<(offset + 1)) { $0.byte(at: 0) }
  }

  func bigEndianUInt16(at offset: Int) -> Int? {
    guard offset >= 0, offset <= usableByteCount - 2 else { return nil }
    return buffer.withSpan(offset..<(offset + 2)) { Int($0.bigEndianUInt16(at: 0)) }
  }

  func bigEndianUInt32(at offset: Int) -> UInt32? {
    guard offset >= 0, offset <= usableByteCount - 4 else { return nil }
    return buffer.withSpan(offset..<(offset + 4)) { $0.bigEndianUInt32(at: 0) }
  }

  func bytes(at offset: Int, count: Int) -> [UInt8]? {
    guard offset >= 0, count >= 0, offset <= usableByteCount, count <= usableByteCount - offset else { return nil }
    return buffer.withSpan(offset..<(offset + count)) { $0.bytes(at: 0, count: count) }
  }

  /// A variable-length integer and its length in bytes.
  func varint(at offset: Int) -> (value: UInt64, byteCount: Int)? {
    guard offset >= 0, offset < usableByteCount else { return nil }
    return Varint.read(bytes(at: offset, count: min(Varint.byteCountMax, usableByteCount - offset))?[...] ?? [])
  }
}
