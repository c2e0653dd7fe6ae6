internal import LibSQLClient
internal import PageStore

/// Puts the pages of a pull together to changes that end where transactions of the remote end: one, or several small ones.
///
/// Holds the newest version of each page, and no more of them than the limits allow.
struct ChangeCollector {
  /// What brings an image to a later position.
  struct Change {
    var position: Int64
    var pageCount: UInt32
    var pages: [UInt32: [UInt8]] = [:]

    fileprivate var byteCount: Int { pages.count * RemotePageFormat.byteCount }
  }

  private let limits: ReplicaSettings.Limits
  /// Of the image, as far as transactions have ended.
  private var pageCount: UInt32
  private var merged: Change?
  /// Pages of the transaction that is under way.
  private var pending: [UInt32: [UInt8]] = [:]

  init(pageCount: UInt32, limits: ReplicaSettings.Limits) {
    self.pageCount = pageCount
    self.limits = limits
  }

  /// Adds pages to the transaction that is under way.
  ///
  /// - Throws: ``SyncError`` `.transactionTooLarge`.
  mutating func add(_ run: [RemotePage]) throws(SyncError) {
    for page in run { pending[page.number] = page.bytes }
    guard pending.count * RemotePageFormat.byteCount <= limits.transactionByteCount else {
      throw SyncError(
        .transactionTooLarge,
        "a transaction of the remote has more than \(limits.transactionByteCount >> 20) MiB of pages",
        hint: "give turso-sync a higher --max-transaction-mib, or pull a new replica")
    }
  }

  /// Forgets the transaction that is under way.
  mutating func discard() { pending = [:] }

  /// Ends the transaction.
  ///
  /// - Returns: what is to be applied now, in order. The transaction itself may stay here, to be merged with later ones.
  mutating func commit(_ position: Int64, pageCount: UInt32) -> [Change] {
    var ready: [Change] = []
    // Pages that an image has lost and got again are new ones; merging would hide that they have to come.
    if let former = merged, pageCount < former.pageCount {
      ready.append(former)
      merged = nil
    }
    var change = merged ?? Change(position: position, pageCount: pageCount)
    change.position = position
    change.pageCount = pageCount
    for (number, bytes) in pending where number <= pageCount { change.pages[number] = bytes }
    pending = [:]
    self.pageCount = pageCount
    if change.byteCount >= limits.batchByteCount {
      ready.append(change)
      merged = nil
    } else {
      merged = change
    }
    return ready
  }

  /// Moves the position without changing a page.
  mutating func move(to position: Int64) {
    if merged == nil { merged = Change(position: position, pageCount: pageCount) }
    merged?.position = position
  }

  /// What is left at the end of a pull; a transaction that has not ended is forgotten.
  mutating func finish() -> Change? {
    pending = [:]
    defer { merged = nil }
    return merged
  }
}

/// Pages of libSQL and Turso.
enum RemotePageFormat {
  /// No remote has another size.
  static let byteCount = 4096
  /// The page with SQLite's lock byte, which is never written.
  /// Source: https://www.sqlite.org/fileformat2.html#the_lock_byte_page
  static let lockBytePage = UInt32((1 << 30) / byteCount + 1)
}
