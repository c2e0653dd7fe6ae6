package import EncryptionKeys
internal import Synchronization

/// Checks the MAC of every page of a database file, on all cores.
package struct PageScan: Sendable {
  /// Why a page is not what it should be.
  package enum Flaw: Sendable, Hashable {
    /// The MAC fits none of the keys: altered, torn, or of another file.
    case notAuthentic
    /// Every byte is zero. SQLCipher itself accepts such a page in auto-vacuum databases.
    case zeroed
    /// The MAC fits another of the given keys: what an interrupted in-place rekey leaves.
    case otherKey(KeyID)
  }

  /// What was found.
  package struct Result: Sendable {
    /// Whole pages in the file.
    package var pageCount: UInt32 = 0
    /// Bytes after the last whole page.
    package var trailingByteCount = 0
    /// Flawed pages in ascending order.
    package var flaws: [(page: UInt32, flaw: Flaw)] = []
    /// Flawed pages whose bytes look like plaintext SQLite.
    package var plaintextPages: [UInt32] = []
  }

  package let path: String
  package let keys: PageKeys
  /// Other keys to name when a page does not fit `keys`.
  package var otherKeys: [(id: KeyID, keys: PageKeys)] = []
  /// Reads a page again when it fails, because another process may be writing it.
  package var isLive = false
  /// Pages that the log replaces. What the file has of them is read by nobody, the next checkpoint writes over it, and a
  /// power cut during a checkpoint leaves them torn: their MACs do not count.
  package var replacedPages: Set<UInt32> = []
  /// Pages to check; nil for all that the file has.
  package var pageLimit: UInt32?
  package var progress: Progress?
  package var cancellation: Cancellation

  package init(path: String, keys: PageKeys, progress: Progress? = nil, cancellation: Cancellation = Cancellation()) {
    self.path = path
    self.keys = keys
    self.progress = progress
    self.cancellation = cancellation
  }

  /// Runs the scan on the calling thread and helpers; blocks.
  package func run() throws(EncryptedStorageError) -> Result {
    let geometry = PageGeometry(pageSize: keys.format.pageSize)
    let byteCount = try RawDatabaseFile(path: path).byteCount()
    var result = Result()
    result.pageCount = geometry.pageCount(ofBytes: byteCount)
    if !replacedPages.contains(result.pageCount + 1) {
      result.trailingByteCount = geometry.trailingByteCount(ofBytes: byteCount)
    }
    let pageCount = min(result.pageCount, pageLimit ?? .max)
    progress?.begin(total: Int64(pageCount) * Int64(geometry.pageSize))
    let found = Mutex<[(page: UInt32, flaw: Flaw, isPlaintext: Bool)]>([])
    try ParallelChunks.forEach(
      pageCount: pageCount, pageSize: geometry.pageSize, cancellation: cancellation, operation: "verify",
      makeWorker: { () throws(EncryptedStorageError) in try Worker(self) },
      work: { (worker, pages) throws(EncryptedStorageError) in
        let flawed = try worker.check(pages)
        if !flawed.isEmpty { found.withLock { $0 += flawed } }
        progress?.advance(by: Int64(pages.count) * Int64(geometry.pageSize))
      })
    let flawed = found.withLock { $0 }.sorted { $0.page < $1.page }
    result.flaws = flawed.filter { !replacedPages.contains($0.page) }.map { ($0.page, $0.flaw) }
    result.plaintextPages = flawed.filter(\.isPlaintext).map(\.page)
    return result
  }

  /// The same for a file that was just written: every page must read back as it was written.
  ///
  /// - Throws: `.inputOutput` otherwise.
  package func requireWritten(pages: UInt32? = nil, operation: String) throws(EncryptedStorageError) {
    progress?.step("verifying")
    let result = try run()
    guard result.flaws.isEmpty, result.trailingByteCount == 0, result.pageCount == pages ?? result.pageCount else {
      throw EncryptedStorageError(
        .inputOutput, operation: operation, file: path, detail: "the new file does not read back as it was written",
        hint: "check the disk; nothing was changed")
    }
  }

  /// The same for a source whose every page must be authentic before anything is made of it.
  ///
  /// - Throws: `.damaged` naming the first flawed page.
  package func requireAuthentic() throws(EncryptedStorageError) {
    let result = try run()
    guard result.flaws.isEmpty, result.trailingByteCount == 0 else {
      let first = result.flaws.first.map { "first page \($0.page)" } ?? "a partial page at its end"
      throw EncryptedStorageError(
        .damaged, operation: "verify", file: path,
        detail: "\(result.flaws.count) of \(result.pageCount) pages are not authentic, \(first); nothing was changed",
        hint: "run albergue-crypt verify for the list, then albergue-crypt recover")
    }
  }

  /// What one thread needs.
  private struct Worker {
    let scan: PageScan
    let file: RawDatabaseFile
    let codec: PageCodec
    let buffer: PageBuffer
    let geometry: PageGeometry

    /// A page that another process is just writing is complete at one of these tries; a damaged one never is.
    private static let liveTries = 5

    init(_ scan: PageScan) throws(EncryptedStorageError) {
      self.scan = scan
      file = try RawDatabaseFile(path: scan.path)
      codec = try PageCodec(scan.keys)
      geometry = PageGeometry(pageSize: scan.keys.format.pageSize)
      buffer = PageBuffer(byteCount: max(ParallelChunks.chunkByteCount, geometry.pageSize))
    }

    func check(
      _ pages: ClosedRange<UInt32>
    ) throws(EncryptedStorageError) -> [(page: UInt32, flaw: Flaw, isPlaintext: Bool)] {
      let size = geometry.pageSize
      try buffer.withMutableSpan(0..<(pages.count * size)) { (span) throws(EncryptedStorageError) in
        _ = try file.read(into: &span, at: geometry.offset(of: pages.lowerBound))
      }
      var flawed: [(page: UInt32, flaw: Flaw, isPlaintext: Bool)] = []
      for page in pages where page != geometry.lockBytePage {
        let start = Int(page - pages.lowerBound) * size
        let range = start..<(start + size)
        if buffer.withSpan(range, { codec.isAuthentic($0, number: page) }) { continue }
        if scan.isLive, try becomesAuthentic(page, range) { continue }
        let flaw = try describe(page, range)
        flawed.append((page, flaw, buffer.withSpan(range) { PlaintextTraces.areIn($0) }))
      }
      return flawed
    }

    private func becomesAuthentic(_ page: UInt32, _ range: Range<Int>) throws(EncryptedStorageError) -> Bool {
      for _ in 0..<Self.liveTries {
        try buffer.withMutableSpan(range) { (span) throws(EncryptedStorageError) in
          _ = try file.read(into: &span, at: geometry.offset(of: page))
        }
        if buffer.withSpan(range, { codec.isAuthentic($0, number: page) }) { return true }
      }
      return false
    }

    private func describe(_ page: UInt32, _ range: Range<Int>) throws(EncryptedStorageError) -> Flaw {
      if buffer.withSpan(range, { $0.isZero }) { return .zeroed }
      for other in scan.otherKeys where other.keys.format.pageSize == geometry.pageSize {
        let codec = try PageCodec(other.keys)
        if buffer.withSpan(range, { codec.isAuthentic($0, number: page) }) { return .otherKey(other.id) }
      }
      return .notAuthentic
    }
  }
}

/// Strings that an encrypted file never holds by chance, as signs of plaintext in bytes no MAC vouches for.
package enum PlaintextTraces {
  private static let traces = [PageCodec.magic, Array("CREATE TABLE ".utf8), Array("CREATE INDEX ".utf8)]

  package static func areIn(_ bytes: RawSpan) -> Bool {
    let content = bytes.bytes(at: 0, count: bytes.byteCount)
    return traces.contains { trace in
      content.indices.dropLast(trace.count - 1).contains { start in
        content[start] == trace[0] && content[start..<(start + trace.count)].elementsEqual(trace)
      }
    }
  }
}
