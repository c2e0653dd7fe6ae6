extension Hrana {
  /// When a step of a batch is run: `BatchCond`.
  ///
  /// - Source: HRANA_3_SPEC.md, Conditions. Whether `error` holds for a skipped step differs: no in the specification, yes
  ///   in the reference server (wire-libsql.md, section 1.1).
  public indirect enum Condition: Sendable, Equatable {
    /// The step with this index, from 0, succeeded.
    case ok(step: UInt32)
    /// The step with this index failed.
    case error(step: UInt32)
    /// The opposite.
    case not(Condition)
    /// All of them; true for none.
    case and([Condition])
    /// Any of them; false for none.
    case or([Condition])
    /// No transaction is open. Version 3, but real clients also send it to version 2.
    case isAutocommit
  }
}

extension Hrana.Condition: JSONCoded {
  init(from reader: inout JSONReader) throws(JSONFault) {
    self = try Self.read(from: &reader, depth: 1)
  }

  /// Reads every field before it looks at the type, so that each byte is read once however deep the nesting is.
  private static func read(from reader: inout JSONReader, depth: Int) throws(JSONFault) -> Self {
    let depthMax = reader.limits.conditionDepthMax
    _ = reader.peek()
    let start = reader.position
    guard depth <= depthMax else {
      throw JSONFault(.tooDeep, at: start, "more than \(depthMax) conditions in each other")
    }
    var members = try reader.beginObject()
    var type: FieldName?
    var step: UInt32?
    var condition: Self?
    var conditions: [Self]?
    while let field = try reader.nextField(&members) {
      switch field {
      case .type: type = try reader.readType()
      case .step: step = try reader.readInteger()
      case .cond: condition = try read(from: &reader, depth: depth + 1)
      case .conds:
        conditions = try reader.readArray(countMax: reader.limits.conditionCountMax) { (reader) throws(JSONFault) in
          try read(from: &reader, depth: depth + 1)
        }
      default: try reader.skipValue()
      }
    }
    switch type {
    case .ok:
      guard let step else { throw members.missing(.step) }
      return .ok(step: step)
    case .error:
      guard let step else { throw members.missing(.step) }
      return .error(step: step)
    case .not:
      guard let condition else { throw members.missing(.cond) }
      return .not(condition)
    case .and:
      guard let conditions else { throw members.missing(.conds) }
      return .and(conditions)
    case .or:
      guard let conditions else { throw members.missing(.conds) }
      return .or(conditions)
    case .isAutocommit: return .isAutocommit
    case nil: throw members.missing(.type)
    default: throw JSONFault(.unknownType, at: start, "no type of a condition")
    }
  }

  func write(to writer: inout JSONWriter) {
    switch self {
    case .ok(let step):
      writer.raw(#"{"type":"ok","step":"#)
      writer.integer(step)
    case .error(let step):
      writer.raw(#"{"type":"error","step":"#)
      writer.integer(step)
    case .not(let condition):
      writer.raw(#"{"type":"not","cond":"#)
      condition.write(to: &writer)
    case .and(let conditions):
      writer.raw(#"{"type":"and","conds":"#)
      writer.array(conditions)
    case .or(let conditions):
      writer.raw(#"{"type":"or","conds":"#)
      writer.array(conditions)
    case .isAutocommit: writer.raw(#"{"type":"is_autocommit""#)
    }
    writer.raw("}")
  }

  /// The highest index of a step that this refers to.
  var stepMax: UInt32? {
    switch self {
    case .ok(let step), .error(let step): step
    case .not(let condition): condition.stepMax
    case .and(let conditions), .or(let conditions): conditions.compactMap(\.stepMax).max()
    case .isAutocommit: nil
    }
  }
}
