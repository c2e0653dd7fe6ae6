internal import CSQLCipher
internal import Glibc

/// A value exactly as it is stored: equal means the same class and the same bytes.
///
/// ``Value`` will not do where content is compared: it repairs text that is not UTF-8, and Swift takes two spellings of `é`
/// for equal.
package enum ExactValue: Sendable, Hashable {
  case null
  case integer(Int64)
  /// By its bits, so that 0.0 and -0.0 differ.
  case real(bits: UInt64)
  /// Bytes in UTF-8, as far as they are text at all.
  case text([UInt8])
  case blob([UInt8])

  /// Text of a string.
  package static func text(_ string: String) -> ExactValue { .text(Array(string.utf8)) }
}

extension ExactValue {
  /// Before, equal or after, as an index with the collation `BINARY` sorts.
  package enum Order { case before, same, after }

  /// Source: https://www.sqlite.org/datatype3.html#sort_order
  package func order(_ other: ExactValue) -> Order {
    switch (self, other) {
    case (.integer(let left), .integer(let right)): Self.order(left, right)
    case (.real(let left), .real(let right)): Self.order(Double(bitPattern: left), Double(bitPattern: right))
    case (.integer(let left), .real(let right)): Self.exactOrder(left, Double(bitPattern: right))
    case (.real(let left), .integer(let right)): Self.exactOrder(right, Double(bitPattern: left)).reversed
    case (.text(let left), .text(let right)), (.blob(let left), .blob(let right)): Self.byteOrder(left, right)
    default: Self.order(rank, other.rank)
    }
  }

  private var rank: Int {
    switch self {
    case .null: 0
    case .integer, .real: 1
    case .text: 2
    case .blob: 3
    }
  }

  private static func order<T: Comparable>(_ left: T, _ right: T) -> Order {
    left < right ? .before : left == right ? .same : .after
  }

  /// Without rounding the integer, of which a Double holds 53 bits.
  private static func exactOrder(_ left: Int64, _ right: Double) -> Order {
    if right >= 0x1p63 { return .before }
    if right < -0x1p63 { return .after }
    let whole = Int64(right)
    return left == whole ? order(Double(0), right - Double(whole)) : order(left, whole)
  }

  private static func byteOrder(_ left: [UInt8], _ right: [UInt8]) -> Order {
    let count = min(left.count, right.count)
    let difference = unsafe count == 0 ? 0 : memcmp(left, right, count)
    return difference == 0 ? order(left.count, right.count) : order(difference, 0)
  }
}

extension ExactValue.Order {
  fileprivate var reversed: Self {
    switch self {
    case .before: .after
    case .same: .same
    case .after: .before
    }
  }
}

extension Statement {
  /// Binds values to the parameters 1, 2, … as they are, text that is not UTF-8 included.
  func bind(exactly values: [ExactValue]) throws(EncryptedStorageError) {
    // Numbers and NULL go the ordinary way, which also checks how many there are.
    try bind(
      values.map { value in
        switch value {
        case .integer(let number): .integer(number)
        case .real(let bits): .real(Double(bitPattern: bits))
        case .blob(let bytes): .blob(bytes)
        case .null, .text: .null
        }
      })
    for (offset, value) in values.enumerated() {
      guard case .text(let bytes) = value else { continue }
      let result = unsafe bytes.withUnsafeBufferPointer { buffer in
        unsafe buffer.withMemoryRebound(to: CChar.self) { text in
          // An empty array may have no address, and no address is NULL.
          guard let start = text.baseAddress, !text.isEmpty else {
            return unsafe sqlite3_bind_text64(
              pointer, Int32(offset) + 1, "", 0, CSQLCipher_transient(), UInt8(SQLITE_UTF8))
          }
          return unsafe sqlite3_bind_text64(
            pointer, Int32(offset) + 1, start, UInt64(text.count), CSQLCipher_transient(), UInt8(SQLITE_UTF8))
        }
      }
      guard result == SQLITE_OK else {
        throw SQLiteResult.error(result, operation: "bind", file: nil)
      }
    }
  }

  /// The value of a column of the current row. The database must be in UTF-8.
  func exactValue(at index: Int) -> ExactValue {
    let column = Int32(truncatingIfNeeded: index)
    switch unsafe sqlite3_column_type(pointer, column) {
    case SQLITE_INTEGER: return .integer(unsafe sqlite3_column_int64(pointer, column))
    case SQLITE_FLOAT: return .real(bits: unsafe sqlite3_column_double(pointer, column).bitPattern)
    case SQLITE_TEXT: return .text(exactBytes(at: column))
    case SQLITE_BLOB: return .blob(exactBytes(at: column))
    default: return .null
    }
  }

  private func exactBytes(at column: Int32) -> [UInt8] {
    guard let start = unsafe sqlite3_column_blob(pointer, column) else { return [] }
    let count = Int(unsafe sqlite3_column_bytes(pointer, column))
    return unsafe Array(UnsafeRawBufferPointer(start: start, count: count))
  }
}
