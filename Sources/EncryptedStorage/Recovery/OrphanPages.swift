/// Finds the authentic b-tree pages that no walk reached, because a page above them is lost.
struct OrphanPages {
  let reader: RowReader
  let freeList: FreeList

  /// Calls `body` with the pages of each orphaned tree, its topmost page first; claims them.
  func forEachTree(
    _ body: (_ root: UInt32, _ pages: [UInt32], RecordProfile) throws(EncryptedStorageError) -> Void
  ) throws(EncryptedStorageError) {
    var orphans = PageSet(pageCount: reader.pages.pageCount)
    var children = PageSet(pageCount: reader.pages.pageCount)
    try forEachPage { (page) throws(EncryptedStorageError) in
      orphans.insert(page.number)
      guard !page.kind.isLeaf else { return }
      for index in 0..<page.cellCount {
        if let child = page.cell(index)?.leftChild, child != page.number { children.insert(child) }
      }
      if let right = page.rightChild, right != page.number { children.insert(right) }
    }
    // First the trees whose top is known, then what a cycle, or a page in two trees, has left.
    for topsOnly in [true, false] {
      for number in reader.pages.image.storedPages.behindTheFirst {
        guard orphans.contains(number), !reader.claimed.contains(number), !topsOnly || !children.contains(number),
          let root = try reader.pages.bTreePage(number)
        else { continue }
        var pages: [UInt32] = []
        var profile = RecordProfile()
        _ = try BTreeWalk(reader: reader, family: root.kind.family).run(root: number) { page in
          pages.append(page.number)
          profile.add(page)
        }
        try body(number, pages, profile)
      }
    }
  }

  private func forEachPage(
    _ body: (BTreePage) throws(EncryptedStorageError) -> Void
  ) throws(EncryptedStorageError) {
    for number in reader.pages.image.storedPages.behindTheFirst {
      guard !reader.claimed.contains(number), !freeList.pages.contains(number), !isPointerMap(number) else { continue }
      try reader.cancellation.check("recover")
      if let page = try reader.pages.bTreePage(number) { try body(page) }
    }
  }

  /// Auto-vacuum databases have pages that say who points to which page.
  /// Source: https://www.sqlite.org/fileformat2.html#pointer_map_or_ptrmap_pages
  private func isPointerMap(_ page: UInt32) -> Bool {
    guard let header = reader.pages.image.header, header.largestRootPage > 0 else { return false }
    let span = UInt32(reader.pages.image.usableByteCount / 5) + 1
    let first = (page - 2) / span * span + 2
    let lockByte = reader.pages.image.geometry.lockBytePage
    return page == (first == lockByte ? first + 1 : first)
  }
}
