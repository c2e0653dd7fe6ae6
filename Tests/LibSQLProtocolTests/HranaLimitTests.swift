import LibSQLProtocol
import Testing

/// More than the limits allow is refused; hostile shapes cost no more time than others.
@Suite("Hrana limits")
struct HranaLimitTests {
  private func code<Message: HranaMessage>(
    _ type: Message.Type, _ text: String, _ change: (inout Hrana.Limits) -> Void = { _ in }
  ) -> JSONMessageError.Code? {
    var limits = Hrana.Limits()
    change(&limits)
    do throws(JSONMessageError) {
      _ = try Message(decoding: Array(text.utf8), limits: limits)
      return nil
    } catch { return error.code }
  }

  private func list(_ element: String, _ count: Int) -> String {
    "[" + Array(repeating: element, count: count).joined(separator: ",") + "]"
  }

  @Test func eachLimitHoldsExactly() {
    let close = #"{"type":"close"}"#
    let request = Hrana.PipelineRequest.self
    #expect(code(request, #"{"requests":\#(list(close, 3))}"#) { $0.requestCountMax = 3 } == nil)
    #expect(code(request, #"{"requests":\#(list(close, 4))}"#) { $0.requestCountMax = 3 } == .tooLarge)
    #expect(code(request, #"{"requests":[]}"#) { $0.byteCountMax = 15 } == nil)
    #expect(code(request, #"{"requests":[]}"#) { $0.byteCountMax = 14 } == .tooLarge)
    let steps = #"{"batch":{"steps":\#(list(#"{"stmt":{"sql":""}}"#, 4))}}"#
    #expect(code(Hrana.BatchRequest.self, steps) { $0.stepCountMax = 4 } == nil)
    #expect(code(Hrana.BatchRequest.self, steps) { $0.stepCountMax = 3 } == .tooLarge)
    let arguments = #"{"stmt":{"sql":"","args":\#(list(#"{"type":"null"}"#, 4))}}"#
    #expect(code(Hrana.ExecuteRequest.self, arguments) { $0.argumentCountMax = 4 } == nil)
    #expect(code(Hrana.ExecuteRequest.self, arguments) { $0.argumentCountMax = 3 } == .tooLarge)
    let rows = #"{"result":{"cols":[{},{}],"affected_row_count":0,"rows":\#(list(list(#"{"type":"null"}"#, 2), 4))}}"#
    #expect(code(Hrana.ExecuteResponse.self, rows) { $0.rowCountMax = 4 } == nil)
    #expect(code(Hrana.ExecuteResponse.self, rows) { $0.rowCountMax = 3 } == .tooLarge)
    #expect(code(Hrana.ExecuteResponse.self, rows) { $0.columnCountMax = 1 } == .tooLarge)
  }

  /// The step `step` under `depth` conditions, with `type` last.
  private func nested(_ depth: Int) -> String {
    let condition =
      String(repeating: #"{"conds":["#, count: depth - 1) + #"{"type":"is_autocommit"}"#
      + String(repeating: #"],"type":"and"}"#, count: depth - 1)
    return #"{"batch":{"steps":[{"condition":\#(condition),"stmt":{"sql":""}}]}}"#
  }

  @Test func nestingIsLimited() {
    #expect(code(Hrana.BatchRequest.self, nested(32)) == nil)
    #expect(code(Hrana.BatchRequest.self, nested(33)) == .tooDeep)
    #expect(code(Hrana.BatchRequest.self, nested(100_000)) == .tooDeep)
    for (open, close) in [("[", "]"), (#"{"a":"#, "}")] {
      func text(_ depth: Int) -> String {
        let inside = open == "[" ? "" : "1"
        return #"{"requests":[],"a":"# + String(repeating: open, count: depth) + inside
          + String(repeating: close, count: depth) + "}"
      }
      #expect(code(Hrana.PipelineRequest.self, text(127)) == nil)
      #expect(code(Hrana.PipelineRequest.self, text(128)) == .tooDeep)
      #expect(code(Hrana.PipelineRequest.self, text(1_000_000)) == .tooDeep)
    }
    let wide =
      #"{"batch":{"steps":[{"condition":{"type":"or","conds":\#(list(#"{"type":"is_autocommit"}"#, 4))},"stmt":{"sql":""}}]}}"#
    #expect(code(Hrana.BatchRequest.self, wide) { $0.conditionCountMax = 4 } == nil)
    #expect(code(Hrana.BatchRequest.self, wide) { $0.conditionCountMax = 3 } == .tooLarge)
  }

  /// Shapes that are slow for readers that look at bytes more than once. A quadratic reader needs minutes for them.
  @Test(.timeLimit(.minutes(20))) func timeIsLinearInHostileShapes() {
    let size = 400_000
    let shapes = [
      #"{"a":"\#(String(repeating: #"\\"#, count: size / 2))"}"#,
      #"{"a":"\#(String(repeating: #"\ud83d\ude00"#, count: size / 12))"}"#,
      #"{"a":\#(String(repeating: "9", count: size))}"#, #"{"a":\#(list("1", size / 2))}"#,
      #"{"requests":\#(list(#"{"type":"CANARY"}"#, size / 17))}"#, "{" + String(repeating: " ", count: size),
      String(repeating: "[", count: size), "{" + list(#""a":1"#, size / 6).dropFirst().dropLast() + "}",
      #"{"results":[{"response":{"result":{"rows":\#(list("[]", size / 3))},"type":"execute"},"type":"ok"}]}"#,
      nested(30) + String(repeating: " ", count: size) + "x",
    ]
    for shape in shapes {
      #expect(code(Hrana.PipelineRequest.self, shape) != nil)
      #expect(code(Hrana.PipelineResponse.self, shape) != nil)
    }
    let wide = #"{"cond":{"conds":\#(list(#"{"type":"is_autocommit"}"#, 900)),"type":"and"},"type":"not"}"#
    let text = #"{"batch":{"steps":\#(list(#"{"condition":\#(wide),"stmt":{"sql":""}}"#, 20))}}"#
    #expect(code(Hrana.BatchRequest.self, text) == nil)
  }

  @Test(arguments: [1, 2, 7, 64, 100_000]) func aCursorsBodyCanComeInPiecesOfAnySize(size: Int) throws {
    let entries: [Hrana.CursorEntry] = [
      .stepBegin(step: 0, columns: [Hrana.Column(name: "x")]), .row([.text("a\nb")]), .row([.integer(2)]),
      .stepEnd(affectedRowCount: 0, lastInsertRowID: nil), .replicationIndex(nil),
    ]
    for ending in ["", "\n", "\r\n\n"] {
      var body = Hrana.CursorResponse(baton: "b").encoded()
      for entry in entries {
        body.append(UInt8(ascii: "\n"))
        entry.encode(into: &body)
      }
      body += Array(ending.utf8)
      var lines = Hrana.CursorLines()
      var found: [Hrana.CursorLines.Line] = []
      for start in stride(from: 0, to: body.count, by: size) {
        found += try lines.receive(Array(body[start..<min(start + size, body.count)]))
      }
      if let last = try lines.finish() { found.append(last) }
      #expect(found == [.response(Hrana.CursorResponse(baton: "b"))] + entries.map { .entry($0) })
    }
  }

  @Test func aCursorsBodyWithoutEndIsNotKept() throws {
    var limits = Hrana.Limits()
    limits.byteCountMax = 100
    var lines = Hrana.CursorLines(limits: limits)
    #expect(try lines.receive(Array(repeating: 0x20, count: 100)).isEmpty)
    #expect(throws: JSONMessageError.self) { try lines.receive([0x20]) }
    var empty = Hrana.CursorLines()
    #expect(throws: JSONMessageError.self) { try empty.finish() }
  }
}
