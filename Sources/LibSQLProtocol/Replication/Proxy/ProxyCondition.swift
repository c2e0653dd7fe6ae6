/// When a step of a delegated program runs.
///
/// - Source: tursodatabase/libsql, libsql-replication/proto/proxy.proto, `Cond`.
public indirect enum ProxyCondition: Sendable, Hashable {
  /// The step has run without an error. Counted from 0; a step before this one.
  case ok(step: Int64)
  /// The step has failed.
  case error(step: Int64)
  /// The opposite.
  case not(ProxyCondition)
  /// All of them; true for none.
  case and([ProxyCondition])
  /// One of them; false for none.
  case or([ProxyCondition])
  /// No transaction is open.
  case isAutocommit

  /// Counts what has been read, so that a small message cannot make a large tree.
  struct Budget {
    let limits: ProxyLimits
    var count = 0
  }

  init(_ field: ProtobufField, _ budget: inout Budget, depth: Int = 1) throws(WireFormatError) {
    budget.count += 1
    try budget.limits.check(budget.count, budget.limits.conditionCount, "conditions", field)
    try budget.limits.check(depth, budget.limits.conditionDepth, "conditions within conditions", field)
    var reader = try field.submessage("Cond")
    var condition: ProxyCondition?
    while let part = try reader.next() {
      switch part.number {
      case 1: condition = .ok(step: try Self.step(part))
      case 2: condition = .error(step: try Self.step(part))
      case 3:
        guard let inner = try Self.list(part, &budget, depth: depth).last else {
          throw part.refused("is a negation of nothing")
        }
        condition = .not(inner)
      case 4: condition = .and(try Self.list(part, &budget, depth: depth))
      case 5: condition = .or(try Self.list(part, &budget, depth: depth))
      case 6:
        _ = try part.bytes()
        condition = .isAutocommit
      default: continue
      }
    }
    guard let condition else { throw field.refused("is a condition without a kind") }
    self = condition
  }

  private static func step(_ field: ProtobufField) throws(WireFormatError) -> Int64 {
    var reader = try field.submessage("Cond")
    var step: Int64 = 0
    while let part = try reader.next() {
      if part.number == 1 { step = try part.int64() }
    }
    return step
  }

  private static func list(
    _ field: ProtobufField, _ budget: inout Budget, depth: Int
  ) throws(WireFormatError) -> [ProxyCondition] {
    var reader = try field.submessage("Cond")
    var conditions: [ProxyCondition] = []
    while let part = try reader.next() {
      if part.number == 1 { conditions.append(try ProxyCondition(part, &budget, depth: depth + 1)) }
    }
    return conditions
  }

  func write(to writer: inout ProtobufWriter) {
    switch self {
    case .ok(let step): writer.message(1) { $0.int64(1, step) }
    case .error(let step): writer.message(2) { $0.int64(1, step) }
    case .not(let condition): writer.message(3) { $0.message(1) { condition.write(to: &$0) } }
    case .and(let conditions): Self.write(4, conditions, to: &writer)
    case .or(let conditions): Self.write(5, conditions, to: &writer)
    case .isAutocommit: writer.message(6) { _ in }
    }
  }

  private static func write(_ number: UInt32, _ conditions: [ProxyCondition], to writer: inout ProtobufWriter) {
    writer.message(number) { writer in
      for condition in conditions { writer.message(1) { condition.write(to: &$0) } }
    }
  }
}
