import LibSQLProtocol
import Testing

/// What official clients really sent and accepted reads, and is written as it was.
@Suite("Hrana recordings")
struct HranaVectorTests {
  @Test func everyRecordedMessageReadsAndIsWrittenAsItWas() throws {
    let messages = try HranaVectors.all()
    #expect(messages.count > 300)
    #expect(Set(messages.map { "\($0.type)" }).count == 12)
    for message in messages {
      let written = try message.type.init(decoding: message.bytes).encoded()
      if message.isCanonical {
        let (found, expected) = (
          String(decoding: written, as: UTF8.self), String(decoding: message.bytes, as: UTF8.self)
        )
        #expect(found == expected, "\(message.testDescription)")
      }
      #expect(
        try NormalizedJSON.text(written) == NormalizedJSON.text(message.bytes), "\(message.testDescription)")
    }
  }

  @Test func everyPrefixOfARecordedMessageIsRefused() throws {
    for message in try HranaVectors.all().prefix(60) where message.bytes.count < 600 {
      for count in 0..<message.bytes.count {
        #expect(throws: JSONMessageError.self, "\(message.testDescription), \(count) bytes") {
          _ = try message.type.init(decoding: Array(message.bytes.prefix(count)))
        }
      }
    }
  }
}
