/// A set of page numbers 1...`pageCount`, one bit each.
struct PageSet: Sendable {
  let pageCount: UInt32
  private var words: [UInt64]
  private(set) var count = 0

  init(pageCount: UInt32) {
    self.pageCount = pageCount
    words = Array(repeating: 0, count: Int(pageCount) / 64 + 1)
  }

  /// False for a number outside the set's range.
  func contains(_ page: UInt32) -> Bool {
    guard page <= pageCount else { return false }
    return words[Int(page / 64)] & (1 << UInt64(page % 64)) != 0
  }

  /// - Returns: false when the page was there already, or is outside the set's range.
  @discardableResult
  mutating func insert(_ page: UInt32) -> Bool {
    guard page > 0, page <= pageCount, !contains(page) else { return false }
    words[Int(page / 64)] |= 1 << UInt64(page % 64)
    count += 1
    return true
  }

  /// The smallest `limit` members, ascending.
  func prefix(_ limit: Int) -> [UInt32] {
    var members: [UInt32] = []
    for (index, word) in words.enumerated() where word != 0 {
      for bit in 0..<64 where word & (1 << UInt64(bit)) != 0 {
        guard members.count < limit else { return members }
        members.append(UInt32(index * 64 + bit))
      }
    }
    return members
  }
}
