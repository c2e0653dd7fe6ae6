extension Hrana {
  /// What a statement is, without running it: `DescribeResult`.
  ///
  /// - Source: HRANA_3_SPEC.md, Result of describing a statement.
  public struct DescribeResult: Sendable, Equatable {
    /// The name of each parameter with its prefix, from parameter 1; nil for `?`.
    public var parameterNames: [String?]
    /// The columns of its rows; each has a name.
    public var columns: [Column]
    /// Whether it is an EXPLAIN.
    public var isExplain: Bool
    /// Whether it leaves the database as it is.
    public var isReadOnly: Bool

    /// Makes a description.
    public init(parameterNames: [String?], columns: [Column], isExplain: Bool, isReadOnly: Bool) {
      self.parameterNames = parameterNames
      self.columns = columns
      self.isExplain = isExplain
      self.isReadOnly = isReadOnly
    }
  }
}

extension Hrana.DescribeResult: JSONCoded {
  init(from reader: inout JSONReader) throws(JSONFault) {
    var members = try reader.beginObject()
    var parameterNames: [String?]?
    var columns: [Hrana.Column]?
    var isExplain: Bool?
    var isReadOnly: Bool?
    while let field = try reader.nextField(&members) {
      switch field {
      case .params:
        parameterNames = try reader.readArray(countMax: reader.limits.argumentCountMax, Self.parameterName(from:))
      case .cols: columns = try reader.readColumns()
      case .isExplain: isExplain = try reader.readBool()
      case .isReadOnly: isReadOnly = try reader.readBool()
      default: try reader.skipValue()
      }
    }
    guard let parameterNames else { throw members.missing(.params) }
    guard let columns else { throw members.missing(.cols) }
    guard let isExplain else { throw members.missing(.isExplain) }
    guard let isReadOnly else { throw members.missing(.isReadOnly) }
    self.init(parameterNames: parameterNames, columns: columns, isExplain: isExplain, isReadOnly: isReadOnly)
  }

  private static func parameterName(from reader: inout JSONReader) throws(JSONFault) -> String? {
    var members = try reader.beginObject()
    var name: String?
    while let field = try reader.nextField(&members) {
      if field == .name { name = try reader.readOptionalString() } else { try reader.skipValue() }
    }
    return name
  }

  func write(to writer: inout JSONWriter) {
    writer.raw(#"{"params":"#)
    writer.array(parameterNames) { name, writer in
      writer.raw(#"{"name":"#)
      writer.string(name)
      writer.raw("}")
    }
    writer.raw(#","cols":"#)
    writer.array(columns)
    writer.raw(#","is_explain":"#)
    writer.bool(isExplain)
    writer.raw(#","is_readonly":"#)
    writer.bool(isReadOnly)
    writer.raw("}")
  }
}
