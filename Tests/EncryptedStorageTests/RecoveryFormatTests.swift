import EncryptionKeys
import TestSupport
import Testing

@testable import EncryptedStorage

/// The readers of SQLite's format, on bytes written by hand. Source of the vectors: https://www.sqlite.org/fileformat2.html
@Suite("Recovery of stored formats")
struct RecoveryFormatTests {
  @Test(
    arguments: [
      ([0x00], 0), ([0x7f], 127), ([0x81, 0x00], 128), ([0xff, 0x7f], 16383), ([0x81, 0x80, 0x00], 16384),
      ([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], UInt64.max),
      ([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01], 1),
    ] as [([UInt8], UInt64)])
  func readsVarints(bytes: [UInt8], value: UInt64) {
    #expect(Varint.read(bytes[...])?.value == value)
    #expect(Varint.read(bytes[...])?.byteCount == bytes.count)
    #expect(Varint.read(bytes.dropLast()) == nil)
  }

  @Test func readsValuesOfEverySerialType() {
    let record: [UInt8] = [
      13, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 14, 17, 0xff, 0x80, 0x00, 0xff, 0xff, 0xfe, 0x7f, 0xff, 0xff, 0xff, 0x80, 0, 0,
      0, 0, 0,
      0x80, 0, 0, 0, 0, 0, 0, 0, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0, 0xab, 0x61, 0x62,
    ]
    #expect(
      StoredRecord.values(record) == [
        .null, .integer(-1), .integer(-32768), .integer(-2), .integer(2_147_483_647), .integer(-140_737_488_355_328),
        .integer(.min), .real(1.5), .integer(0), .integer(1), .blob([0xab]), .text([0x61, 0x62]),
      ])
  }

  @Test(
    arguments: [
      [], [0], [2], [2, 1], [2, 10], [2, 11], [9, 1], [2, 1, 1, 1], [3, 0x81], [0xff, 0xff],
      [10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ] as [[UInt8]])
  func refusesRecordsThatContradictThemselves(record: [UInt8]) {
    #expect(StoredRecord.values(record) == nil)
  }

  @Test(arguments: 0..<4 as Range<UInt64>)
  func neverTrapsOnRandomRecordsAndPages(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let buffer = PageBuffer(byteCount: 1024)
    for _ in 0..<3000 {
      let record = (0..<Int.random(in: 0...40, using: &generator)).map { _ in
        UInt8.random(in: 0...255, using: &generator)
      }
      _ = StoredRecord.values(record)
      buffer.withMutableSpan(0..<1024) { span in
        for offset in 0..<1024 {
          span.storeBytes(of: UInt8.random(in: 0...255, using: &generator), toByteOffset: offset, as: UInt8.self)
        }
        let kind: UInt8 = [2, 5, 10, 13].randomElement(using: &generator) ?? 13
        for (offset, byte) in [kind, 0, 0, 0, 3, 0, 16, 0].enumerated() {
          span.storeBytes(of: byte, toByteOffset: offset, as: UInt8.self)
        }
        for offset in stride(from: 8, to: 18, by: 2) { span.storeBytes(of: 1, toByteOffset: offset, as: UInt8.self) }
      }
      guard let page = BTreePage(AuthenticPage(number: 2, usableByteCount: 976, buffer: buffer)) else { continue }
      for index in -1...page.cellCount { _ = page.cell(index) }
    }
  }

  @Test func countsPagesOfASetOnce() {
    var set = PageSet(pageCount: 130)
    #expect(set.insert(1) && set.insert(64) && set.insert(130) && !set.insert(64) && !set.insert(0) && !set.insert(131))
    #expect(
      set.count == 3 && set.prefix(2) == [1, 64] && set.contains(130) && !set.contains(129) && !set.contains(.max))
  }
}
