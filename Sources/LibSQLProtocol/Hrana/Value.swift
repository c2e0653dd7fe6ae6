extension Hrana {
  /// A value of SQLite on the wire.
  ///
  /// | case | JSON |
  /// |---|---|
  /// | `null` | `{"type":"null"}` |
  /// | `integer` | `{"type":"integer","value":"-5"}`: a decimal string; numbers lose digits above 2^53 |
  /// | `float` | `{"type":"float","value":1.5}` |
  /// | `text` | `{"type":"text","value":"…"}` |
  /// | `blob` | `{"type":"blob","base64":"AP8"}`: written without padding, read with or without |
  ///
  /// - Source: HRANA_3_SPEC.md, Values; wire-libsql.md, section 1.1.
  public enum Value: Sendable, Equatable {
    /// NULL.
    case null
    /// A 64-bit integer.
    case integer(Int64)
    /// A 64-bit float. JSON has no infinities and no NaN: they are written as `null`, which is read back as NaN from a
    /// result and refused in an argument, so that a client cannot store NULL unawares.
    case float(Double)
    /// Text; may contain NUL. `==` compares it as Swift does: `é` in one scalar and in two are equal. Its bytes are kept.
    case text(String)
    /// Bytes.
    case blob([UInt8])
  }
}

extension Hrana.Value {
  /// Where a value stands. A float that is no number is known from results, and refused in arguments.
  enum Place { case argument, result }

  init(from reader: inout JSONReader, _ place: Place) throws(JSONFault) {
    var members = try reader.beginObject()
    var type: (name: FieldName, position: Int)?
    var content: Self?
    // With the type first, as everybody writes it, the content is read at once; else when the type is known.
    var deferred: (value: Int?, base64: Int?)
    while let field = try reader.nextField(&members) {
      switch field {
      case .type:
        _ = reader.peek()
        type = (name: try reader.readType(), position: reader.position)
      case .value, .base64:
        if let type, field == Self.field(of: type.name) {
          content = try Self.read(type.name, place, from: &reader)
        } else if field == .value {
          deferred.value = try reader.deferValue()
        } else {
          deferred.base64 = try reader.deferValue()
        }
      default: try reader.skipValue()
      }
    }
    guard let type else { throw members.missing(.type) }
    if let content {
      self = content
    } else if type.name == .null {
      self = .null
    } else {
      guard let field = Self.field(of: type.name) else {
        throw JSONFault(.unknownType, at: type.position - 1, "no type of a value")
      }
      guard let position = field == .value ? deferred.value : deferred.base64 else { throw members.missing(field) }
      self = try reader.readDeferred(at: position) { (reader) throws(JSONFault) in
        try Self.read(type.name, place, from: &reader)
      }
    }
  }

  private static func field(of type: FieldName) -> FieldName? {
    switch type {
    case .integer, .float, .text: .value
    case .blob: .base64
    default: nil
    }
  }

  private static func read(
    _ type: FieldName, _ place: Place, from reader: inout JSONReader
  ) throws(JSONFault) -> Self {
    switch type {
    case .integer: return .integer(try reader.readIntegerText())
    case .text: return .text(try reader.readString())
    case .blob: return .blob(try reader.readBase64())
    default:
      if place == .result, try reader.takeNull() { return .float(.nan) }
      return .float(try reader.readDouble())
    }
  }

  func write(to writer: inout JSONWriter) {
    switch self {
    case .null: writer.raw(#"{"type":"null"}"#)
    case .integer(let value):
      writer.raw(#"{"type":"integer","value":"#)
      writer.integerText(value)
      writer.raw("}")
    case .float(let value):
      writer.raw(#"{"type":"float","value":"#)
      writer.double(value)
      writer.raw("}")
    case .text(let value):
      writer.raw(#"{"type":"text","value":"#)
      writer.string(value)
      writer.raw("}")
    case .blob(let value):
      writer.raw(#"{"type":"blob","base64":"#)
      writer.base64(value)
      writer.raw("}")
    }
  }
}

extension JSONReader {
  /// A row: an array of values.
  mutating func readRow() throws(JSONFault) -> [Hrana.Value] {
    try readArray(countMax: limits.columnCountMax) { (reader) throws(JSONFault) in
      try Hrana.Value(from: &reader, .result)
    }
  }
}

extension JSONWriter {
  mutating func row(_ row: [Hrana.Value]) {
    array(row) { value, writer in value.write(to: &writer) }
  }
}
