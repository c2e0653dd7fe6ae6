/// The fields that responses are made of, over HTTP and WebSocket, in any order.
struct ResponseFields {
  let type: FieldName
  private let start: Int
  private let members: JSONReader.Members
  private var result: Result?
  private var isAutocommitValue: Bool?
  private var entriesValue: [Hrana.CursorEntry]?
  private var isDoneValue: Bool?

  /// `result` has another shape in each type of response.
  private enum Result {
    case statement(Hrana.StatementResult)
    case batch(Hrana.BatchResult)
    case describe(Hrana.DescribeResult)
  }

  init(from reader: inout JSONReader) throws(JSONFault) {
    var members = try reader.beginObject()
    start = reader.position - 1
    var type: FieldName?
    var deferredResult: Int?
    while let field = try reader.nextField(&members) {
      switch field {
      case .type: type = try reader.readType()
      case .result:
        if let type {
          result = try Self.result(type, from: &reader)
        } else {
          deferredResult = try reader.deferValue()
        }
      case .isAutocommit: isAutocommitValue = try reader.readBool()
      case .entries:
        entriesValue = try reader.readArray(
          countMax: reader.limits.rowCountMax, Hrana.CursorEntry.init(from:))
      case .done: isDoneValue = try reader.readBool()
      default: try reader.skipValue()
      }
    }
    guard let type else { throw members.missing(.type) }
    if let deferredResult {
      result = try reader.readDeferred(at: deferredResult) { (reader) throws(JSONFault) in
        try Self.result(type, from: &reader)
      }
    }
    self.type = type
    self.members = members
  }

  private static func result(_ type: FieldName, from reader: inout JSONReader) throws(JSONFault) -> Result? {
    switch type {
    case .execute: return .statement(try Hrana.StatementResult(from: &reader))
    case .batch: return .batch(try Hrana.BatchResult(from: &reader))
    case .describe: return .describe(try Hrana.DescribeResult(from: &reader))
    default:
      try reader.skipValue()
      return nil
    }
  }

  var unknownType: JSONFault { JSONFault(.unknownType, at: start, "no type of a response") }

  func statementResult() throws(JSONFault) -> Hrana.StatementResult {
    guard case .statement(let result)? = result else { throw members.missing(.result) }
    return result
  }

  func batchResult() throws(JSONFault) -> Hrana.BatchResult {
    guard case .batch(let result)? = result else { throw members.missing(.result) }
    return result
  }

  func describeResult() throws(JSONFault) -> Hrana.DescribeResult {
    guard case .describe(let result)? = result else { throw members.missing(.result) }
    return result
  }

  func isAutocommit() throws(JSONFault) -> Bool {
    guard let isAutocommitValue else { throw members.missing(.isAutocommit) }
    return isAutocommitValue
  }

  func entries() throws(JSONFault) -> [Hrana.CursorEntry] {
    guard let entriesValue else { throw members.missing(.entries) }
    return entriesValue
  }

  func isDone() throws(JSONFault) -> Bool {
    guard let isDoneValue else { throw members.missing(.done) }
    return isDoneValue
  }
}
