/// Base-128 varints, least significant group first. At most ten bytes make 64 bits.
///
/// Source: https://protobuf.dev/programming-guides/encoding/#varints
enum Varint {
  /// Bytes of the longest 64-bit varint.
  static let maximumLength = 10

  /// What the first bytes of a buffer hold.
  enum Prefix {
    /// A whole varint of `length` bytes.
    case value(UInt64, length: Int)
    /// The buffer ends inside a varint.
    case incomplete
    /// More than ten bytes, or more than 64 bits.
    case overflow
  }

  /// Reads at the start of `bytes`. Encodings with needless zero groups are accepted, as the specification has it.
  static func read(_ bytes: ArraySlice<UInt8>) -> Prefix {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    for (length, byte) in zip(1...maximumLength, bytes) {
      if length == maximumLength && byte > 1 { return .overflow }
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return .value(value, length: length) }
      shift += 7
    }
    return bytes.count < maximumLength ? .incomplete : .overflow
  }

  /// Appends the shortest encoding.
  static func append(_ value: UInt64, to bytes: inout [UInt8]) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(truncatingIfNeeded: rest))
  }

  /// Bytes of the shortest encoding, 1 to 10.
  static func length(_ value: UInt64) -> Int { max(1, (70 - value.leadingZeroBitCount) / 7) }
}
