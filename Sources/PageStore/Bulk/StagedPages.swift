internal import CSQLCipher
internal import EncryptedStorage
internal import Synchronization

/// The pages of an image that has just been written, read from where ``BulkLayout`` puts them: for the one check before it
/// is published, which SQLite makes over a mount of them.
///
/// Through SQLCipher each page would cost two searches, and contexts of OpenSSL made anew. Here pages that follow one
/// another are read and decrypted a stretch at a time, on all cores. Every stored page is authenticated when a run of it is
/// read first. `quick_check` reads the pages of a table twice; the second time they are decrypted only, since what it could
/// find then is found by every reader afterwards, who authenticates what it reads.
///
/// Not Sendable: belongs to one mounted image.
final class StagedPages {
  /// Where the pages are.
  struct Source: Sendable {
    let path: String
    let keys: PageKeys
    let layout: BulkLayout
  }

  private let source: Source
  private let reader: StagedPageReader
  /// By run: whether all of its stored pages have been authenticated.
  private var isAuthenticated: [Bool]
  /// Runs that were read, and in which order.
  private var runs: [Int: [UInt8]] = [:]
  private var runsInOrder: [Int] = []

  // How SQLite has asked for pages that were not there: `quick_check` goes through a tree from its end, through a table from
  // its beginning.
  private var lastIndex = 0
  /// 1 upwards, -1 downwards.
  private var direction = 1
  private var followingCount = 0
  /// The run that follows the last stretch, in its direction, and how many runs that had.
  private var stretch: (next: Int, direction: Int, length: Int)?

  /// Pages of a run: 256 KiB.
  static let runLength = 64
  /// Runs of a stretch at most: 1 MiB.
  private static let stretchLengthMax = 4
  /// Runs that are kept: 2 MiB.
  private static let keptRunCount = 2 * stretchLengthMax
  /// How far apart pages may be that still follow one another: an index grows between the pages of its table.
  private static let gapMax = 8
  /// Pages that have to follow one another before a run is read.
  private static let followingCountMin = 3

  init(_ source: Source) throws(EncryptedStorageError) {
    self.source = source
    reader = try StagedPageReader(source)
    isAuthenticated = Array(
      repeating: false, count: (source.layout.storedPageCount + Self.runLength - 1) / Self.runLength)
  }

  /// Fills `target`, 4096 bytes.
  ///
  /// - Returns: a result code of SQLite: `SQLITE_NOTFOUND` for a page that is not stored, `SQLITE_NOTADB` for one that is not
  ///   authentic or not as it was written.
  func read(_ page: UInt32, into target: inout MutableRawSpan) -> Int32 {
    guard page > 0, page != StoreFormat.lockBytePage else { return SQLITE_NOTFOUND }
    let index = source.layout.index(of: page)
    guard index < source.layout.storedPageCount else { return SQLITE_NOTFOUND }
    do throws(EncryptedStorageError) {
      let run = index / Self.runLength
      if runs[run] == nil { try load(index, run) }
      if let bytes = runs[run] {
        let start = (index - run * Self.runLength) * StoreFormat.pageByteCount
        RawSpanSource(bytes: bytes, range: start..<(start + StoreFormat.pageByteCount)).copy(to: &target, at: 0)
      } else {
        let bytes = try reader.pages(index..<(index + 1), authenticating: true)
        RawSpanSource(bytes: bytes, range: bytes.indices).copy(to: &target, at: 0)
      }
      return SQLITE_OK
    } catch {
      return error.resultCode ?? SQLITE_NOTADB
    }
  }

  /// Reads a stretch from `run` on, upwards or downwards, if pages are being asked for one after the other.
  private func load(_ index: Int, _ run: Int) throws(EncryptedStorageError) {
    let step = index - lastIndex
    lastIndex = index
    var (toward, length) = (direction, 1)
    if let stretch, stretch.next == run {
      (toward, length) = (stretch.direction, min(Self.stretchLengthMax, stretch.length * 2))
    } else {
      followingCount = abs(step) <= Self.gapMax && step.signum() == direction ? followingCount + 1 : 0
      if followingCount == 0, step != 0 { direction = step.signum() }
      guard followingCount >= Self.followingCountMin else { return }
      toward = direction
    }
    stretch = (run + length * toward, toward, length)
    let wanted = (0..<length).map { run + $0 * toward }.filter {
      isAuthenticated.indices.contains($0) && runs[$0] == nil
    }
    for (run, bytes) in try read(wanted) {
      runs[run] = bytes
      runsInOrder.append(run)
      isAuthenticated[run] = true
    }
    while runsInOrder.count > Self.keptRunCount { runs[runsInOrder.removeFirst()] = nil }
  }

  private func read(_ wanted: [Int]) throws(EncryptedStorageError) -> [(run: Int, bytes: [UInt8])] {
    let (source, isAuthenticated) = (source, isAuthenticated)
    let read = Mutex<[(run: Int, bytes: [UInt8])]>([])
    // One run is one chunk.
    try ParallelChunks.forEach(
      pageCount: UInt32(wanted.count), pageSize: ParallelChunks.chunkByteCount, cancellation: Cancellation(),
      operation: "bootstrap",
      makeWorker: { () throws(EncryptedStorageError) in try StagedPageReader(source) },
      work: { (reader, places) throws(EncryptedStorageError) in
        for place in places {
          let run = wanted[Int(place) - 1]
          let end = min((run + 1) * Self.runLength, source.layout.storedPageCount)
          let bytes = try reader.pages((run * Self.runLength)..<end, authenticating: !isAuthenticated[run])
          read.withLock { $0.append((run, bytes)) }
        }
      })
    return read.withLock { $0 }.sorted { $0.run < $1.run }
  }
}

/// Reads and decrypts pages of an image. One for each thread.
private struct StagedPageReader {
  private let source: StagedPages.Source
  private let file: RawDatabaseFile
  private let codec: PageCodec
  private let heads = PageBuffer(byteCount: StagedPages.runLength * StoreFormat.pageByteCount)
  private let tails: PageBuffer

  init(_ source: StagedPages.Source) throws(EncryptedStorageError) {
    self.source = source
    file = try RawDatabaseFile(path: source.path)
    codec = try PageCodec(source.keys)
    // A run may begin and end inside a leaf.
    let leafCount = StagedPages.runLength / BulkLayout.tailsPerLeaf + 2
    tails = PageBuffer(byteCount: leafCount * StoreFormat.pageByteCount)
  }

  /// Pages one after the other, 4096 bytes each.
  ///
  /// - Parameter range: of indices, at most ``StagedPages/runLength``.
  /// - Throws: `.damaged` for a page that is not authentic or not as it was written; what reading throws.
  func pages(_ range: Range<Int>, authenticating: Bool) throws(EncryptedStorageError) -> [UInt8] {
    let layout = source.layout
    let perLeaf = BulkLayout.tailsPerLeaf
    let leaves = (range.lowerBound / perLeaf)..<((range.upperBound - 1) / perLeaf + 1)
    try load(range, of: layout.heads, into: heads, authenticating)
    try load(leaves, of: layout.tails, into: tails, authenticating)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(range.count * StoreFormat.pageByteCount)
    for index in range {
      let leaf = index / perLeaf
      try append(
        layout.page(at: index), from: heads, at: index - range.lowerBound, place: 0, StoreFormat.headByteCount,
        to: &bytes)
      try append(
        layout.page(at: index), from: tails, at: leaf - leaves.lowerBound, place: index - leaf * perLeaf,
        StoreFormat.tailByteCount, to: &bytes)
    }
    return bytes
  }

  /// Fills `buffer` with leaves of `tree`, decrypted.
  private func load(
    _ leaves: Range<Int>, of tree: BulkLayout.Tree, into buffer: PageBuffer, _ authenticating: Bool
  ) throws(EncryptedStorageError) {
    let size = StoreFormat.pageByteCount
    let geometry = PageGeometry(pageSize: size)
    var start = leaves.lowerBound
    while start < leaves.upperBound {
      // Leaves lie in a row, but for the page that SQLite never writes.
      let first = source.layout.leaf(start, of: tree)
      var end = start + 1
      while end < leaves.upperBound, source.layout.leaf(end, of: tree) == first + UInt32(end - start) { end += 1 }
      let offset = (start - leaves.lowerBound) * size
      try buffer.withMutableSpan(offset..<(offset + (end - start) * size)) { (span) throws(EncryptedStorageError) in
        guard try file.read(into: &span, at: geometry.offset(of: first)) else { throw damaged(first) }
      }
      for leaf in start..<end {
        let number = first + UInt32(leaf - start)
        let offset = (leaf - leaves.lowerBound) * size
        try buffer.withMutableSpan(offset..<(offset + size)) { (page) throws(EncryptedStorageError) in
          if authenticating { guard codec.isAuthentic(page.bytes, number: number) else { throw damaged(number) } }
          try codec.decrypt(&page, number: number)
        }
      }
      start = end
    }
  }

  /// Appends the content of a row.
  ///
  /// - Parameters:
  ///   - leaf: place of the leaf in the buffer.
  ///   - place: of the row on the leaf.
  private func append(
    _ row: UInt32, from buffer: PageBuffer, at leaf: Int, place: Int, _ byteCount: Int, to bytes: inout [UInt8]
  ) throws(EncryptedStorageError) {
    let size = StoreFormat.pageByteCount
    try buffer.withSpan((leaf * size)..<((leaf + 1) * size)) { (page) throws(EncryptedStorageError) in
      guard let found = TablePage.row(at: place, of: page, byteCount: byteCount), found.row == row else {
        throw damaged(row)
      }
      unsafe page.extracting(found.offset..<(found.offset + byteCount)).withUnsafeBytes {
        unsafe bytes.append(contentsOf: $0)
      }
    }
  }

  private func damaged(_ page: UInt32) -> EncryptedStorageError {
    EncryptedStorageError(
      .damaged, operation: "bootstrap", file: source.path, detail: "page \(page) is not as it was written",
      hint: "pull again; if it stays, look at the disk")
  }
}
