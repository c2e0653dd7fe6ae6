package import EncryptionKeys

/// Reads a write-ahead log beside a database: which frames count, and which are not what they should be.
package struct WriteAheadLogScan: Sendable {
  /// Why a log is not what it should be.
  package enum Flaw: Sendable, Hashable {
    /// The header is damaged; SQLite ignores the whole log, and with it committed transactions.
    case header
    /// A committed frame whose page fails its MAC.
    case notAuthentic(frame: Int, page: UInt32)
    /// A committed frame whose page fits another of the given keys: an interrupted in-place rekey in WAL mode.
    case otherKey(frame: Int, page: UInt32, KeyID)
    /// The checksum chain breaks here although this frame or a later one of this log commits: transactions are lost.
    case brokenChain(frame: Int)
    /// A frame continues the checksum chain under other salts: it was altered.
    case alteredSalts(frame: Int)

    /// Whether the log only ends earlier than it should.
    var isBreak: Bool {
      if case .brokenChain = self { true } else { false }
    }

    /// Whether a committed frame fails its MAC, which no crash explains.
    package var isUnauthenticFrame: Bool {
      switch self {
      case .notAuthentic, .otherKey: true
      default: false
      }
    }
  }

  package struct Result: Sendable {
    /// Whole frames in the file.
    package var frameCount = 0
    /// Frames up to the last commit: what readers see.
    package var committedFrameCount = 0
    /// Pages of the database after the last commit; nil when nothing is committed.
    package var committedPageCount: UInt32?
    /// Newest committed frame of each page.
    package var newestFrames: [UInt32: Int] = [:]
    package var flaws: [Flaw] = []
    /// Whether bytes that no MAC vouches for look like plaintext SQLite.
    package var hasPlaintextTraces = false

    package init() {}

    /// Pages that SQLite reads from the log and not from the file; none when frames or header of the log were altered.
    ///
    /// What lies before a break still counts: a power cut breaks a log that was not waited for, after a checkpoint has
    /// moved the older part of it without waiting either.
    package var replacedPages: Set<UInt32> { flaws.allSatisfy(\.isBreak) ? Set(newestFrames.keys) : [] }
  }

  package let path: String
  package let keys: PageKeys
  package var otherKeys: [(id: KeyID, keys: PageKeys)] = []
  /// Leaves the MACs out: enough to know whether SQLite will see every committed frame, at the speed of a checksum.
  package var checksChainOnly = false

  /// A writer at work shows a frame whose header is written and whose page is not yet: gone at one of these tries.
  private static let liveTries = 5

  /// `path` is the log itself, `FILE-wal`.
  package init(path: String, keys: PageKeys) {
    self.path = path
    self.keys = keys
  }

  /// A missing or empty log is an empty result. A flaw counts when it is still there after looking again.
  package func run() throws(EncryptedStorageError) -> Result {
    var result = try look()
    for _ in 1..<Self.liveTries where !result.flaws.isEmpty { result = try look() }
    return result
  }

  private func look() throws(EncryptedStorageError) -> Result {
    var result = Result()
    guard (FileSystem.status(path)?.byteCount ?? 0) > 0 else { return result }
    let file = try RawDatabaseFile(path: path)
    let byteCount = try file.byteCount()
    let head = try file.bytes(at: 0, count: WriteAheadLog.headerByteCount)
    let header = unsafe WriteAheadLog.Header(head.span.bytes)
    guard let header, header.pageSize == keys.format.pageSize else {
      let start = try file.bytes(at: 0, count: 65536)
      result.hasPlaintextTraces = unsafe PlaintextTraces.areIn(start.span.bytes)
      // A header alone may be what a crash left of a log that never had a frame.
      if byteCount > WriteAheadLog.headerByteCount { result.flaws.append(.header) }
      return result
    }
    let frameByteCount = WriteAheadLog.frameByteCount(pageSize: header.pageSize)
    result.frameCount = Int((byteCount - Int64(WriteAheadLog.headerByteCount)) / Int64(frameByteCount))
    try scanFrames(of: file, header: header, into: &result)
    return result
  }

  /// For whoever is about to rely on the log, or to do away with it.
  ///
  /// - Throws: `.damaged` when anything committed is altered: SQLite would pass over it, and over all that follows it,
  ///   without a word.
  @discardableResult
  package func requireIntact() throws(EncryptedStorageError) -> Result {
    let result = try run()
    guard result.flaws.isEmpty else {
      throw EncryptedStorageError(
        .damaged, operation: "verify", file: path, detail: "the write-ahead log is damaged",
        hint: "run albergue-crypt verify, then albergue-crypt recover")
    }
    return result
  }

  private func scanFrames(
    of file: RawDatabaseFile, header: WriteAheadLog.Header, into result: inout Result
  ) throws(EncryptedStorageError) {
    let frameByteCount = WriteAheadLog.frameByteCount(pageSize: header.pageSize)
    let codec = try PageCodec(keys)
    let buffer = PageBuffer(byteCount: frameByteCount)
    var log = WriteAheadLog(header: header)
    var pending: [UInt32: Int] = [:]
    var pendingFlaws: [Flaw] = []
    var breakpoint: Int?
    for index in 0..<result.frameCount {
      try buffer.withMutableSpan(0..<frameByteCount) { (span) throws(EncryptedStorageError) in
        _ = try file.read(into: &span, at: WriteAheadLog.offset(ofFrame: index, pageSize: header.pageSize))
      }
      let frame = buffer.withSpan(0..<frameByteCount) { log.next($0) }
      let pageRange = WriteAheadLog.frameHeaderByteCount..<frameByteCount
      let isInChain = frame.continuesChain && frame.hasCurrentSalts
      let isAuthentic =
        checksChainOnly || buffer.withSpan(pageRange) { codec.isAuthentic($0, number: frame.page) }
      if isInChain {
        if !isAuthentic { pendingFlaws.append(try describe(frame, buffer, pageRange)) }
        pending[frame.page] = index
        guard frame.isCommit else { continue }
        result.committedFrameCount = index + 1
        result.committedPageCount = frame.committedPageCount
        result.newestFrames.merge(pending) { _, newer in newer }
        result.flaws += pendingFlaws
        pending.removeAll()
        pendingFlaws.removeAll()
        continue
      }
      if !isAuthentic, buffer.withSpan(pageRange, { PlaintextTraces.areIn($0) }) { result.hasPlaintextTraces = true }
      if frame.continuesChain { result.flaws.append(.alteredSalts(frame: index)) }
      guard frame.hasCurrentSalts else { continue }
      // Frames of this log behind a break. Transactions that were not finished leave such frames, torn or whole, but
      // never a commit: with one, something that was committed has been altered, or was torn by a power cut.
      if breakpoint == nil { breakpoint = index }
      if let first = breakpoint, frame.isCommit || frame.lacksItsCommitMark,
        !result.flaws.contains(.brokenChain(frame: first))
      {
        result.flaws.append(.brokenChain(frame: first))
      }
    }
  }

  private func describe(
    _ frame: WriteAheadLog.Frame, _ buffer: PageBuffer, _ range: Range<Int>
  ) throws(EncryptedStorageError) -> Flaw {
    for other in otherKeys where other.keys.format.pageSize == keys.format.pageSize {
      let codec = try PageCodec(other.keys)
      if buffer.withSpan(range, { codec.isAuthentic($0, number: frame.page) }) {
        return .otherKey(frame: frame.index, page: frame.page, other.id)
      }
    }
    return .notAuthentic(frame: frame.index, page: frame.page)
  }
}
