/// A value as a record stores it: text stays the bytes it is, in the encoding of the database, so that nothing is changed
/// by decoding it, not even text that is not valid.
enum StoredValue: Sendable, Equatable {
  case null
  case integer(Int64)
  case real(Double)
  case text([UInt8])
  case blob([UInt8])

  /// For a parameter; text is bound as a blob and turned into text by SQL, see `RowInsertion`.
  var bindable: Value {
    switch self {
    case .null: .null
    case .integer(let value): .integer(value)
    case .real(let value): .real(value)
    case .text([]): .text("")
    case .text(let bytes), .blob(let bytes): .blob(bytes)
    }
  }

  var isNonEmptyText: Bool { if case .text(let bytes) = self { !bytes.isEmpty } else { false } }
}

/// The record format. Source: https://www.sqlite.org/fileformat2.html#record_format
enum StoredRecord {
  /// What a record's header says of one value.
  struct SerialType {
    let code: UInt64

    /// Nil for the two reserved codes.
    var byteCount: Int? {
      switch code {
      case 0...4: Int(code)
      case 5: 6
      case 6, 7: 8
      case 8, 9: 0
      case 10, 11: nil
      default: Int(clamping: (code - 12) / 2)
      }
    }

    var isNull: Bool { code == 0 }
    var isNumber: Bool { (1...9).contains(code) }

    func value(_ bytes: ArraySlice<UInt8>) -> StoredValue {
      switch code {
      case 0: .null
      case 1...6: .integer(Self.signedInteger(bytes))
      case 7: .real(Double(bitPattern: bytes.reduce(0) { $0 << 8 | UInt64($1) }))
      case 8: .integer(0)
      case 9: .integer(1)
      default: code % 2 == 0 ? .blob(Array(bytes)) : .text(Array(bytes))
      }
    }

    /// Two's complement, big-endian.
    private static func signedInteger(_ bytes: ArraySlice<UInt8>) -> Int64 {
      let start: Int64 = (bytes.first ?? 0) >= 0x80 ? -1 : 0
      return bytes.reduce(start) { $0 << 8 | Int64($1) }
    }
  }

  /// The types of all values of a record of `byteCount` bytes, from its first bytes, and the length of the header.
  ///
  /// - Returns: nil when they do not add up to exactly that size, or `start` ends before the header does.
  static func types(
    _ start: ArraySlice<UInt8>, recordByteCount: Int
  ) -> (types: [SerialType], headerByteCount: Int)? {
    guard let size = Varint.read(start), let headerByteCount = Int(exactly: size.value),
      headerByteCount <= start.count, headerByteCount <= recordByteCount, headerByteCount >= size.byteCount
    else { return nil }
    var types: [SerialType] = []
    var position = start.startIndex + size.byteCount
    let end = start.startIndex + headerByteCount
    var total = headerByteCount
    while position < end {
      guard let code = Varint.read(start[position..<end]) else { return nil }
      let type = SerialType(code: code.value)
      guard let byteCount = type.byteCount, byteCount <= recordByteCount - total else { return nil }
      total += byteCount
      position += code.byteCount
      types.append(type)
    }
    return total == recordByteCount ? (types, headerByteCount) : nil
  }

  /// All values; nil when the record contradicts itself.
  static func values(_ record: [UInt8]) -> [StoredValue]? {
    guard let (types, headerByteCount) = types(record[...], recordByteCount: record.count) else { return nil }
    var position = headerByteCount
    var values: [StoredValue] = []
    values.reserveCapacity(types.count)
    for type in types {
      guard let byteCount = type.byteCount, position + byteCount <= record.count else { return nil }
      values.append(type.value(record[position..<(position + byteCount)]))
      position += byteCount
    }
    return values
  }
}
