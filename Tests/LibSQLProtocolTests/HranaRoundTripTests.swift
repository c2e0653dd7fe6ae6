import Foundation
import LibSQLProtocol
import Mutation
import Testing

/// Every message comes back from its own JSON as it was, whoever writes that JSON.
@Suite("Hrana round trips")
struct HranaRoundTripTests {
  private func expectSame<Message: HranaMessage>(_ message: Message, from bytes: [UInt8], _ seed: UInt64) throws {
    let read = try Message(decoding: bytes)
    #expect(read == message, "\(Message.self), seed \(seed)")
    // Strings are equal if they look the same; bytes are not.
    #expect(read.encoded() == message.encoded(), "\(Message.self), seed \(seed)")
  }

  @Test func everyKindOfMessageComesBackAsItWas() throws {
    for seed in 0..<UInt64(150) {
      var generator = HranaGenerator(seed: seed)
      for type in HranaGenerator.messageTypes {
        let message = generator.message(type)
        try expectSame(message, from: message.encoded(), seed)
      }
    }
  }

  /// Sorted by name, `type` comes after most of what it decides about; JSON of Foundation also escapes differently.
  @Test func theOrderOfFieldsAndSpacesDoNotMatter() throws {
    for seed in 1000..<UInt64(1060) {
      var generator = HranaGenerator(seed: seed)
      for type in HranaGenerator.messageTypes {
        let message = generator.message(type)
        let tree = try JSONSerialization.jsonObject(with: Data(message.encoded()))
        let bytes = try JSONSerialization.data(withJSONObject: tree, options: [.sortedKeys, .prettyPrinted])
        try expectSame(message, from: Array(bytes), seed)
      }
    }
  }

  @Test func foundationReadsWhatWeWrite() throws {
    var generator = HranaGenerator(seed: 7)
    for _ in 0..<200 {
      let text = generator.text()
      let bytes = Hrana.ProtocolError(message: text, code: "c").encoded()
      let tree = try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: String])
      #expect(tree["message"].map { Array($0.utf8) } == Array(text.utf8))
    }
  }

  @Test func numbersKeepEveryDigit() throws {
    let values: [Hrana.Value] = [
      .integer(.max), .integer(.min), .integer(9_007_199_254_740_993), .integer(0), .float(-0.0), .float(0.1 + 0.2),
      .float(.leastNonzeroMagnitude), .float(1.7976931348623157e308), .float(123_456_789_012_345_680),
    ]
    let bytes = Hrana.CursorEntry.row(values).encoded()
    #expect(try Hrana.CursorEntry(decoding: bytes).encoded() == bytes)
    let numbers = [
      "3": 3.0, "-0": -0.0, "1.5e3": 1500, "0.1": 0.1, "9007199254740993": 9_007_199_254_740_992, "1E-7": 1e-7,
    ]
    for (text, number) in numbers {
      let line = #"{"type":"row","row":[{"type":"float","value":\#(text)}]}"#
      #expect(try Hrana.CursorEntry(decoding: Array(line.utf8)) == .row([.float(number)]), "\(text)")
    }
  }

  @Test func aFloatThatJSONCannotSayIsNullInResultsAndRefusedInArguments() throws {
    for value in [Double.infinity, -.infinity, .nan] {
      let bytes = Hrana.CursorEntry.row([.float(value)]).encoded()
      #expect(String(decoding: bytes, as: UTF8.self) == #"{"type":"row","row":[{"type":"float","value":null}]}"#)
      guard case .row(let row) = try Hrana.CursorEntry(decoding: bytes), case .float(let number)? = row.first else {
        Issue.record("no float")
        continue
      }
      #expect(number.isNaN)
      let request = Hrana.ExecuteRequest(Hrana.Statement(.text("SELECT ?"), arguments: [.float(value)])).encoded()
      #expect(throws: JSONMessageError.self) { try Hrana.ExecuteRequest(decoding: request) }
    }
  }

  @Test func nothingIsEscapedThatRustCouldNotBorrow() throws {
    let bytes = Hrana.CursorEntry.row([.blob([0xff, 0xff, 0xff]), .text("/é\u{8}\u{c}\r\u{1}")]).encoded()
    #expect(
      String(decoding: bytes, as: UTF8.self)
        == #"{"type":"row","row":[{"type":"blob","base64":"////"},{"type":"text","value":"/é\b\f\r\u0001"}]}"#)
  }

  @Test func aTokenIsNotPrinted() throws {
    let message = Hrana.ClientMessage.hello(token: Hrana.AuthToken("CANARY"))
    var dumped = ""
    dump(message, to: &dumped)
    #expect(!"\(message) \(String(reflecting: message)) \(dumped)".contains("CANARY"))
    #expect(String(decoding: message.encoded(), as: UTF8.self) == #"{"type":"hello","jwt":"CANARY"}"#)
  }

  @Test(arguments: [
    ("hrana1, hrana2 ,hrana3", Hrana.Subprotocol.hrana3), ("hrana2", .hrana2), ("hrana3-protobuf,hrana1", .hrana1),
    ("", nil), ("HRANA2", nil), ("hrana", nil), (",, hrana2,", .hrana2),
  ])
  func theNewestCommonSubprotocolIsChosen(offered: String, chosen: Hrana.Subprotocol?) {
    #expect(Hrana.Subprotocol.negotiate(offered: offered) == chosen)
  }
}
