/// How a database stores text. Source: https://www.sqlite.org/fileformat2.html#text_encoding
enum TextEncoding: UInt32, CaseIterable {
  case utf8 = 1
  case utf16LittleEndian = 2
  case utf16BigEndian = 3

  /// What `PRAGMA encoding` calls it.
  var name: String {
    switch self {
    case .utf8: "UTF-8"
    case .utf16LittleEndian: "UTF-16le"
    case .utf16BigEndian: "UTF-16be"
    }
  }

  /// Nil when the bytes are not text in this encoding.
  func decode(_ bytes: [UInt8]) -> String? {
    guard self != .utf8 else { return String(validating: bytes, as: UTF8.self) }
    guard bytes.count.isMultiple(of: 2) else { return nil }
    let units = stride(from: 0, to: bytes.count, by: 2).map { index in
      let (first, second) = (UInt16(bytes[index]), UInt16(bytes[index + 1]))
      return self == .utf16BigEndian ? first << 8 | second : second << 8 | first
    }
    return String(validating: units, as: UTF16.self)
  }

  func encode(_ text: String) -> [UInt8] {
    switch self {
    case .utf8: Array(text.utf8)
    case .utf16LittleEndian: text.utf16.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }
    case .utf16BigEndian: text.utf16.flatMap { [UInt8($0 >> 8), UInt8(truncatingIfNeeded: $0)] }
    }
  }

  /// The likeliest encoding of a database whose header is lost, from the text on some of its pages: of two bytes of
  /// UTF-16 one is zero in most languages, and UTF-8 has no zeros.
  static func likeliest(in pages: AuthenticPages) throws(EncryptedStorageError) -> TextEncoding {
    var votes: [TextEncoding: Int] = [:]
    for number in pages.image.storedPages.behindTheFirst {
      guard let page = try pages.bTreePage(number), page.kind.isLeaf else { continue }
      for index in 0..<page.cellCount {
        guard let payload = page.cell(index)?.payload, payload.overflowPage == nil,
          let record = page.page.bytes(at: payload.start, count: payload.byteCount),
          let values = StoredRecord.values(record)
        else { continue }
        for case .text(let bytes) in values where bytes.count >= 2 {
          votes[vote(bytes), default: 0] += 1
        }
      }
      if votes.values.reduce(0, +) >= votesWanted { break }
    }
    return votes.max { $0.value < $1.value }?.key ?? .utf8
  }

  private static let votesWanted = 1000

  private static func vote(_ bytes: [UInt8]) -> TextEncoding {
    let evenZeros = stride(from: 0, to: bytes.count, by: 2).count { bytes[$0] == 0 }
    let oddZeros = stride(from: 1, to: bytes.count, by: 2).count { bytes[$0] == 0 }
    guard bytes.count.isMultiple(of: 2), evenZeros != oddZeros else { return .utf8 }
    return evenZeros > oddZeros ? .utf16BigEndian : .utf16LittleEndian
  }
}
