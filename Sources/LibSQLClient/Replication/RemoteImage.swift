internal import LibSQLProtocol

/// A whole database at one position, page run by page run: the first pull of a replica.
///
/// It ends only when every page has come: a body that is cut, or leaves pages out, is an error. To be read once, by one
/// task.
public struct RemoteImage: AsyncSequence, Sendable {
  /// A run of pages, at most ``ReplicationStream/runLengthMax``, in any order.
  public typealias Element = [RemotePage]
  /// Why it stopped.
  public typealias Failure = RemoteError

  /// The position of the image.
  public let position: ReplicationPosition
  /// Pages of it; 0 for a database that has none yet.
  public let pageCount: UInt32
  private let source: any ImageSource
  /// What has to come; nil for everything.
  private let missing: [ClosedRange<UInt32>]?

  init(
    position: ReplicationPosition, pageCount: UInt32, source: any ImageSource, missing: [ClosedRange<UInt32>]? = nil
  ) {
    self.position = position
    self.pageCount = pageCount
    self.source = source
    self.missing = missing
  }

  /// Goes on with the pages.
  public func makeAsyncIterator() -> Iterator {
    Iterator(source: source, tally: PageTally(pageCount: pageCount, missing: missing))
  }

  /// One reading.
  public struct Iterator: AsyncIteratorProtocol, Sendable {
    fileprivate var source: any ImageSource
    fileprivate var tally: PageTally

    /// The next run, nil when all pages have come.
    public mutating func next() async throws(RemoteError) -> [RemotePage]? {
      guard let run = try await source.next() else {
        guard let missing = tally.firstMissing else { return nil }
        throw source.failure("\(tally.missingCount) of \(tally.pageCount) pages did not come, the first is \(missing)")
      }
      for page in run where !tally.insert(page.number) {
        throw source.failure("page \(page.number), of a database of \(tally.pageCount) pages")
      }
      return run
    }

    /// As ``next()``.
    public mutating func next(isolation actor: isolated (any Actor)?) async throws(RemoteError) -> [RemotePage]? {
      try await next()
    }
  }
}

/// Makes the runs of an image.
protocol ImageSource: Sendable {
  mutating func next() async throws(RemoteError) -> [RemotePage]?
  /// An answer that contradicts itself.
  func failure(_ detail: String) -> RemoteError
}

/// Which pages of an image have come: one bit for each.
struct PageTally: Sendable {
  /// The page with SQLite's lock byte, which exists in files of more than 1 GiB and is never written.
  /// Source: https://www.sqlite.org/fileformat2.html#the_lock_byte_page
  static let lockBytePage: UInt32 = (1 << 30) / 4096 + 1

  let pageCount: UInt32
  private var bits: [UInt64]
  private(set) var missingCount: UInt32

  /// - Parameter missing: ranges of pages that have to come, without overlaps; nil for all.
  init(pageCount: UInt32, missing: [ClosedRange<UInt32>]? = nil) {
    self.pageCount = pageCount
    bits = Array(repeating: missing == nil ? 0 : .max, count: (Int(pageCount) + 63) / 64)
    missingCount = pageCount
    if let missing {
      missingCount = missing.reduce(0) { $0 + UInt32($1.count) }
      for page in missing.lazy.joined() { bits[Int(page - 1) / 64] &= ~(1 << UInt64((page - 1) % 64)) }
    }
    // A server need not send what nobody reads.
    if pageCount >= Self.lockBytePage { insert(Self.lockBytePage) }
  }

  /// Notes a page.
  ///
  /// - Returns: false for one that the database does not have.
  @discardableResult
  mutating func insert(_ number: UInt32) -> Bool {
    guard number > 0, number <= pageCount else { return false }
    let (word, bit) = (Int(number - 1) / 64, UInt64(1) << UInt64((number - 1) % 64))
    if bits[word] & bit == 0 {
      bits[word] |= bit
      missingCount -= 1
    }
    return true
  }

  var firstMissing: UInt32? {
    guard missingCount > 0, let word = bits.firstIndex(where: { $0 != .max }) else { return nil }
    return UInt32(word * 64 + (~bits[word]).trailingZeroBitCount) + 1
  }
}
