/// A set of pages of one image, a bit for each page: 32 KiB for an image of 1 GiB, however many pages are in it.
package struct ChangedPages: Sendable {
  private var words: [UInt64]
  private let pageCount: UInt32
  /// How many pages are in the set.
  package private(set) var count = 0

  /// No pages of an image of `pageCount` pages.
  init(pageCount: UInt32) {
    self.pageCount = pageCount
    words = [UInt64](repeating: 0, count: Int(pageCount) / 64 + 1)
  }

  /// All pages of an image but the one that SQLite never writes.
  package static func all(pageCount: UInt32) -> ChangedPages {
    var pages = ChangedPages(pageCount: pageCount)
    for index in pages.words.indices { pages.words[index] = .max }
    pages.words[0] &= ~1
    // Bits behind the last page.
    let used = Int(pageCount) % 64 + 1
    if used < 64 { pages.words[pages.words.count - 1] &= (1 << UInt64(used)) - 1 }
    pages.count = Int(pageCount)
    pages.remove(StoreFormat.lockBytePage)
    return pages
  }

  /// Adds pages; what the image does not have is passed over.
  mutating func formUnion(_ pages: [UInt32]) {
    for page in pages where page >= 1 && page <= pageCount {
      let bit: UInt64 = 1 << UInt64(page % 64)
      guard words[Int(page / 64)] & bit == 0 else { continue }
      words[Int(page / 64)] |= bit
      count += 1
    }
  }

  /// Adds the page that SQLite never writes, if the image is large enough to have it.
  package mutating func insertUnwritten() { formUnion([StoreFormat.lockBytePage]) }

  private mutating func remove(_ page: UInt32) {
    let bit: UInt64 = 1 << UInt64(page % 64)
    guard page <= pageCount, words[Int(page / 64)] & bit != 0 else { return }
    words[Int(page / 64)] &= ~bit
    count -= 1
  }

  package func contains(_ page: UInt32) -> Bool {
    page <= pageCount && words[Int(page / 64)] & (1 << UInt64(page % 64)) != 0
  }

  /// Adds other pages of the image until there are `count`, or all but the one that SQLite never writes.
  package mutating func fill(upTo count: Int) {
    var page: UInt32 = 0
    while self.count < count, page < pageCount {
      page += 1
      if page != StoreFormat.lockBytePage { formUnion([page]) }
    }
  }

  /// Takes out the pages that are not wanted.
  package mutating func formIntersection(where isWanted: (UInt32) -> Bool) {
    var page: UInt32 = 0
    while let next = next(after: page) {
      if !isWanted(next) { remove(next) }
      page = next
    }
  }

  /// Up to `limit` pages above `page`, ascending; none at the end.
  package func pages(after page: UInt32, limit: Int) -> [UInt32] {
    var pages: [UInt32] = []
    var last = page
    while pages.count < limit, let next = next(after: last) {
      pages.append(next)
      last = next
    }
    return pages
  }

  /// Up to `limit` pages below `page`, the highest ones, ascending; none at the end.
  package func pages(before page: UInt64, limit: Int) -> [UInt32] {
    var pages: [UInt32] = []
    var last = page
    while pages.count < limit, let next = next(before: last) {
      pages.append(next)
      last = UInt64(next)
    }
    return pages.reversed()
  }

  private func next(after page: UInt32) -> UInt32? {
    let first = UInt64(page) + 1
    var index = Int(first / 64)
    guard index < words.count else { return nil }
    var word = words[index] & (.max << (first % 64))
    while word == 0 {
      index += 1
      guard index < words.count else { return nil }
      word = words[index]
    }
    return UInt32(index * 64 + word.trailingZeroBitCount)
  }

  private func next(before page: UInt64) -> UInt32? {
    guard page > 0 else { return nil }
    let last = min(page - 1, UInt64(words.count * 64 - 1))
    var index = Int(last / 64)
    var word = words[index] & (.max >> (63 - last % 64))
    while word == 0 {
      guard index > 0 else { return nil }
      index -= 1
      word = words[index]
    }
    return UInt32(index * 64 + 63 - word.leadingZeroBitCount)
  }
}
