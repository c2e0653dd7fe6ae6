/// Fixed-width integers in a slice, at an offset from its start. Each traps when the slice is shorter: callers have checked
/// the length of the structure.
extension ArraySlice<UInt8> {
  func littleEndian<Value: FixedWidthInteger & UnsignedInteger>(_ type: Value.Type, at offset: Int) -> Value {
    var value: Value = 0
    let first = startIndex + offset
    for index in (first..<(first + Value.bitWidth / 8)).reversed() { value = value << 8 | Value(self[index]) }
    return value
  }

  func bigEndian<Value: FixedWidthInteger & UnsignedInteger>(_ type: Value.Type, at offset: Int) -> Value {
    littleEndian(type, at: offset).byteSwapped
  }
}

extension [UInt8] {
  mutating func appendLittleEndian<Value: FixedWidthInteger & UnsignedInteger>(_ value: Value) {
    for shift in stride(from: 0, to: Value.bitWidth, by: 8) { append(UInt8(truncatingIfNeeded: value >> shift)) }
  }

  mutating func appendBigEndian<Value: FixedWidthInteger & UnsignedInteger>(_ value: Value) {
    appendLittleEndian(value.byteSwapped)
  }
}
