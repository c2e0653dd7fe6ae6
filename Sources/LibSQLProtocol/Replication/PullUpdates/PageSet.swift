/// A set of pages, as `server_pages_selector` has it. Numbers count from 0: page 1 of SQLite is 0 here.
///
/// Kept as ascending ranges that do not touch: a selector is a few runs of pages.
public struct PageSet: Sendable, Hashable {
  /// Ascending, with at least one number between two of them.
  public private(set) var ranges: [ClosedRange<UInt32>] = []

  /// No pages.
  public init() {}

  /// The pages in `ranges`, which may overlap and come in any order.
  public init(_ ranges: some Sequence<ClosedRange<UInt32>>) {
    for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) { append(range) }
  }

  /// The pages in `numbers`, in any order.
  public init(numbers: some Sequence<UInt32>) { self.init(numbers.map { $0...$0 }) }

  /// Adds a range that begins no earlier than the last one did.
  mutating func append(_ range: ClosedRange<UInt32>) {
    guard let last = ranges.last, UInt64(range.lowerBound) <= UInt64(last.upperBound) + 1 else {
      ranges.append(range)
      return
    }
    ranges[ranges.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
  }

  /// Whether no page is in it. On the wire that means: all pages.
  public var isEmpty: Bool { ranges.isEmpty }
  /// How many pages.
  public var count: UInt64 { ranges.reduce(0) { $0 + UInt64($1.upperBound - $1.lowerBound) + 1 } }

  /// Whether a page is in it. Takes steps in the order of the logarithm of the number of ranges.
  public func contains(_ page: UInt32) -> Bool {
    var (low, high) = (0, ranges.count)
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].upperBound < page { low = middle + 1 } else { high = middle }
    }
    return low < ranges.count && ranges[low].contains(page)
  }
}
