/// One row as it was stored.
struct SalvagedRow {
  /// The page that its cell is on.
  let page: UInt32
  /// Nil in an index or a WITHOUT ROWID table.
  let rowid: Int64?
  let values: [StoredValue]
}

/// Reads the rows of b-tree pages, following overflow chains, and remembers which pages are in use.
///
/// Every page belongs to one b-tree or one chain: a page is claimed once, so that damage that makes a cycle, or leads into
/// another tree, ends there, and the whole work is bounded by the number of pages.
final class RowReader {
  let pages: AuthenticPages
  private(set) var claimed: PageSet
  let cancellation: Cancellation

  init(_ pages: AuthenticPages, cancellation: Cancellation) {
    self.pages = pages
    self.cancellation = cancellation
    claimed = PageSet(pageCount: pages.pageCount)
  }

  /// - Returns: false when the page is somebody's already, or outside the database.
  func claim(_ page: UInt32) -> Bool { claimed.insert(page) }

  /// Calls `body` with each row of `page` from the 0-based `first` on, in order.
  ///
  /// - Returns: how many rows could not be read: part of the record is on a lost page, or it contradicts itself.
  func forEachRow(
    of page: BTreePage, from first: Int = 0, _ body: (SalvagedRow) throws(EncryptedStorageError) -> Void
  ) throws(EncryptedStorageError) -> Int {
    guard page.kind != .tableInterior else { return 0 }
    try cancellation.check("recover")
    var droppedCount = 0
    for index in first..<max(first, page.cellCount) {
      guard let cell = page.cell(index), let payload = cell.payload, let record = try record(payload, of: page),
        let values = StoredRecord.values(record)
      else {
        droppedCount += 1
        continue
      }
      try body(SalvagedRow(page: page.number, rowid: cell.rowid, values: values))
    }
    return droppedCount
  }

  /// The whole record; nil when a page of its chain is lost, or the chain is not one.
  private func record(
    _ payload: BTreePage.Payload, of page: BTreePage
  ) throws(EncryptedStorageError) -> [UInt8]? {
    guard var record = page.page.bytes(at: payload.start, count: payload.localByteCount) else { return nil }
    var next = payload.overflowPage
    while record.count < payload.byteCount {
      guard let number = next, number != 0, let overflow = try pages.page(number), claim(number) else { return nil }
      let count = min(overflow.usableByteCount - 4, payload.byteCount - record.count)
      guard count > 0, let content = overflow.bytes(at: 4, count: count) else { return nil }
      record += content
      next = overflow.bigEndianUInt32(at: 0)
    }
    // The last page of a chain names no further one; if it does, this is not the chain of this record.
    return (next ?? 0) == 0 ? record : nil
  }
}
