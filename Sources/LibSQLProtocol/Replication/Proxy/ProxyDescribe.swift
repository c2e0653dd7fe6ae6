/// `proxy.DescribeRequest`: what are the columns and parameters of a statement?
///
/// - Source: tursodatabase/libsql, libsql-replication/proto/proxy.proto.
public struct ProxyDescribeRequest: Sendable, Hashable {
  /// Field 1: a UUID with hyphens.
  public let clientID: String
  /// Field 2.
  public let statement: String

  /// A request.
  public init(clientID: String, statement: String) {
    self.clientID = clientID
    self.statement = statement
  }

  /// Reads the message.
  ///
  /// - Throws: ``WireFormatError``; `.malformed` for a client id that is no UUID.
  public init(_ message: ArraySlice<UInt8>) throws(WireFormatError) {
    let structure = "DescribeRequest"
    var reader = ProtobufReader(message, structure)
    var clientID: String?
    var statement = ""
    while let field = try reader.next() {
      switch field.number {
      case 1: clientID = try ProxyClient.id(field)
      case 2: statement = try field.string()
      default: continue
      }
    }
    guard let clientID else { throw WireFormatError(.malformed, structure, at: message.startIndex, "no client id") }
    self.init(clientID: clientID, statement: statement)
  }

  /// The message.
  public var encoded: [UInt8] {
    ProtobufWriter.encode {
      $0.string(1, clientID)
      $0.string(2, statement)
    }
  }
}

/// `proxy.DescribeResult`. sqld itself answers a failure with ``GRPCStatus/Code/permissionDenied`` instead.
///
/// - Source: tursodatabase/libsql, libsql-replication/proto/proxy.proto.
public struct ProxyDescription: Sendable, Hashable {
  /// Field 1.
  public let columns: [ProxyColumn]
  /// Field 2: of named parameters only.
  public let parameterNames: [String]
  /// Field 3: of all parameters.
  public let parameterCount: UInt64

  /// A description.
  public init(columns: [ProxyColumn] = [], parameterNames: [String] = [], parameterCount: UInt64 = 0) {
    self.columns = columns
    self.parameterNames = parameterNames
    self.parameterCount = parameterCount
  }

  /// Reads a `DescribeResult`.
  ///
  /// - Throws: ``WireFormatError``; `.malformed` for a message that is neither a description nor an error.
  public static func decode(
    _ message: ArraySlice<UInt8>, limits: ProxyLimits = ProxyLimits()
  ) throws(WireFormatError) -> Result<ProxyDescription, ProxyError> {
    let structure = "DescribeResult"
    var reader = ProtobufReader(message, structure)
    var result: Result<ProxyDescription, ProxyError>?
    while let field = try reader.next() {
      switch field.number {
      case 1: result = .failure(try ProxyError(field))
      case 2: result = .success(try ProxyDescription(field, limits))
      default: continue
      }
    }
    guard let result else {
      throw WireFormatError(.malformed, structure, at: message.startIndex, "neither a description nor an error")
    }
    return result
  }

  private init(_ field: ProtobufField, _ limits: ProxyLimits) throws(WireFormatError) {
    var reader = try field.submessage("Description")
    var columns: [ProxyColumn] = []
    var names: [String] = []
    var count: UInt64 = 0
    while let part = try reader.next() {
      switch part.number {
      case 1:
        try limits.check(columns.count + 1, limits.columnCount, "columns", part)
        columns.append(try ProxyColumn(part))
      case 2:
        try limits.check(names.count + 1, limits.columnCount, "parameter names", part)
        names.append(try part.string())
      case 3: count = try part.uint64()
      default: continue
      }
    }
    self.init(columns: columns, parameterNames: names, parameterCount: count)
  }

  /// A `DescribeResult`.
  public static func encode(_ result: Result<ProxyDescription, ProxyError>) -> [UInt8] {
    ProtobufWriter.encode { writer in
      switch result {
      case .failure(let error): writer.message(1) { error.write(to: &$0) }
      case .success(let description):
        writer.message(2) { writer in
          for column in description.columns { writer.message(1) { column.write(to: &$0) } }
          for name in description.parameterNames { writer.element(2, Array(name.utf8)) }
          writer.uint64(3, description.parameterCount)
        }
      }
    }
  }
}

/// `proxy.DisconnectMessage`: the client's connection is gone. The answer, `proxy.Ack`, is an empty message.
public struct ProxyDisconnect: Sendable, Hashable {
  /// Field 1: a UUID with hyphens.
  public let clientID: String

  /// A message.
  public init(clientID: String) { self.clientID = clientID }

  /// Reads the message.
  ///
  /// - Throws: ``WireFormatError``; `.malformed` for a client id that is no UUID.
  public init(_ message: ArraySlice<UInt8>) throws(WireFormatError) {
    let structure = "DisconnectMessage"
    var reader = ProtobufReader(message, structure)
    var clientID: String?
    while let field = try reader.next() {
      if field.number == 1 { clientID = try ProxyClient.id(field) }
    }
    guard let clientID else { throw WireFormatError(.malformed, structure, at: message.startIndex, "no client id") }
    self.init(clientID: clientID)
  }

  /// The message.
  public var encoded: [UInt8] { ProtobufWriter.encode { $0.string(1, clientID) } }
}
