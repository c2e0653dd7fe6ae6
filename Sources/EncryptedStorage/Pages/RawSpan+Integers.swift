/// Reads of fixed-width integers. Each traps when the offset is out of bounds, so no read leaves the span.
extension RawSpan {
  package func byte(at offset: Int) -> UInt8 {
    precondition(offset >= 0 && offset < byteCount, "read outside the page")
    return unsafe unsafeLoad(fromByteOffset: offset, as: UInt8.self)
  }

  package func bigEndianUInt16(at offset: Int) -> UInt16 {
    precondition(offset >= 0 && offset + 2 <= byteCount, "read outside the page")
    return UInt16(bigEndian: unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: UInt16.self))
  }

  package func bigEndianUInt32(at offset: Int) -> UInt32 {
    precondition(offset >= 0 && offset + 4 <= byteCount, "read outside the page")
    return UInt32(bigEndian: unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self))
  }

  package func littleEndianUInt32(at offset: Int) -> UInt32 {
    precondition(offset >= 0 && offset + 4 <= byteCount, "read outside the page")
    return UInt32(littleEndian: unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self))
  }

  /// Whether every byte is zero.
  package var isZero: Bool {
    unsafe withUnsafeBytes { unsafe $0.allSatisfy { $0 == 0 } }
  }

  /// A copy of `count` bytes from `offset`.
  package func bytes(at offset: Int, count: Int) -> [UInt8] {
    unsafe extracting(offset..<(offset + count)).withUnsafeBytes { unsafe Array($0) }
  }
}
