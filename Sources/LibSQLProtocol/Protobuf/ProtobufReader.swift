/// Reads the fields of one protobuf message in the order of the wire.
///
/// Nothing is allocated for a length that the input does not have. Unknown fields are for the caller to skip; of a
/// singular field that comes twice, the last counts. Groups are refused: no message of these protocols has one.
///
/// Source: https://protobuf.dev/programming-guides/encoding/
struct ProtobufReader {
  private let bytes: ArraySlice<UInt8>
  private var position: Int
  private let message: String

  /// Offsets in errors are indices of `bytes`, so a slice of a larger buffer reports positions in that buffer.
  init(_ bytes: ArraySlice<UInt8>, _ message: String) {
    self.bytes = bytes
    self.position = bytes.startIndex
    self.message = message
  }

  /// The next field, nil at the end of the message.
  mutating func next() throws(WireFormatError) -> ProtobufField? {
    guard position < bytes.endIndex else { return nil }
    let start = position
    let key = try varint()
    guard let number = UInt32(exactly: key >> 3), number > 0, number < 1 << 29 else {
      throw WireFormatError(.malformed, message, at: start, "a field number outside 1 to 2^29 - 1")
    }
    let payload: ProtobufField.Payload =
      switch key & 7 {
      case 0: .varint(try varint())
      case 1: .fixed64(try fixed(8))
      case 2: .bytes(try delimited())
      case 5: .fixed32(UInt32(truncatingIfNeeded: try fixed(4)))
      case 3, 4: throw WireFormatError(.unsupported, message, at: start, "field \(number) is a group")
      default: throw WireFormatError(.malformed, message, at: start, "field \(number) has no wire type")
      }
    return ProtobufField(number: number, payload: payload, offset: start, message: message)
  }

  private mutating func varint() throws(WireFormatError) -> UInt64 {
    switch Varint.read(bytes[position...]) {
    case .value(let value, let length):
      position += length
      return value
    case .incomplete: throw WireFormatError(.truncated, message, at: position, "the message ends inside a varint")
    case .overflow: throw WireFormatError(.malformed, message, at: position, "a varint of more than 64 bits")
    }
  }

  private mutating func fixed(_ count: Int) throws(WireFormatError) -> UInt64 {
    var value: UInt64 = 0
    for (index, byte) in try take(UInt64(count)).enumerated() { value |= UInt64(byte) << UInt64(8 * index) }
    return value
  }

  private mutating func delimited() throws(WireFormatError) -> ArraySlice<UInt8> { try take(try varint()) }

  private mutating func take(_ count: UInt64) throws(WireFormatError) -> ArraySlice<UInt8> {
    let left = bytes.endIndex - position
    guard count <= UInt64(left) else {
      throw WireFormatError(.truncated, message, at: position, "\(count) bytes announced, \(left) left")
    }
    defer { position += Int(count) }
    return bytes[position..<(position + Int(count))]
  }
}
