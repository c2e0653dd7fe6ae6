import TestSupport
import Testing

@testable import LibSQLProtocol

@Suite("Protobuf")
struct ProtobufTests {
  private func fields(_ bytes: [UInt8]) throws -> [ProtobufField] {
    var reader = ProtobufReader(bytes[...], "message")
    var fields: [ProtobufField] = []
    while let field = try reader.next() { fields.append(field) }
    return fields
  }

  @Test func varintsOfEveryLengthSurvive() throws {
    var values: [UInt64] = [0, 1, .max]
    for bit in 0..<64 { values += [1 << UInt64(bit), (1 << UInt64(bit)) - 1] }
    for value in values {
      var bytes: [UInt8] = []
      Varint.append(value, to: &bytes)
      #expect(bytes.count == Varint.length(value))
      guard case .value(value, let length) = Varint.read(bytes[...]) else {
        Issue.record("\(value)")
        continue
      }
      #expect(length == bytes.count)
      for end in 0..<bytes.count {
        guard case .incomplete = Varint.read(bytes[..<end]) else {
          Issue.record("\(value) cut to \(end)")
          continue
        }
      }
    }
  }

  @Test func varintsAboveSixtyFourBitsAreRefused() {
    let ten = [UInt8](repeating: 0xFF, count: 9)
    guard case .overflow = Varint.read((ten + [2])[...]), case .overflow = Varint.read((ten + [0xFF])[...]) else {
      Issue.record("accepted")
      return
    }
  }

  /// The example messages of the format's documentation.
  @Test func theExamplesOfTheSpecificationAreRead() throws {
    #expect(try fields([0x08, 0x96, 0x01])[0].uint64() == 150)
    #expect(try fields([0x12, 0x07] + Array("testing".utf8))[0].string() == "testing")
    let minusTwo: [UInt8] = [0x08] + [0xFE] + [UInt8](repeating: 0xFF, count: 8) + [0x01]
    #expect(try fields(minusTwo)[0].int32() == -2)
    let fixed = try fields([0x09, 1, 0, 0, 0, 0, 0, 0, 0x80, 0x15, 2, 0, 0, 0x40])
    guard case .fixed64(0x8000_0000_0000_0001) = fixed[0].payload, case .fixed32(0x4000_0002) = fixed[1].payload else {
      Issue.record("fixed-width fields")
      return
    }
  }

  @Test(
    arguments: [
      ([0x0B], .unsupported), ([0x0C], .unsupported), ([0x0E], .malformed), ([0x0F], .malformed), ([0x00], .malformed),
      ([0x08], .truncated), ([0x08, 0x80], .truncated), ([0x09, 1, 2], .truncated), ([0x0D, 1, 2, 3], .truncated),
      ([0x0A, 0x05, 1, 2], .truncated),
      ([0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], .truncated),
      ([0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F], .malformed),
    ] as [([UInt8], WireFormatError.Code)])
  func whatIsNoMessageIsRefused(bytes: [UInt8], code: WireFormatError.Code) {
    let error = #expect(throws: WireFormatError.self) { try fields(bytes) }
    #expect(error?.code == code)
  }

  @Test func fieldsOfAnotherTypeOrRangeAreRefused() throws {
    let large = try fields([0x08, 0x80, 0x80, 0x80, 0x80, 0x10])[0]
    #expect(throws: WireFormatError.self) { try large.uint32() }
    #expect(throws: WireFormatError.self) { try large.int32() }
    #expect(throws: WireFormatError.self) { try large.bool() }
    #expect(throws: WireFormatError.self) { try large.bytes() }
    let text = try fields([0x0A, 0x01, 0xFF])[0]
    #expect(throws: WireFormatError.self) { try text.string() }
    #expect(throws: WireFormatError.self) { try text.uint64() }
  }

  @Test func unknownFieldsAreSkipped() throws {
    let unknown: [UInt8] = [0x7A, 0x02, 1, 2, 0x78, 5, 0x79, 0, 0, 0, 0, 0, 0, 0, 0, 0x7D, 0, 0, 0, 0]
    let offset = LogOffset(nextOffset: 42, flavor: .sqlite)
    #expect(try LogOffset((unknown + offset.encoded + unknown)[...]) == offset)
    let hello = HelloRequest()
    #expect(try HelloRequest((unknown + hello.encoded)[...]) == hello)
  }

  @Test func offsetsInErrorsArePlacesInTheWholeInput() throws {
    let id = "00000000-0000-4000-8000-000000000000"
    var bytes = ProxyProgram(clientID: id, steps: [ProxyProgram.Step(ProxyQuery(statement: "SELECT 1"))]).encoded
    let place = try #require(bytes.lastIndex(of: UInt8(ascii: "S")))
    bytes[place] = 0xFF
    let error = #expect(throws: WireFormatError.self) { try ProxyProgram(bytes[...]) }
    #expect(error?.offset == place - 2)
  }
}
