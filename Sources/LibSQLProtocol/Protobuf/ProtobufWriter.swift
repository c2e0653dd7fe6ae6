/// Writes one protobuf message. Fields come out in the order of the calls, which is the order of their numbers in every
/// message of this module: the bytes are then those of the official encoders.
///
/// Methods without `optional` leave out the default (0, false, empty), as proto3 has it for fields without presence.
struct ProtobufWriter {
  private(set) var bytes: [UInt8] = []

  private mutating func key(_ number: UInt32, _ wireType: UInt64) {
    Varint.append(UInt64(number) << 3 | wireType, to: &bytes)
  }

  mutating func uint64(_ number: UInt32, _ value: UInt64) {
    if value != 0 { optionalUInt64(number, value) }
  }

  mutating func optionalUInt64(_ number: UInt32, _ value: UInt64?) {
    guard let value else { return }
    key(number, 0)
    Varint.append(value, to: &bytes)
  }

  mutating func int64(_ number: UInt32, _ value: Int64) { uint64(number, UInt64(bitPattern: value)) }

  mutating func optionalInt64(_ number: UInt32, _ value: Int64?) {
    optionalUInt64(number, value.map { UInt64(bitPattern: $0) })
  }

  mutating func int32(_ number: UInt32, _ value: Int32) { int64(number, Int64(value)) }

  mutating func bool(_ number: UInt32, _ value: Bool) { uint64(number, value ? 1 : 0) }

  mutating func string(_ number: UInt32, _ value: String) {
    if !value.isEmpty { optionalString(number, value) }
  }

  mutating func optionalString(_ number: UInt32, _ value: String?) {
    if let value { element(number, Array(value.utf8)) }
  }

  mutating func bytes(_ number: UInt32, _ value: [UInt8]) {
    if !value.isEmpty { element(number, value) }
  }

  /// One element of a repeated field, or bytes that have to be there: written even if empty.
  mutating func element(_ number: UInt32, _ value: [UInt8]) {
    key(number, 2)
    Varint.append(UInt64(value.count), to: &bytes)
    bytes.append(contentsOf: value)
  }

  /// A message in a field, written even if empty.
  mutating func message(_ number: UInt32, _ write: (inout ProtobufWriter) -> Void) {
    var inner = ProtobufWriter()
    write(&inner)
    element(number, inner.bytes)
  }

  /// The bytes of a message.
  static func encode(_ write: (inout ProtobufWriter) -> Void) -> [UInt8] {
    var writer = ProtobufWriter()
    write(&writer)
    return writer.bytes
  }
}
