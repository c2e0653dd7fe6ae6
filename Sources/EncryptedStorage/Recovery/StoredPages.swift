/// The numbers of the pages of which anything is stored, ascending: those of the file, and those that only a log or journal has.
///
/// How large a database is, is said by a header, or by a log whose checksums have no key: it can be any number. Whatever goes
/// over pages goes over these, so that its time is bounded by the size of the files.
struct StoredPages: Sendable {
  /// Pages of the file; of the last one perhaps only a part.
  let filePageCount: UInt32
  /// Behind those of the file, ascending.
  let furtherPages: [UInt32]

  /// - Parameters:
  ///   - elsewhere: pages of the log or journal, in any order.
  ///   - pageCount: of the database; what lies beyond is no part of it.
  init(filePageCount: UInt32, elsewhere: some Sequence<UInt32>, pageCount: UInt32) {
    let inFile = min(filePageCount, pageCount)
    self.filePageCount = inFile
    furtherPages = elsewhere.filter { $0 > inFile && $0 <= pageCount }.sorted()
  }

  var count: Int { Int(filePageCount) + furtherPages.count }

  /// The page with a number of its own among them, from 0.
  subscript(index: Int) -> UInt32 {
    index < Int(filePageCount) ? UInt32(index) + 1 : furtherPages[index - Int(filePageCount)]
  }

  /// All but page 1, where the schema begins.
  var behindTheFirst: some Sequence<UInt32> { (0..<count).lazy.map { self[$0] }.filter { $0 > 1 } }

  /// The first pages up to `pageCount` of which nothing is stored, ascending.
  func missing(upTo pageCount: UInt32, limit: Int) -> [UInt32] {
    var missing: [UInt32] = []
    var further = furtherPages[...]
    var next = UInt64(filePageCount) + 1
    while next <= UInt64(pageCount), missing.count < limit {
      if further.first == UInt32(next) { further.removeFirst() } else { missing.append(UInt32(next)) }
      next += 1
    }
    return missing
  }
}
