/// A page of a database image.
public struct Page: Sendable, Hashable {
  /// From 1.
  public let number: UInt32
  /// 4096 bytes.
  public let bytes: [UInt8]

  /// A page.
  public init(number: UInt32, bytes: [UInt8]) {
    self.number = number
    self.bytes = bytes
  }

  /// The only page of a database without content.
  package static var emptyDatabase: Page { Page(number: 1, bytes: StoreFormat.emptyDatabase) }
}

extension Page {
  /// The last page of each number, sorted, so that a container is written front to back.
  static func newest(of pages: [Page]) -> [Page] {
    // Which is how most batches come.
    let isSorted = zip(pages, pages.dropFirst()).allSatisfy { $0.number < $1.number }
    guard !isSorted else { return pages }
    var newest: [UInt32: Page] = [:]
    newest.reserveCapacity(pages.count)
    for page in pages { newest[page.number] = page }
    return newest.values.sorted { $0.number < $1.number }
  }
}

/// Changes that bring an image from one published position of its remote to a later one: one or more whole transactions.
public struct PageBatch: Sendable {
  /// Where the pages come from.
  public let remote: RemoteIdentity
  /// The position that the image must be at.
  public let basePosition: Int64
  /// The position it is at afterwards.
  public let position: Int64
  /// Pages of the image afterwards. What lies beyond is removed.
  public let pageCount: UInt32
  /// The changed pages, in any order; of several with one number the last counts.
  public let pages: [Page]

  /// A batch.
  public init(
    remote: RemoteIdentity, basePosition: Int64, position: Int64, pageCount: UInt32, pages: [Page]
  ) {
    self.remote = remote
    self.basePosition = basePosition
    self.position = position
    self.pageCount = pageCount
    self.pages = pages
  }
}
