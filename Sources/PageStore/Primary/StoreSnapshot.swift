internal import EncryptedStorage
internal import Synchronization

/// A primary's image at the end of one commit, for a replica: whatever is written meanwhile, all that is read here belongs
/// together.
///
/// Keeps a read transaction of the container open, and with it the container's log, until ``close()`` or until nobody holds
/// it any more.
package final class StoreSnapshot: Sendable {
  /// Where the image stands.
  package let state: PrimaryState
  private let connection: Connection
  private let pool: SnapshotPool
  private let isClosed = Mutex(false)

  /// Pages that are read at a time: 256 KiB.
  package static let runLength = 64

  init(_ state: PrimaryState, _ connection: Connection, _ pool: SnapshotPool) {
    self.state = state
    self.connection = connection
    self.pool = pool
  }

  deinit {
    guard !isClosed.withLock({ $0 }) else { return }
    let (connection, pool) = (connection, pool)
    Task { await pool.takeBack(connection) }
  }

  /// Ends the snapshot. Later reads throw `.closed`; a second close does nothing.
  package func close() async {
    let wasClosed = isClosed.withLock { isClosed in
      defer { isClosed = true }
      return isClosed
    }
    guard !wasClosed else { return }
    let (connection, pool) = (connection, pool)
    // A task that was cancelled could not end the transaction.
    await Task { await pool.takeBack(connection) }.value
  }

  /// The pages that changed after `position` and are still there: every page for 0, and never none when anything was
  /// committed, since a commit can change nothing but counters.
  package func changedPages(since position: Int64) async throws -> ChangedPages {
    let image = state.image
    guard position > 0 else { return .all(pageCount: image.pageCount) }
    return try await run { container in
      var pages = ChangedPages(pageCount: image.pageCount)
      try ChangeLog.forEachCommit(since: position, container) { pages.formUnion($0) }
      if pages.count == 0, position < image.position { pages.formUnion([1]) }
      return pages
    }
  }

  /// The content of pages, as it leaves the server: that of page 1 with the counters of the snapshot, that of the page which
  /// SQLite never writes as zeros.
  ///
  /// - Parameter numbers: ascending, pages of the image; ``runLength`` of them at a time keep memory small.
  /// - Throws: `.damaged` when a page is missing or not authentic; `.closed`, `.cancelled`.
  package func read(_ numbers: [UInt32]) async throws -> [Page] {
    let image = state.image
    return try await run { container in
      var pages: [Page] = []
      pages.reserveCapacity(numbers.count)
      var start = numbers.startIndex
      while start < numbers.endIndex {
        var end = start + 1
        while end < numbers.endIndex, numbers[end] == numbers[end - 1] &+ 1 { end += 1 }
        try Self.read(numbers[start..<end], image, into: &pages, container)
        start = end
      }
      return pages
    }
  }

  private static let sql = """
    SELECT head.page, head.data, tail.data FROM head JOIN tail USING (page) WHERE head.page BETWEEN ? AND ?
    ORDER BY head.page
    """

  /// Reads consecutive pages.
  private static func read(
    _ numbers: ArraySlice<UInt32>, _ image: ImageState, into pages: inout [Page], _ container: Session
  ) throws {
    guard let first = numbers.first, let last = numbers.last else { return }
    var next = first
    func skipUnwritten(before page: UInt32) {
      guard next < page, next == StoreFormat.lockBytePage else { return }
      pages.append(Page(number: next, bytes: [UInt8](repeating: 0, count: StoreFormat.pageByteCount)))
      next += 1
    }
    try container.forEachRow(sql, [.integer(Int64(first)), .integer(Int64(last))]) { row in
      guard let page = row[0].integer.flatMap(UInt32.init(exactly:)), var bytes = row[1].blob, let tail = row[2].blob,
        bytes.count == StoreFormat.headByteCount, tail.count == StoreFormat.tailByteCount
      else { throw missing(next, container.path) }
      skipUnwritten(before: page)
      guard page == next else { throw missing(next, container.path) }
      bytes += tail
      if page == 1 { ImageHeader.send(&bytes, image) }
      pages.append(Page(number: page, bytes: bytes))
      next = page &+ 1
    }
    skipUnwritten(before: last &+ 1)
    guard next == last &+ 1 else { throw missing(next, container.path) }
  }

  private static func missing(_ page: UInt32, _ path: String) -> EncryptedStorageError {
    EncryptedStorageError(
      .damaged, operation: "read", file: path, detail: "page \(page) of the image is missing or not whole",
      hint: "run albergue-crypt verify")
  }

  /// Runs `body` in the snapshot.
  private func run<T: Sendable>(_ body: @escaping @Sendable (Session) throws -> T) async throws -> T {
    try await connection.run { [self] container in
      // Looked at on the connection's own queue: what ends the transaction comes after the mark.
      guard !isClosed.withLock({ $0 }) else {
        throw EncryptedStorageError(.closed, operation: "read", file: container.path, detail: "the snapshot is closed")
      }
      return try body(container)
    }
  }
}
