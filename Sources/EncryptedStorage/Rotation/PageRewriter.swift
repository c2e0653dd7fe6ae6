internal import EncryptionKeys
internal import Synchronization

/// Writes the pages of a file into a new one under other keys of the same format: each page authenticated, decrypted,
/// encrypted under a fresh initialization vector, on all cores.
package struct PageRewriter: Sendable {
  package let source: String
  package let sourceKeys: PageKeys
  package let targetKeys: PageKeys
  package let pageCount: UInt32
  package var progress: Progress?
  package var cancellation = Cancellation()

  /// The formats must be equal: page size and reserve decide where a page's bytes lie.
  package init(source: String, sourceKeys: PageKeys, targetKeys: PageKeys, pageCount: UInt32) {
    precondition(sourceKeys.format == targetKeys.format, "a change of format is a logical copy")
    self.source = source
    self.sourceKeys = sourceKeys
    self.targetKeys = targetKeys
    self.pageCount = pageCount
  }

  /// Blocks until all pages are written, not yet synchronized.
  ///
  /// - Throws: `.damaged` with the pages that are not authentic; `.diskFull`, `.inputOutput`, `.cancelled`.
  package func write(to target: OutputFile) throws(EncryptedStorageError) {
    let geometry = PageGeometry(pageSize: sourceKeys.format.pageSize)
    let flawed = Mutex<[UInt32]>([])
    progress?.begin(total: Int64(pageCount) * Int64(geometry.pageSize))
    try target.truncate(to: Int64(pageCount) * Int64(geometry.pageSize))
    try ParallelChunks.forEach(
      pageCount: pageCount, pageSize: geometry.pageSize, cancellation: cancellation, operation: "rekey",
      makeWorker: { () throws(EncryptedStorageError) in try Worker(self) },
      work: { (worker, pages) throws(EncryptedStorageError) in
        let bad = try worker.rewrite(pages, to: target)
        if !bad.isEmpty { flawed.withLock { $0 += bad } }
        progress?.advance(by: Int64(pages.count) * Int64(geometry.pageSize))
      })
    let pages = flawed.withLock { $0.sorted() }
    guard pages.isEmpty else {
      throw EncryptedStorageError(
        .damaged, operation: "rekey", file: source,
        detail: "\(pages.count) of \(pageCount) pages are not authentic, first page \(pages[0]); nothing was changed",
        hint: "run albergue-crypt verify for the list, then albergue-crypt recover")
    }
  }

  private struct Worker {
    let file: RawDatabaseFile
    let sourceCodec: PageCodec
    let targetCodec: PageCodec
    let buffer: PageBuffer
    let vectors: PageBuffer
    let geometry: PageGeometry

    init(_ rewriter: PageRewriter) throws(EncryptedStorageError) {
      geometry = PageGeometry(pageSize: rewriter.sourceKeys.format.pageSize)
      file = try RawDatabaseFile(path: rewriter.source)
      sourceCodec = try PageCodec(rewriter.sourceKeys)
      targetCodec = try PageCodec(rewriter.targetKeys)
      buffer = PageBuffer(byteCount: max(ParallelChunks.chunkByteCount, geometry.pageSize))
      vectors = PageBuffer(
        byteCount: max(1, ParallelChunks.chunkByteCount / geometry.pageSize) * PageCodec.initializationVectorByteCount)
    }

    /// - Returns: pages that are not authentic.
    func rewrite(_ pages: ClosedRange<UInt32>, to target: OutputFile) throws(EncryptedStorageError) -> [UInt32] {
      let size = geometry.pageSize
      let vectorSize = PageCodec.initializationVectorByteCount
      let whole = 0..<(pages.count * size)
      try buffer.withMutableSpan(whole) { (span) throws(EncryptedStorageError) in
        _ = try file.read(into: &span, at: geometry.offset(of: pages.lowerBound))
      }
      try vectors.withMutableSpan(0..<(pages.count * vectorSize)) { (span) throws(EncryptedStorageError) in
        try PageCodec.randomBytes(into: &span)
      }
      var flawed: [UInt32] = []
      for page in pages {
        let index = Int(page - pages.lowerBound)
        let range = (index * size)..<((index + 1) * size)
        // The lock-byte page has no content and stays as it is, zero.
        if page == geometry.lockBytePage { continue }
        guard buffer.withSpan(range, { sourceCodec.isAuthentic($0, number: page) }) else {
          flawed.append(page)
          continue
        }
        let vectorRange = (index * vectorSize)..<((index + 1) * vectorSize)
        try buffer.withMutableSpan(range) { (span) throws(EncryptedStorageError) in
          try sourceCodec.decrypt(&span, number: page)
          try vectors.withSpan(vectorRange) { (vector) throws(EncryptedStorageError) in
            try targetCodec.encrypt(&span, number: page, initializationVector: vector)
          }
        }
      }
      if flawed.isEmpty {
        try buffer.withSpan(whole) { (span) throws(EncryptedStorageError) in
          try target.write(span, at: geometry.offset(of: pages.lowerBound))
        }
        target.startWriteback(of: pages.count * size, at: geometry.offset(of: pages.lowerBound))
      }
      return flawed
    }
  }
}
