/// The fields that requests are made of, over HTTP and WebSocket. Each has one meaning in all requests, so they are read
/// in any order, before it is known which request they make.
struct RequestFields {
  let type: FieldName
  /// Of the request, for the fault of an unknown type.
  private let start: Int
  private let members: JSONReader.Members
  private var statementValue: Hrana.Statement?
  private var batchValue: Hrana.Batch?
  private var sqlValue: String?
  private var sqlIDValue: Int32?
  private var streamIDValue: Int32?
  private var cursorIDValue: Int32?
  private var maxCountValue: UInt32?
  private(set) var replicationIndex: UInt64?

  init(from reader: inout JSONReader) throws(JSONFault) {
    var members = try reader.beginObject()
    start = reader.position - 1
    var type: FieldName?
    while let field = try reader.nextField(&members) {
      switch field {
      case .type: type = try reader.readType()
      case .stmt: statementValue = try Hrana.Statement(from: &reader)
      case .batch: batchValue = try Hrana.Batch(from: &reader)
      case .sql: sqlValue = try reader.readOptionalString()
      case .sqlID: sqlIDValue = try reader.takeNull() ? nil : reader.readInteger()
      case .streamID: streamIDValue = try reader.readInteger()
      case .cursorID: cursorIDValue = try reader.readInteger()
      case .maxCount: maxCountValue = try reader.readInteger()
      case .replicationIndex: replicationIndex = try reader.readOptionalInteger()
      default: try reader.skipValue()
      }
    }
    guard let type else { throw members.missing(.type) }
    self.type = type
    self.members = members
  }

  var unknownType: JSONFault { JSONFault(.unknownType, at: start, "no type of a request") }

  func statement() throws(JSONFault) -> Hrana.Statement { try required(statementValue, .stmt) }
  func batch() throws(JSONFault) -> Hrana.Batch { try required(batchValue, .batch) }
  func storedSQL() throws(JSONFault) -> String { try required(sqlValue, .sql) }
  func sqlID() throws(JSONFault) -> Int32 { try required(sqlIDValue, .sqlID) }
  func streamID() throws(JSONFault) -> Int32 { try required(streamIDValue, .streamID) }
  func cursorID() throws(JSONFault) -> Int32 { try required(cursorIDValue, .cursorID) }
  func maxCount() throws(JSONFault) -> UInt32 { try required(maxCountValue, .maxCount) }

  /// `sql` or `sql_id`, exactly one.
  func sqlText() throws(JSONFault) -> Hrana.SQLText {
    try Hrana.SQLText(sql: sqlValue, id: sqlIDValue, in: members)
  }

  private func required<Value>(_ value: Value?, _ name: FieldName) throws(JSONFault) -> Value {
    guard let value else { throw members.missing(name) }
    return value
  }
}
