/// The pages of a database that hold nothing. Source: https://www.sqlite.org/fileformat2.html#the_freelist
struct FreeList {
  private(set) var pages: PageSet
  /// False when part of the list is on a lost page: a page in no b-tree may then be a free one.
  private(set) var isComplete = false

  init(_ image: AuthenticPages) throws(EncryptedStorageError) {
    pages = PageSet(pageCount: image.pageCount)
    guard let first = try image.page(1), let head = first.bigEndianUInt32(at: 32),
      let count = first.bigEndianUInt32(at: 36)
    else { return }
    var next = head
    while next != 0 {
      // Inserting a page twice means a cycle.
      guard let trunk = try image.page(next), pages.insert(next), let leafCount = trunk.bigEndianUInt32(at: 4),
        Int64(leafCount) <= Int64(trunk.usableByteCount / 4 - 2), let following = trunk.bigEndianUInt32(at: 0)
      else { return }
      for index in 0..<Int(leafCount) {
        guard let leaf = trunk.bigEndianUInt32(at: 8 + 4 * index), leaf > 0, leaf <= image.pageCount, pages.insert(leaf)
        else { return }
      }
      next = following
    }
    isComplete = pages.count == Int(count)
  }
}
