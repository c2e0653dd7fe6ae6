/// One statement of a delegated program, with its arguments.
///
/// - Source: tursodatabase/libsql, libsql-replication/proto/proxy.proto, `Query`.
public struct ProxyQuery: Sendable, Hashable {
  /// Values for the parameters.
  public enum Parameters: Sendable, Hashable {
    /// Field 2: in the order of the parameters.
    case positional([ProxyValue])
    /// Field 3: names, with or without their prefix, and as many values.
    case named([Named])
  }

  /// A value for a named parameter.
  public struct Named: Sendable, Hashable {
    /// As the client wrote it.
    public let name: String
    /// What it stands for.
    public let value: ProxyValue

    /// A pair.
    public init(_ name: String, _ value: ProxyValue) {
      self.name = name
      self.value = value
    }
  }

  /// Field 1.
  public let statement: String
  /// Nil where the message has neither form, which means no values.
  public let parameters: Parameters?
  /// Field 4: the client does not want the rows.
  public let skipsRows: Bool

  /// A statement.
  public init(statement: String, parameters: Parameters? = nil, skipsRows: Bool = false) {
    self.statement = statement
    self.parameters = parameters
    self.skipsRows = skipsRows
  }

  init(_ field: ProtobufField) throws(WireFormatError) {
    var reader = try field.submessage("Query")
    var statement = ""
    var parameters: Parameters?
    var skipsRows = false
    while let part = try reader.next() {
      switch part.number {
      case 1: statement = try part.string()
      case 2: parameters = .positional(try Self.lists(part, names: nil, values: 1).values)
      case 3:
        let (names, values) = try Self.lists(part, names: 1, values: 2)
        guard names.count == values.count else {
          throw part.refused("has \(names.count) names, \(values.count) values")
        }
        parameters = .named(zip(names, values).map { Named($0, $1) })
      case 4: skipsRows = try part.bool()
      default: continue
      }
    }
    self.init(statement: statement, parameters: parameters, skipsRows: skipsRows)
  }

  private static func lists(
    _ field: ProtobufField, names nameNumber: UInt32?, values valueNumber: UInt32
  ) throws(WireFormatError) -> (names: [String], values: [ProxyValue]) {
    var reader = try field.submessage("Params")
    var (names, values): ([String], [ProxyValue]) = ([], [])
    while let part = try reader.next() {
      if part.number == nameNumber { names.append(try part.string()) }
      if part.number == valueNumber { values.append(try ProxyValue(part)) }
    }
    return (names, values)
  }

  func write(to writer: inout ProtobufWriter) {
    writer.string(1, statement)
    switch parameters {
    case .positional(let values):
      writer.message(2) { writer in
        for value in values { value.write(1, to: &writer) }
      }
    case .named(let pairs):
      writer.message(3) { writer in
        for pair in pairs { writer.element(1, Array(pair.name.utf8)) }
        for pair in pairs { pair.value.write(2, to: &writer) }
      }
    case nil: break
    }
    writer.bool(4, skipsRows)
  }
}
