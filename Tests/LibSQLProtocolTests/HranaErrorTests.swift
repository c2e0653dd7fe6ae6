import LibSQLProtocol
import Testing

/// Each mistake has its code and its place, and nothing of the message is quoted.
@Suite("Hrana errors")
struct HranaErrorTests {
  private typealias Code = JSONMessageError.Code

  /// A message, and the code and the path of its mistake.
  private typealias Mistake = (text: String, code: Code, path: String)

  private func expect<Message: HranaMessage>(_ mistakes: [Mistake], as type: Message.Type) {
    for mistake in mistakes {
      do throws(JSONMessageError) {
        _ = try Message(decoding: Array(mistake.text.utf8))
        Issue.record("accepted: \(mistake.text)")
      } catch {
        #expect(error.code == mistake.code, "\(mistake.text): \(error)")
        #expect(error.path == mistake.path, "\(mistake.text): \(error)")
        #expect(!error.description.contains("CANARY"), "\(error)")
      }
    }
  }

  /// A row with one value, as a line of a cursor.
  private func row(_ value: String) -> String { #"{"type":"row","row":[\#(value)]}"# }

  @Test func whatIsNotJSONIsMalformed() {
    let texts = [
      "", " ", "{", "}", "{'type':'row'}", #"{"type""row"}"#, #"{"baton":null,}"#, "{}}", "{} 1", #"{"a":[,]}"#,
      #"{"a":[1,]}"#, #"{,"type":"row"}"#, #"{"a":[1 2]}"#, #"{"a":{"b"}}"#, #"{"a":{"b":1,}}"#, #"{"a":{1:2}}"#,
      #"{"a":01}"#, #"{"a":1.}"#, #"{"a":.5}"#, #"{"a":+1}"#, #"{"a":1e}"#, #"{"a":-}"#, #"{"a":NaN}"#,
      #"{"a":Infinity}"#, #"{"a":nul}"#, #"{"a":nullx}"#, #"{"a":tru}"#, #"{"a":[}"#, #"{"a":"x"#, "{\"a\":\"\u{1}\"}",
      "{\"a\":\"\n\"}", "\u{feff}{}", #"{"a":/* */1}"#, "{\"a\":1\u{0}}", #"{"a":[1]]}"#, #"{"a":{]}"#, #"{"a":0x10}"#,
      #"{"baton":nul}"#, #"{"baton":}"#, #"{"baton":"x"#,
    ]
    for text in texts {
      do throws(JSONMessageError) {
        _ = try Hrana.CursorResponse(decoding: Array(text.utf8))
        Issue.record("accepted: \(text)")
      } catch {
        #expect(error.code == .malformed, "\(text): \(error)")
      }
    }
  }

  /// A text that is no UTF-8 is refused wherever it is, also below more levels than are read.
  @Test(arguments: [#"{"step":"#, "[", #"{"query_duration_ms":[[{"?":"#]) func anErrorIsShortHoweverDeepItsPlaceIs(
    level: String
  ) {
    let message = Array(String(repeating: level, count: 20_000).utf8) + [0xFF]
    let error = #expect(throws: JSONMessageError.self) { try Hrana.PipelineRequest(decoding: message) }
    #expect(error?.code == .invalidText && error?.offset == message.count - 1)
    #expect((error?.description.utf8.count ?? .max) < 1000, "\(error?.path.prefix(2000) ?? "")")
  }

  @Test func valuesAreCheckedInTypeFormAndRange() {
    expect(
      [
        (row(#"{"type":"integer","value":1}"#), .wrongType, "$.row[0].value"),
        (row(#"{"type":"integer","value":"9223372036854775808"}"#), .outOfRange, "$.row[0].value"),
        (row(#"{"type":"integer","value":"-9223372036854775809"}"#), .outOfRange, "$.row[0].value"),
        (row(#"{"type":"integer","value":"1.0"}"#), .outOfRange, "$.row[0].value"),
        (row(#"{"type":"integer","value":"+1"}"#), .outOfRange, "$.row[0].value"),
        (row(#"{"type":"integer","value":"\u002b1"}"#), .outOfRange, "$.row[0].value"),
        (row(#"{"type":"integer","value":"-0"}"#), .outOfRange, "$.row[0].value"),
        (row(#"{"type":"integer","value":"007"}"#), .outOfRange, "$.row[0].value"),
        (row(#"{"type":"integer","value":" 1"}"#), .outOfRange, "$.row[0].value"),
        (row(#"{"type":"integer","value":""}"#), .outOfRange, "$.row[0].value"),
        (row(#"{"type":"integer","value":"-"}"#), .outOfRange, "$.row[0].value"),
        (row(#"{"type":"integer","value":"CANARY"}"#), .outOfRange, "$.row[0].value"),
        (row(#"{"value":1,"type":"integer"}"#), .wrongType, "$.row[0].value"),
        (row(#"{"type":"integer"}"#), .missingField, "$.row[0]"),
        (row(#"{"type":"float","value":"1.5"}"#), .wrongType, "$.row[0].value"),
        (row(#"{"type":"float","value":1e999}"#), .outOfRange, "$.row[0].value"),
        (row(#"{"type":"float","value":NaN}"#), .malformed, "$.row[0].value"),
        (row(#"{"type":"float","value":1\#(String(repeating: "0", count: 600))}"#), .tooLarge, "$.row[0].value"),
        (row(#"{"type":"text","value":null}"#), .wrongType, "$.row[0].value"),
        (row(#"{"type":"text","base64":"CANARY"}"#), .missingField, "$.row[0]"),
        (row(#"{"type":"text","value":"CANARY\ud800"}"#), .invalidText, "$.row[0].value"),
        (row(#"{"type":"text","value":"\udc00\ud800"}"#), .invalidText, "$.row[0].value"),
        (row(#"{"type":"text","value":"\ud800\u0041"}"#), .invalidText, "$.row[0].value"),
        (row(#"{"type":"text","value":"CANARY\x41"}"#), .invalidText, "$.row[0].value"),
        (row(#"{"type":"text","value":"\u00g0"}"#), .invalidText, "$.row[0].value"),
        (row(#"{"type":"blob","base64":"CANARY=="}"#), .invalidBase64, "$.row[0].base64"),
        (row(#"{"type":"blob","base64":"A"}"#), .invalidBase64, "$.row[0].base64"),
        (row(#"{"type":"blob","base64":"AB"}"#), .invalidBase64, "$.row[0].base64"),
        (row(#"{"type":"blob","base64":"AA="}"#), .invalidBase64, "$.row[0].base64"),
        (row(#"{"type":"blob","base64":"===="}"#), .invalidBase64, "$.row[0].base64"),
        (row(#"{"type":"blob","base64":"AAA=AAAA"}"#), .invalidBase64, "$.row[0].base64"),
        (row(#"{"type":"blob","base64":"AA-_"}"#), .invalidBase64, "$.row[0].base64"),
        (row(#"{"type":"blob","base64":"AA AA"}"#), .invalidBase64, "$.row[0].base64"),
        (row(#"{"type":"CANARY"}"#), .unknownType, "$.row[0].type"),
        (row(#"{"type":"hello"}"#), .unknownType, "$.row[0].type"),
        (row(#"{"type":1}"#), .wrongType, "$.row[0].type"), (row("{}"), .missingField, "$.row[0]"),
        (row("7"), .wrongType, "$.row[0]"), (row(#"{"type":"null"},3"#), .wrongType, "$.row[1]"),
      ], as: Hrana.CursorEntry.self)
  }

  @Test func fieldsAreCheckedAndNamed() {
    let step = #"{"stmt":{"sql":"CANARY"}}"#
    func batch(_ steps: String) -> String {
      #"{"baton":null,"requests":[{"type":"batch","batch":{"steps":[\#(steps)]}}]}"#
    }
    func statement(_ fields: String) -> String { #"{"requests":[{"type":"execute","stmt":{\#(fields)}}]}"# }
    expect(
      [
        ("{}", .missingField, "$"), ("[]", .wrongType, "$"), (#"{"requests":{}}"#, .wrongType, "$.requests"),
        (#"{"requests":[],"baton":5}"#, .wrongType, "$.baton"),
        (#"{"requests":[],"requests":[]}"#, .duplicateField, "$.requests"),
        (#"{"requests":[],"re\u0071uests":[]}"#, .duplicateField, "$.?"),
        (#"{"requests":[{"type":"CANARY"}]}"#, .unknownType, "$.requests[0].type"),
        (#"{"requests":[{"type":"close"},{"type":"row"}]}"#, .unknownType, "$.requests[1]"),
        (#"{"requests":[{}]}"#, .missingField, "$.requests[0]"),
        (#"{"requests":[{"type":"execute"}]}"#, .missingField, "$.requests[0]"),
        (#"{"requests":[{"type":"store_sql","sql_id":2147483648,"sql":""}]}"#, .outOfRange, "$.requests[0].sql_id"),
        (#"{"requests":[{"type":"store_sql","sql_id":1.0,"sql":""}]}"#, .outOfRange, "$.requests[0].sql_id"),
        (#"{"requests":[{"type":"store_sql","sql_id":1e3,"sql":""}]}"#, .outOfRange, "$.requests[0].sql_id"),
        (#"{"requests":[{"type":"store_sql","sql_id":"1","sql":""}]}"#, .wrongType, "$.requests[0].sql_id"),
        (#"{"requests":[{"type":"describe"}]}"#, .inconsistent, "$.requests[0]"),
        (#"{"requests":[{"type":"sequence","sql":"CANARY","sql_id":1}]}"#, .inconsistent, "$.requests[0]"),
        (statement(""), .inconsistent, "$.requests[0].stmt"),
        (statement(#""sql":"CANARY","sql_id":1"#), .inconsistent, "$.requests[0].stmt"),
        (
          statement(#""sql":"CANARY","args":[{"type":"float","value":null}]"#), .wrongType,
          "$.requests[0].stmt.args[0].value"
        ),
        (
          statement(#""sql":"CANARY","named_args":[{"name":"CANARY"}]"#), .missingField,
          "$.requests[0].stmt.named_args[0]"
        ),
        (statement(#""sql":"CANARY","want_rows":1"#), .wrongType, "$.requests[0].stmt.want_rows"),
        (statement(#""sql":"CANARY","replication_index":"-1""#), .outOfRange, "$.requests[0].stmt.replication_index"),
        (statement(#""CANARY":{"CANARY":[1,{"CANARY":tru}]}"#), .malformed, "$.requests[0].stmt.?.?[1].?"),
        (
          batch(#"{"condition":{"type":"ok","step":0},"stmt":{"sql":""}}"#), .inconsistent,
          "$.requests[0].batch.steps[0]"
        ),
        (
          batch(step + #",{"condition":{"type":"and","conds":[{"type":"error","step":5}]},"stmt":{"sql":""}}"#),
          .inconsistent, "$.requests[0].batch.steps[1]"
        ),
        (
          batch(step + #",{"condition":{"type":"ok","step":-1},"stmt":{"sql":""}}"#), .outOfRange,
          "$.requests[0].batch.steps[1].condition.step"
        ),
        (
          batch(step + #",{"condition":{"type":"not"},"stmt":{"sql":""}}"#), .missingField,
          "$.requests[0].batch.steps[1].condition"
        ),
        (
          batch(step + #",{"condition":{"type":"text"},"stmt":{"sql":""}}"#), .unknownType,
          "$.requests[0].batch.steps[1].condition"
        ), (batch(#"{"condition":null}"#), .missingField, "$.requests[0].batch.steps[0]"),
      ], as: Hrana.PipelineRequest.self)
  }

  @Test func responsesHaveToBeConsistent() {
    func result(_ fields: String) -> String { #"{"result":{\#(fields)}}"# }
    expect(
      [
        (result(#""cols":[{}],"rows":[[]],"affected_row_count":0"#), .inconsistent, "$.result"),
        (result(#""cols":[],"rows":[],"affected_row_count":-1"#), .outOfRange, "$.result.affected_row_count"),
        (result(#""cols":[],"rows":[]"#), .missingField, "$.result"),
        (
          result(#""cols":[],"rows":[],"affected_row_count":0,"last_insert_rowid":1.5"#), .outOfRange,
          "$.result.last_insert_rowid"
        ),
        (
          result(#""cols":[],"rows":[],"affected_row_count":0,"query_duration_ms":"CANARY""#), .wrongType,
          "$.result.query_duration_ms"
        ),
      ], as: Hrana.ExecuteResponse.self)
    expect(
      [(result(#""step_results":[null],"step_errors":[]"#), .inconsistent, "$.result")], as: Hrana.BatchResponse.self)
    expect(
      [
        (
          #"{"results":[{"response":{"result":{"cols":7},"type":"execute"},"type":"ok"}]}"#, .wrongType,
          "$.results[0].response.result.cols"
        ),
        (#"{"results":[{"type":"ok","response":{"type":"get_autocommit"}}]}"#, .missingField, "$.results[0].response"),
        (#"{"results":[{"type":"error"}]}"#, .missingField, "$.results[0]"),
      ], as: Hrana.PipelineResponse.self)
  }

  @Test func bytesThatAreNotUTF8AreRefusedEvenWhereNobodyLooks() {
    for bad in [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82]] as [[UInt8]] {
      let bytes = Array(#"{"requests":[],"unknown":"CANARY"#.utf8) + bad + Array(#""}"#.utf8)
      do throws(JSONMessageError) {
        _ = try Hrana.PipelineRequest(decoding: bytes)
        Issue.record("accepted \(bad)")
      } catch {
        #expect(error.code == .invalidText && error.path == "$.?")
      }
    }
  }

  @Test func unknownAndNullFieldsAreIgnored() throws {
    let text = """
      { "future" : [ { "a" : [ ] , "b" : { } , "c" : "\\ud83d\\ude00" } , -1.5e+3 , true , null ] ,
        "requests" : [ { "type" : "execute" , "stmt" : { "sql" : "S" , "sql_id" : null , "want_rows" : null , "x" : 1 } } ] }
      """
    #expect(
      try Hrana.PipelineRequest(decoding: Array(text.utf8))
        == Hrana.PipelineRequest(baton: nil, requests: [.execute(Hrana.Statement(.text("S")))]))
    let error = try Hrana.ProtocolError(decoding: Array(#"{"message":"m","code":null,"extended_code":"e"}"#.utf8))
    #expect(error == Hrana.ProtocolError(message: "m", code: Hrana.ProtocolError.unknownCode))
    let end = try Hrana.CursorEntry(
      decoding: Array(#"{"last_insert_rowid":"-7","affected_row_count":1,"type":"step_end"}"#.utf8))
    #expect(end == .stepEnd(affectedRowCount: 1, lastInsertRowID: -7))
  }

  @Test func paddedAndEscapedBase64IsRead() throws {
    for (text, blob) in [
      ("", []), ("AA", [0]), ("AA==", [0]), ("AP8=", [0, 255]), ("AP8", [0, 255]), (#"\/\u002f8"#, [255, 255]),
    ]
      as [(String, [UInt8])]
    {
      #expect(
        try Hrana.CursorEntry(decoding: Array(row(#"{"type":"blob","base64":"\#(text)"}"#).utf8)) == .row([.blob(blob)])
      )
    }
  }
}
