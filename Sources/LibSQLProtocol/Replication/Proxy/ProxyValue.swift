/// A value of a delegated statement: bincode in field 1 of `proxy.Value`.
///
/// - Shape: little-endian tag (4 bytes), then the content: 0 null, nothing; 1 integer, 8 bytes; 2 real, 8 bytes; 3 text and
///   4 blob, the length (8 bytes) and the bytes.
/// - Source: the fixed-width encoding of bincode 1.3 applied to `query::Value` of tursodatabase/libsql, libsql-server;
///   recorded clients.
public enum ProxyValue: Sendable, Hashable {
  /// NULL.
  case null
  /// 64 bits, signed.
  case integer(Int64)
  /// Any bits of a double, NaN included.
  case real(Double)
  /// UTF-8.
  case text(String)
  /// Bytes.
  case blob([UInt8])

  init(_ field: ProtobufField) throws(WireFormatError) {
    var reader = try field.submessage("Value")
    var data: ArraySlice<UInt8> = []
    while let field = try reader.next() {
      if field.number == 1 { data = try field.bytes() }
    }
    self = try Self(bincode: data)
  }

  /// Reads the bincode form.
  ///
  /// - Throws: ``WireFormatError`` `.malformed` for an unknown tag, text that is not UTF-8, and bytes too many;
  ///   `.truncated` for bytes too few.
  public init(bincode data: ArraySlice<UInt8>) throws(WireFormatError) {
    let structure = "Value"
    let start = data.startIndex
    guard data.count >= 4 else { throw WireFormatError(.truncated, structure, at: start, "no tag") }
    let content = data.dropFirst(4)
    func fixed() throws(WireFormatError) -> UInt64 {
      guard content.count >= 8 else { throw WireFormatError(.truncated, structure, at: start, "fewer than 8 bytes") }
      guard content.count == 8 else { throw WireFormatError(.malformed, structure, at: start, "more than 8 bytes") }
      return content.littleEndian(UInt64.self, at: 0)
    }
    func counted() throws(WireFormatError) -> ArraySlice<UInt8> {
      guard content.count >= 8 else { throw WireFormatError(.truncated, structure, at: start, "no length") }
      let (length, bytes) = (content.littleEndian(UInt64.self, at: 0), content.dropFirst(8))
      guard length == UInt64(bytes.count) else {
        throw WireFormatError(
          length > UInt64(bytes.count) ? .truncated : .malformed, structure, at: start,
          "\(length) bytes announced, \(bytes.count) there")
      }
      return bytes
    }
    switch data.littleEndian(UInt32.self, at: 0) {
    case 0:
      guard content.isEmpty else { throw WireFormatError(.malformed, structure, at: start, "bytes after a null") }
      self = .null
    case 1: self = .integer(Int64(bitPattern: try fixed()))
    case 2: self = .real(Double(bitPattern: try fixed()))
    case 3:
      guard let text = String(validating: try counted(), as: UTF8.self) else {
        throw WireFormatError(.malformed, structure, at: start, "text that is not UTF-8")
      }
      self = .text(text)
    case 4: self = .blob(Array(try counted()))
    default: throw WireFormatError(.malformed, structure, at: start, "an unknown type of value")
    }
  }

  /// The bincode form.
  public var bincode: [UInt8] {
    var data: [UInt8] = []
    switch self {
    case .null: data.appendLittleEndian(UInt32(0))
    case .integer(let value):
      data.appendLittleEndian(UInt32(1))
      data.appendLittleEndian(UInt64(bitPattern: value))
    case .real(let value):
      data.appendLittleEndian(UInt32(2))
      data.appendLittleEndian(value.bitPattern)
    case .text(let text): Self.append(3, Array(text.utf8), to: &data)
    case .blob(let bytes): Self.append(4, bytes, to: &data)
    }
    return data
  }

  private static func append(_ tag: UInt32, _ bytes: [UInt8], to data: inout [UInt8]) {
    data.appendLittleEndian(tag)
    data.appendLittleEndian(UInt64(bytes.count))
    data.append(contentsOf: bytes)
  }

  /// As an element of a repeated `proxy.Value`.
  func write(_ number: UInt32, to writer: inout ProtobufWriter) { writer.message(number) { $0.bytes(1, bincode) } }
}
