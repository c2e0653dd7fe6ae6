internal import EncryptionKeys
internal import Synchronization

/// Which pages of an image are authentic, and under which key.
struct ImageCensus: Sendable {
  /// Stored pages that are authentic under no key. The lock-byte page, which has no content, never counts.
  private(set) var lost: PageSet
  private let image: DatabaseImage
  private(set) var authenticCounts: [KeyID: Int] = [:]

  /// Pages that are not authentic, or not there.
  var lostCount: Int { lost.count + image.missingPageCount }

  /// The smallest numbers of those, ascending.
  func lostPages(_ limit: Int) -> [UInt32] {
    let missing = image.storedPages.missing(upTo: image.pageCount, limit: limit + 1)
      .filter { $0 != image.geometry.lockBytePage }
    return Array((lost.prefix(limit) + missing).sorted().prefix(limit))
  }

  /// Looks at every stored page, on all cores; blocks.
  init(
    of image: DatabaseImage, progress: Progress?, cancellation: Cancellation
  ) throws(EncryptedStorageError) {
    let size = image.geometry.pageSize
    self.image = image
    lost = PageSet(pageCount: image.pageCount)
    let stored = image.storedPages
    progress?.step("authenticating")
    progress?.begin(total: Int64(stored.count) * Int64(size))
    let found = Mutex((lost: [UInt32](), counts: [Int](repeating: 0, count: image.keys.candidates.count)))
    try ParallelChunks.forEach(
      pageCount: UInt32(clamping: stored.count), pageSize: size, cancellation: cancellation, operation: "recover",
      makeWorker: { () throws(EncryptedStorageError) in (try PageReader(image), PageBuffer(byteCount: size)) },
      work: { (worker, pages) throws(EncryptedStorageError) in
        var lost: [UInt32] = []
        var counts = [Int](repeating: 0, count: image.keys.candidates.count)
        for place in pages {
          let page = stored[Int(place) - 1]
          guard page != image.geometry.lockBytePage else { continue }
          if let key = try worker.0.read(page, into: worker.1, at: 0) { counts[key] += 1 } else { lost.append(page) }
        }
        found.withLock { found in
          found.lost += lost
          for (index, count) in counts.enumerated() { found.counts[index] += count }
        }
        progress?.advance(by: Int64(pages.count) * Int64(size))
      })
    let result = found.withLock { $0 }
    for page in result.lost { lost.insert(page) }
    for (candidate, count) in zip(image.keys.candidates, result.counts) where count > 0 {
      authenticCounts[candidate.id, default: 0] += count
    }
  }
}
