package import LibSQLProtocol
internal import TestSupport

/// Random messages of every type and kind, reproducible by their seed.
package struct HranaGenerator {
  private var generator: SeededGenerator
  /// Begins every string, so that tests see whether data gets out of a message.
  private let canary: String

  package init(seed: UInt64, canary: String = "") {
    generator = SeededGenerator(seed: seed)
    self.canary = canary
  }

  package static let messageTypes: [any HranaMessage.Type] = [
    Hrana.ClientMessage.self, Hrana.ServerMessage.self, Hrana.PipelineRequest.self, Hrana.PipelineResponse.self,
    Hrana.CursorRequest.self, Hrana.CursorResponse.self, Hrana.CursorEntry.self, Hrana.ExecuteRequest.self,
    Hrana.ExecuteResponse.self, Hrana.BatchRequest.self, Hrana.BatchResponse.self, Hrana.ProtocolError.self,
  ]

  package mutating func message(_ type: any HranaMessage.Type) -> any HranaMessage {
    switch ObjectIdentifier(type) {
    case ObjectIdentifier(Hrana.ClientMessage.self): clientMessage()
    case ObjectIdentifier(Hrana.ServerMessage.self): serverMessage()
    case ObjectIdentifier(Hrana.PipelineRequest.self):
      Hrana.PipelineRequest(baton: optional { $0.text() }, requests: list { $0.streamRequest() })
    case ObjectIdentifier(Hrana.PipelineResponse.self):
      Hrana.PipelineResponse(
        baton: optional { $0.text() }, baseURL: optional { $0.text() },
        results: list { $0.flip() ? .ok($0.streamResponse()) : .error($0.error()) })
    case ObjectIdentifier(Hrana.CursorRequest.self):
      Hrana.CursorRequest(baton: optional { $0.text() }, batch: batch())
    case ObjectIdentifier(Hrana.CursorResponse.self):
      Hrana.CursorResponse(baton: optional { $0.text() }, baseURL: optional { $0.text() })
    case ObjectIdentifier(Hrana.CursorEntry.self): entry()
    case ObjectIdentifier(Hrana.ExecuteRequest.self): Hrana.ExecuteRequest(statement())
    case ObjectIdentifier(Hrana.ExecuteResponse.self): Hrana.ExecuteResponse(result())
    case ObjectIdentifier(Hrana.BatchRequest.self): Hrana.BatchRequest(batch())
    case ObjectIdentifier(Hrana.BatchResponse.self): Hrana.BatchResponse(batchResult())
    default: error()
    }
  }

  package mutating func flip() -> Bool { Bool.random(using: &generator) }
  package mutating func number(_ range: Range<Int>) -> Int { Int.random(in: range, using: &generator) }

  private mutating func choose(_ count: Int) -> Int { number(0..<count) }

  private mutating func optional<Value>(_ make: (inout Self) -> Value) -> Value? { flip() ? make(&self) : nil }

  private mutating func list<Value>(_ make: (inout Self) -> Value) -> [Value] {
    (0..<choose(4)).map { _ in make(&self) }
  }

  private mutating func integer<Integer: FixedWidthInteger>(_ type: Integer.Type = Integer.self) -> Integer {
    switch choose(4) {
    case 0: .min
    case 1: .max
    case 2: Integer(choose(100))
    default: Integer(truncatingIfNeeded: generator.next())
    }
  }

  private mutating func double() -> Double {
    switch choose(4) {
    case 0: [0, -0.0, 1.5, .greatestFiniteMagnitude, .leastNonzeroMagnitude, 1e22, 123_456_789.125][choose(7)]
    case 1: Double(choose(1_000_000)) / 1000
    default:
      {
        let value = Double(bitPattern: generator.next())
        return value.isFinite ? value : 3
      }()
    }
  }

  package mutating func text() -> String {
    let pieces = [
      "a", "SELECT 1", "\"", "\\", "/", "\n", "\u{0}", "\u{1f}", "\u{7f}", "é", "e\u{301}", "日本", "😀", "\u{2028}",
      "\u{ffff}", "{", "]", ",", "null", "\u{10ffff}",
    ]
    return canary + (0..<choose(6)).map { _ in pieces[choose(pieces.count)] }.joined()
  }

  package mutating func value() -> Hrana.Value {
    switch choose(5) {
    case 0: .null
    case 1: .integer(integer())
    case 2: .float(double())
    case 3: .text(text())
    default: .blob((0..<choose(20)).map { _ in integer() })
    }
  }

  private mutating func sql() -> Hrana.SQLText { flip() ? .text(text()) : .stored(id: integer()) }

  private mutating func statement() -> Hrana.Statement {
    Hrana.Statement(
      sql(), arguments: list { $0.value() },
      namedArguments: list { Hrana.NamedArgument(name: $0.text(), value: $0.value()) }, wantsRows: flip(),
      replicationIndex: optional { $0.integer() })
  }

  private mutating func condition(before step: Int, depth: Int = 0) -> Hrana.Condition {
    switch choose(depth > 4 ? 3 : 6) {
    case 0: .ok(step: UInt32(choose(step)))
    case 1: .error(step: UInt32(choose(step)))
    case 2: .isAutocommit
    case 3: .not(condition(before: step, depth: depth + 1))
    case 4: .and(list { $0.condition(before: step, depth: depth + 1) })
    default: .or(list { $0.condition(before: step, depth: depth + 1) })
    }
  }

  private mutating func batch() -> Hrana.Batch {
    let steps = (0..<choose(4)).map { index in
      Hrana.BatchStep(statement(), if: index > 0 && flip() ? condition(before: index) : nil)
    }
    return Hrana.Batch(steps: steps, replicationIndex: optional { $0.integer() })
  }

  private mutating func error() -> Hrana.ProtocolError { Hrana.ProtocolError(message: text(), code: text()) }

  private mutating func column() -> Hrana.Column {
    Hrana.Column(name: optional { $0.text() }, declaredType: optional { $0.text() })
  }

  private mutating func result() -> Hrana.StatementResult {
    let columns = list { $0.column() }
    let rows = list { generator in columns.map { _ in generator.value() } }
    return Hrana.StatementResult(
      columns: columns, rows: rows, affectedRowCount: integer(), lastInsertRowID: optional { $0.integer() },
      replicationIndex: optional { $0.integer() }, rowsRead: integer(), rowsWritten: integer(),
      queryDurationMilliseconds: double())
  }

  private mutating func batchResult() -> Hrana.BatchResult {
    let count = choose(3)
    return Hrana.BatchResult(
      stepResults: (0..<count).map { _ in optional { $0.result() } },
      stepErrors: (0..<count).map { _ in optional { $0.error() } }, replicationIndex: optional { $0.integer() })
  }

  private mutating func description() -> Hrana.DescribeResult {
    Hrana.DescribeResult(
      parameterNames: list { generator in generator.optional { $0.text() } }, columns: list { $0.column() },
      isExplain: flip(), isReadOnly: flip())
  }

  private mutating func entry() -> Hrana.CursorEntry {
    switch choose(6) {
    case 0: .stepBegin(step: integer(), columns: list { $0.column() })
    case 1: .row(list { $0.value() })
    case 2: .stepEnd(affectedRowCount: integer(), lastInsertRowID: optional { $0.integer() })
    case 3: .stepError(step: integer(), error: error())
    case 4: .error(error())
    default: .replicationIndex(optional { $0.integer() })
    }
  }

  private mutating func streamRequest() -> Hrana.StreamRequest {
    switch choose(8) {
    case 0: .close
    case 1: .execute(statement())
    case 2: .batch(batch())
    case 3: .sequence(sql(), replicationIndex: optional { $0.integer() })
    case 4: .describe(sql(), replicationIndex: optional { $0.integer() })
    case 5: .storeSQL(id: integer(), sql: text())
    case 6: .closeSQL(id: integer())
    default: .getAutocommit
    }
  }

  private mutating func streamResponse() -> Hrana.StreamResponse {
    switch choose(8) {
    case 0: .close
    case 1: .execute(result())
    case 2: .batch(batchResult())
    case 3: .sequence
    case 4: .describe(description())
    case 5: .storeSQL
    case 6: .closeSQL
    default: .getAutocommit(isAutocommit: flip())
    }
  }

  private mutating func clientMessage() -> Hrana.ClientMessage {
    choose(8) == 0
      ? .hello(token: optional { Hrana.AuthToken($0.text()) }) : .request(id: integer(), socketRequest())
  }

  private mutating func serverMessage() -> Hrana.ServerMessage {
    switch choose(8) {
    case 0: .helloOK
    case 1: .helloError(error())
    case 2: .responseError(id: integer(), error())
    default: .responseOK(id: integer(), socketResponse())
    }
  }

  private mutating func socketRequest() -> Hrana.SocketRequest {
    switch choose(12) {
    case 0: .openStream(stream: integer())
    case 1: .closeStream(stream: integer())
    case 2: .execute(stream: integer(), statement())
    case 3: .batch(stream: integer(), batch())
    case 4: .openCursor(stream: integer(), cursor: integer(), batch())
    case 5: .closeCursor(cursor: integer())
    case 6: .fetchCursor(cursor: integer(), maxCount: integer())
    case 7: .sequence(stream: integer(), sql(), replicationIndex: optional { $0.integer() })
    case 8: .describe(stream: integer(), sql(), replicationIndex: optional { $0.integer() })
    case 9: .storeSQL(id: integer(), sql: text())
    case 10: .closeSQL(id: integer())
    default: .getAutocommit(stream: integer())
    }
  }

  private mutating func socketResponse() -> Hrana.SocketResponse {
    switch choose(12) {
    case 0: .openStream
    case 1: .closeStream
    case 2: .execute(result())
    case 3: .batch(batchResult())
    case 4: .openCursor
    case 5: .closeCursor
    case 6: .fetchCursor(entries: list { $0.entry() }, isDone: flip())
    case 7: .sequence
    case 8: .describe(description())
    case 9: .storeSQL
    case 10: .closeSQL
    default: .getAutocommit(isAutocommit: flip())
    }
  }
}
