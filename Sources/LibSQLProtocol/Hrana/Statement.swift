extension Hrana {
  /// SQL, or the number under which `store_sql` stored it. On the wire exactly one of `sql` and `sql_id`.
  public enum SQLText: Sendable, Equatable {
    /// The text itself.
    case text(String)
    /// A number that the client chose.
    case stored(id: Int32)
  }

  /// An argument bound by name.
  public struct NamedArgument: Sendable, Equatable {
    /// With its prefix (`:`, `@`, `$`) or without it; then the server looks for a parameter that fits.
    public var name: String
    /// What is bound.
    public var value: Value

    /// Makes an argument.
    public init(name: String, value: Value) {
      self.name = name
      self.value = value
    }
  }

  /// One SQL statement with its arguments: `Stmt`.
  ///
  /// - Source: HRANA_3_SPEC.md, Statements.
  public struct Statement: Sendable, Equatable {
    /// The statement; a trailing semicolon is normal.
    public var sql: SQLText
    /// Bound by position, the first to parameter 1.
    public var arguments: [Value]
    /// Bound by name. Servers may refuse a statement that has both kinds.
    public var namedArguments: [NamedArgument]
    /// Whether rows are to be sent back. Default true, also on the wire.
    public var wantsRows: Bool
    /// The position a replica must have reached before it runs this. Clients send null. On the wire a decimal string.
    public var replicationIndex: UInt64?

    /// Makes a statement.
    public init(
      _ sql: SQLText, arguments: [Value] = [], namedArguments: [NamedArgument] = [], wantsRows: Bool = true,
      replicationIndex: UInt64? = nil
    ) {
      self.sql = sql
      self.arguments = arguments
      self.namedArguments = namedArguments
      self.wantsRows = wantsRows
      self.replicationIndex = replicationIndex
    }
  }
}

extension Hrana.SQLText {
  /// Exactly one of both has to be there.
  init(sql: String?, id: Int32?, in members: JSONReader.Members) throws(JSONFault) {
    switch (sql, id) {
    case (let sql?, nil): self = .text(sql)
    case (nil, let id?): self = .stored(id: id)
    case (nil, nil): throw members.inconsistent("neither sql nor sql_id is given")
    case (.some, .some): throw members.inconsistent("sql and sql_id are both given")
    }
  }

  /// `"sql":…,"sql_id":…`
  func writeFields(to writer: inout JSONWriter) {
    switch self {
    case .text(let sql):
      writer.raw(#""sql":"#)
      writer.string(sql)
      writer.raw(#","sql_id":null"#)
    case .stored(let id):
      writer.raw(#""sql":null,"sql_id":"#)
      writer.integer(id)
    }
  }
}

extension Hrana.NamedArgument: JSONCoded {
  init(from reader: inout JSONReader) throws(JSONFault) {
    var members = try reader.beginObject()
    var name: String?
    var value: Hrana.Value?
    while let field = try reader.nextField(&members) {
      switch field {
      case .name: name = try reader.readString()
      case .value: value = try Hrana.Value(from: &reader, .argument)
      default: try reader.skipValue()
      }
    }
    guard let name else { throw members.missing(.name) }
    guard let value else { throw members.missing(.value) }
    self.init(name: name, value: value)
  }

  func write(to writer: inout JSONWriter) {
    writer.raw(#"{"name":"#)
    writer.string(name)
    writer.raw(#","value":"#)
    value.write(to: &writer)
    writer.raw("}")
  }
}

extension Hrana.Statement: JSONCoded {
  init(from reader: inout JSONReader) throws(JSONFault) {
    var members = try reader.beginObject()
    var sql: String?
    var id: Int32?
    var arguments: [Hrana.Value] = []
    var namedArguments: [Hrana.NamedArgument] = []
    var wantsRows = true
    var replicationIndex: UInt64?
    let countMax = reader.limits.argumentCountMax
    while let field = try reader.nextField(&members) {
      switch field {
      case .sql: sql = try reader.readOptionalString()
      case .sqlID: id = try reader.takeNull() ? nil : reader.readInteger()
      case .args:
        arguments = try reader.readArray(countMax: countMax) { (reader) throws(JSONFault) in
          try Hrana.Value(from: &reader, .argument)
        }
      case .namedArgs:
        namedArguments = try reader.readArray(countMax: countMax, Hrana.NamedArgument.init(from:))
      case .wantRows: wantsRows = try reader.takeNull() ? true : reader.readBool()
      case .replicationIndex: replicationIndex = try reader.readOptionalInteger()
      default: try reader.skipValue()
      }
    }
    self.init(
      try Hrana.SQLText(sql: sql, id: id, in: members), arguments: arguments, namedArguments: namedArguments,
      wantsRows: wantsRows, replicationIndex: replicationIndex)
  }

  func write(to writer: inout JSONWriter) {
    writer.raw("{")
    sql.writeFields(to: &writer)
    writer.raw(#","args":"#)
    writer.row(arguments)
    writer.raw(#","named_args":"#)
    writer.array(namedArguments)
    writer.raw(#","want_rows":"#)
    writer.bool(wantsRows)
    writer.raw(#","replication_index":"#)
    writer.integerText(replicationIndex)
    writer.raw("}")
  }
}
