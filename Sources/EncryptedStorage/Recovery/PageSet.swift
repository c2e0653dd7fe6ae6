/// A set of page numbers 1...`pageCount`. Its memory grows with what is in it, and not with `pageCount`, which is a number that
/// a damaged file says of itself.
struct PageSet: Sendable {
  let pageCount: UInt32
  /// One bit for each page, 64 pages to a word.
  private var words: [UInt32: UInt64] = [:]
  private(set) var count = 0

  init(pageCount: UInt32) { self.pageCount = pageCount }

  /// False for a number outside the set's range.
  func contains(_ page: UInt32) -> Bool {
    guard page <= pageCount, let word = words[page / 64] else { return false }
    return word & (1 << UInt64(page % 64)) != 0
  }

  /// - Returns: false when the page was there already, or is outside the set's range.
  @discardableResult
  mutating func insert(_ page: UInt32) -> Bool {
    guard page > 0, page <= pageCount, !contains(page) else { return false }
    words[page / 64, default: 0] |= 1 << UInt64(page % 64)
    count += 1
    return true
  }

  /// The smallest `limit` members, ascending.
  func prefix(_ limit: Int) -> [UInt32] {
    var members: [UInt32] = []
    for (index, word) in words.sorted(by: { $0.key < $1.key }) {
      for bit in 0..<UInt32(64) where word & (1 << UInt64(bit)) != 0 {
        guard members.count < limit else { return members }
        members.append(index * 64 + bit)
      }
    }
    return members
  }
}
