/// `proxy.ProgramReq`, the request of `proxy.Proxy/Execute`: statements that run on the primary, on the connection that
/// the client id names.
///
/// - Source: tursodatabase/libsql, libsql-replication/proto/proxy.proto.
public struct ProxyProgram: Sendable, Hashable {
  /// A statement, and when it runs.
  public struct Step: Sendable, Hashable {
    /// Nil means always.
    public let condition: ProxyCondition?
    /// What runs.
    public let query: ProxyQuery

    /// A step.
    public init(condition: ProxyCondition? = nil, _ query: ProxyQuery) {
      self.condition = condition
      self.query = query
    }
  }

  /// Field 1: a UUID with hyphens, one for each connection of the client. The primary keeps a transaction for each.
  public let clientID: String
  /// Field 2. Conditions name steps by their place in it, from 0; each names an earlier step.
  public let steps: [Step]

  /// A program.
  public init(clientID: String, steps: [Step]) {
    self.clientID = clientID
    self.steps = steps
  }

  /// Reads the message.
  ///
  /// - Throws: ``WireFormatError``; `.malformed` for a client id that is no UUID, a step without a query, or a condition on a
  ///   step that does not come before.
  public init(_ message: ArraySlice<UInt8>, limits: ProxyLimits = ProxyLimits()) throws(WireFormatError) {
    let structure = "ProgramReq"
    var reader = ProtobufReader(message, structure)
    var clientID: String?
    var steps: [Step]?
    while let field = try reader.next() {
      switch field.number {
      case 1: clientID = try ProxyClient.id(field)
      case 2: steps = try Self.steps(field, limits)
      default: continue
      }
    }
    guard let clientID, let steps else {
      throw WireFormatError(.malformed, structure, at: message.startIndex, "no client id or no program")
    }
    self.init(clientID: clientID, steps: steps)
  }

  private static func steps(_ field: ProtobufField, _ limits: ProxyLimits) throws(WireFormatError) -> [Step] {
    var reader = try field.submessage("Program")
    var steps: [Step] = []
    while let part = try reader.next() {
      guard part.number == 1 else { continue }
      try limits.check(steps.count + 1, limits.stepCount, "steps", part)
      let step = try Step(part, limits)
      guard step.condition?.isAbout(stepsBefore: steps.count) ?? true else {
        throw part.refused("has a condition on a step that does not come before it")
      }
      steps.append(step)
    }
    return steps
  }

  /// The message, as the official client's encoder writes it.
  public var encoded: [UInt8] {
    ProtobufWriter.encode { writer in
      writer.string(1, clientID)
      writer.message(2) { writer in
        for step in steps {
          writer.message(1) { writer in
            if let condition = step.condition { writer.message(1) { condition.write(to: &$0) } }
            writer.message(2) { step.query.write(to: &$0) }
          }
        }
      }
    }
  }
}

extension ProxyProgram.Step {
  init(_ field: ProtobufField, _ limits: ProxyLimits) throws(WireFormatError) {
    var reader = try field.submessage("Step")
    var condition: ProxyCondition?
    var query: ProxyQuery?
    while let part = try reader.next() {
      switch part.number {
      case 1:
        var budget = ProxyCondition.Budget(limits: limits)
        condition = try ProxyCondition(part, &budget)
      case 2: query = try ProxyQuery(part)
      default: continue
      }
    }
    guard let query else { throw field.refused("is a step without a query") }
    self.init(condition: condition, query)
  }
}

extension ProxyCondition {
  /// Whether every step it names is one of the first `count`.
  func isAbout(stepsBefore count: Int) -> Bool {
    switch self {
    case .ok(let step), .error(let step): step >= 0 && step < Int64(count)
    case .not(let condition): condition.isAbout(stepsBefore: count)
    case .and(let conditions), .or(let conditions): conditions.allSatisfy { $0.isAbout(stepsBefore: count) }
    case .isAutocommit: true
    }
  }
}

/// Client ids, which every message of the proxy carries.
enum ProxyClient {
  static func id(_ field: ProtobufField) throws(WireFormatError) -> String {
    guard UUIDText.isValid(try field.bytes()) else { throw field.refused("is no UUID") }
    return try field.string()
  }
}
