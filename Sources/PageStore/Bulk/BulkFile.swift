internal import EncryptedStorage
internal import EncryptionKeys

/// Writes the pages of an image straight into a container file that nobody else reads yet: encrypted on all cores, each
/// once, without a log.
///
/// A row in `tail` says that its page is there: heads are written before tails, and before a page is written anew, its tail
/// is taken away. So what a killed process leaves is whole pages and missing ones, never half of one version and half of
/// another. After a power cut, when writes may be lost in any order, the file is not trusted (`Bootstrap`).
///
/// Not Sendable: belongs to one bootstrap.
final class BulkFile {
  let path: String
  private let keys: PageKeys
  private let layout: BulkLayout
  private let output: OutputFile
  private let stored: RawDatabaseFile
  private let codec: PageCodec
  /// Which pages are there, by index.
  private var present: [Bool]

  private static let pageByteCount = StoreFormat.pageByteCount
  private static let wholePage = 0..<StoreFormat.pageByteCount
  private static let headRange = 0..<StoreFormat.headByteCount
  private static let tailRange = StoreFormat.headByteCount..<StoreFormat.pageByteCount

  /// Opens a container that has the empty tables of a store and, behind them, what earlier runs have written.
  init(path: String, keys: PageKeys, layout: BulkLayout) throws(EncryptedStorageError) {
    self.path = path
    self.keys = keys
    self.layout = layout
    output = try OutputFile(opening: path)
    stored = try RawDatabaseFile(path: path)
    codec = try PageCodec(keys)
    present = [Bool](repeating: false, count: layout.storedPageCount)
    try findPresentPages()
  }

  /// The ranges of pages that are not there, ascending.
  var missingPages: [ClosedRange<UInt32>] {
    var ranges: [ClosedRange<UInt32>] = []
    for index in present.indices where !present[index] {
      let page = layout.page(at: index)
      if let last = ranges.last, last.upperBound &+ 1 == page {
        ranges[ranges.count - 1] = last.lowerBound...page
      } else {
        ranges.append(page...page)
      }
    }
    return ranges
  }

  // MARK: - Pages

  /// Writes pages; of several with one number the last counts. Numbers and lengths must have been checked.
  func write(_ pages: [Page], _ cancellation: Cancellation) throws(EncryptedStorageError) {
    let pages = Page.newest(of: pages)
    guard let first = pages.first, let last = pages.last else { return }
    let leaves =
      layout.index(of: first.number) / BulkLayout.tailsPerLeaf...layout.index(of: last.number)
      / BulkLayout.tailsPerLeaf
    if pages.contains(where: { present[layout.index(of: $0.number)] }) {
      try writeTails(leaves, of: pages, keepsNew: false)
    }
    try writeHeads(pages, cancellation)
    try writeTails(leaves, of: pages, keepsNew: true)
    for page in pages { present[layout.index(of: page.number)] = true }
  }

  private func writeHeads(_ pages: [Page], _ cancellation: Cancellation) throws(EncryptedStorageError) {
    let (keys, layout, output) = (keys, layout, output)
    try ParallelChunks.forEach(
      pageCount: UInt32(pages.count), pageSize: Self.pageByteCount, cancellation: cancellation, operation: "bootstrap",
      makeWorker: { () throws(EncryptedStorageError) in try BulkWorker(keys, output) },
      work: { (worker, range) throws(EncryptedStorageError) in
        for index in (Int(range.lowerBound) - 1)...(Int(range.upperBound) - 1) {
          let page = pages[index]
          let target = layout.leaf(layout.index(of: page.number), of: layout.heads)
          try worker.add(target) { (span, usableByteCount) in
            TablePage.fillLeaf(
              &span, usableByteCount: usableByteCount,
              [(page.number, RawSpanSource(bytes: page.bytes, range: Self.headRange))])
          }
        }
        try worker.flush()
      })
  }

  /// Writes the leaves of `tail` for pages, together with the rows that are on them already.
  ///
  /// - Parameter keepsNew: false takes the rows of `pages` away instead.
  private func writeTails(
    _ leaves: ClosedRange<Int>, of pages: [Page], keepsNew: Bool
  ) throws(EncryptedStorageError) {
    var worker = try BulkWorker(keys, output)
    var position = 0
    for leaf in leaves {
      let end = (leaf + 1) * BulkLayout.tailsPerLeaf
      var new: [(row: UInt32, content: RawSpanSource)] = []
      while position < pages.count, layout.index(of: pages[position].number) < end {
        new.append((pages[position].number, RawSpanSource(bytes: pages[position].bytes, range: Self.tailRange)))
        position += 1
      }
      guard !new.isEmpty else { continue }
      let numbers = Set(new.map(\.row))
      var rows = keepsNew ? new : []
      let range = (leaf * BulkLayout.tailsPerLeaf)..<min(end, layout.storedPageCount)
      if new.count < range.count, present[range].contains(true) {
        for (row, content) in try tails(onLeaf: leaf) ?? [] where !numbers.contains(row) {
          rows.append((row, RawSpanSource(bytes: content, range: content.indices)))
        }
        rows.sort { $0.row < $1.row }
      }
      try worker.add(layout.leaf(leaf, of: layout.tails)) { (span, usableByteCount) in
        TablePage.fillLeaf(&span, usableByteCount: usableByteCount, rows)
      }
    }
    try worker.flush()
  }

  // MARK: - What is there

  private func findPresentPages() throws(EncryptedStorageError) {
    for leaf in 0..<layout.tails.leafCount {
      for (row, _) in try tails(onLeaf: leaf) ?? [] {
        let index = layout.index(of: row)
        guard index / BulkLayout.tailsPerLeaf == leaf, present.indices.contains(index) else { continue }
        present[index] = true
      }
    }
  }

  /// Nil for a leaf that was not written, or not by us.
  private func tails(onLeaf leaf: Int) throws(EncryptedStorageError) -> [(row: UInt32, content: [UInt8])]? {
    let number = layout.leaf(leaf, of: layout.tails)
    let buffer = PageBuffer(byteCount: Self.pageByteCount)
    return try buffer.withMutableSpan(Self.wholePage) { (span) throws(EncryptedStorageError) in
      let offset = PageGeometry(pageSize: Self.pageByteCount).offset(of: number)
      guard try stored.read(into: &span, at: offset), codec.isAuthentic(span.bytes, number: number) else { return nil }
      try codec.decrypt(&span, number: number)
      return TablePage.rows(of: span.bytes, byteCount: StoreFormat.tailByteCount)
    }
  }

  // MARK: - The end

  /// Writes what lies above the leaves, and the size into the header; then the container is a whole database.
  func complete() throws(EncryptedStorageError) {
    var worker = try BulkWorker(keys, output)
    let heads = layout.interiorPages(of: layout.heads) { $0 }
    let tails = layout.interiorPages(of: layout.tails) { layout.lastTail(onLeaf: $0) }
    for page in heads + tails {
      try worker.add(page.number) { (span, usableByteCount) in
        TablePage.fillInterior(&span, usableByteCount: usableByteCount, page.children)
      }
    }
    try worker.flush()
    try writeHeader()
    try output.truncate(
      to: Int64(layout.containerPageCount) * Int64(Self.pageByteCount))
  }

  private func writeHeader() throws(EncryptedStorageError) {
    let buffer = PageBuffer(byteCount: Self.pageByteCount)
    let vector = PageBuffer(byteCount: PageCodec.initializationVectorByteCount)
    let path = path
    try vector.withMutableSpan(0..<PageCodec.initializationVectorByteCount) { (span) throws(EncryptedStorageError) in
      try PageCodec.randomBytes(into: &span)
    }
    try buffer.withMutableSpan(Self.wholePage) { (span) throws(EncryptedStorageError) in
      guard try stored.read(into: &span, at: 0), codec.isAuthentic(span.bytes, number: 1) else {
        throw EncryptedStorageError(
          .damaged, operation: "bootstrap", file: path, detail: "page 1 is not authentic", hint: "begin again")
      }
      try codec.decrypt(&span, number: 1)
      let counter = ImageHeader.changeCounter(span.bytes) &+ 1
      span.storeBytes(of: counter.bigEndian, toByteOffset: ImageHeader.changeCounterOffset, as: UInt32.self)
      span.storeBytes(of: counter.bigEndian, toByteOffset: ImageHeader.validForOffset, as: UInt32.self)
      span.storeBytes(
        of: layout.containerPageCount.bigEndian, toByteOffset: ImageHeader.pageCountOffset, as: UInt32.self)
      try vector.withSpan(0..<PageCodec.initializationVectorByteCount) { (vector) throws(EncryptedStorageError) in
        try codec.encrypt(&span, number: 1, initializationVector: vector)
      }
      try output.write(span.bytes, at: 0)
    }
  }
}

/// Encrypts pages and writes those that lie in a row together. One for each thread.
private struct BulkWorker {
  private let codec: PageCodec
  private let output: OutputFile
  private let usableByteCount: Int
  private let pages = PageBuffer(byteCount: ParallelChunks.chunkByteCount)
  private let vectors = PageBuffer(byteCount: Self.capacity * PageCodec.initializationVectorByteCount)
  private var first: UInt32 = 0
  private var count = 0

  private static let capacity = ParallelChunks.chunkByteCount / StoreFormat.pageByteCount

  init(_ keys: PageKeys, _ output: OutputFile) throws(EncryptedStorageError) {
    codec = try PageCodec(keys)
    self.output = output
    usableByteCount = StoreFormat.pageByteCount - keys.format.reserve
    try vectors.withMutableSpan(0..<vectors.byteCount) { (span) throws(EncryptedStorageError) in
      try PageCodec.randomBytes(into: &span)
    }
  }

  /// Adds a page of the container, which `fill` makes.
  mutating func add(
    _ number: UInt32, _ fill: (inout MutableRawSpan, Int) -> Void
  ) throws(EncryptedStorageError) {
    if count == Self.capacity || (count > 0 && number != first &+ UInt32(count)) { try flush() }
    if count == 0 { first = number }
    let size = StoreFormat.pageByteCount
    let vectorSize = PageCodec.initializationVectorByteCount
    try pages.withMutableSpan((count * size)..<((count + 1) * size)) { (page) throws(EncryptedStorageError) in
      fill(&page, usableByteCount)
      try vectors.withSpan((count * vectorSize)..<((count + 1) * vectorSize)) {
        (vector) throws(EncryptedStorageError) in
        try codec.encrypt(&page, number: number, initializationVector: vector)
      }
    }
    count += 1
  }

  /// Writes what was added.
  mutating func flush() throws(EncryptedStorageError) {
    guard count > 0 else { return }
    let offset = PageGeometry(pageSize: StoreFormat.pageByteCount).offset(of: first)
    let byteCount = count * StoreFormat.pageByteCount
    try pages.withSpan(0..<byteCount) { (span) throws(EncryptedStorageError) in try output.write(span, at: offset) }
    output.startWriteback(of: byteCount, at: offset)
    count = 0
    // Each vector is used once.
    try vectors.withMutableSpan(0..<vectors.byteCount) { (span) throws(EncryptedStorageError) in
      try PageCodec.randomBytes(into: &span)
    }
  }
}
