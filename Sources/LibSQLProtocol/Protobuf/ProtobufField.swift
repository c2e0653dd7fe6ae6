/// One field of a protobuf message, as it lies on the wire. The accessors check the wire type and the range.
///
/// Where the specification lets a parser truncate (a varint above the range of its field) or guess (another wire type than
/// that of the schema), these refuse: no client sends it.
struct ProtobufField {
  /// Source: https://protobuf.dev/programming-guides/encoding/#structure
  enum Payload {
    case varint(UInt64)
    case fixed64(UInt64)
    case fixed32(UInt32)
    case bytes(ArraySlice<UInt8>)
  }

  /// 1 to 2^29 - 1.
  let number: UInt32
  let payload: Payload
  /// Of the field's key.
  let offset: Int
  /// The message that the field is in.
  let message: String

  func refused(_ detail: String) -> WireFormatError {
    WireFormatError(.malformed, message, at: offset, "field \(number) \(detail)")
  }

  func uint64() throws(WireFormatError) -> UInt64 {
    guard case .varint(let value) = payload else { throw refused("is no varint") }
    return value
  }

  func uint32() throws(WireFormatError) -> UInt32 {
    guard let value = UInt32(exactly: try uint64()) else { throw refused("is above 32 bits") }
    return value
  }

  func int64() throws(WireFormatError) -> Int64 { Int64(bitPattern: try uint64()) }

  /// A negative number takes ten bytes, as if it were 64 bits wide.
  func int32() throws(WireFormatError) -> Int32 {
    guard let value = Int32(exactly: try int64()) else { throw refused("is outside 32 bits") }
    return value
  }

  func bool() throws(WireFormatError) -> Bool {
    let value = try uint64()
    guard value <= 1 else { throw refused("is neither 0 nor 1") }
    return value == 1
  }

  func bytes() throws(WireFormatError) -> ArraySlice<UInt8> {
    guard case .bytes(let bytes) = payload else { throw refused("is not length-delimited") }
    return bytes
  }

  func string() throws(WireFormatError) -> String {
    guard let text = String(validating: try bytes(), as: UTF8.self) else { throw refused("is not UTF-8") }
    return text
  }

  /// A reader of the message that this field holds.
  func submessage(_ name: String) throws(WireFormatError) -> ProtobufReader { ProtobufReader(try bytes(), name) }
}
