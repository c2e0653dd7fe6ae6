internal import CSQLCipher
internal import EncryptedStorage

/// One connection's view of an image, as SQLite's pager asks for it: locks, reads, writes, and the moment of commit. Answers
/// SQLite result codes.
///
/// Locks are those of SQLite's rollback mode. SHARED begins a snapshot of the container; RESERVED takes the container's
/// write lock, which readers do not notice, so nothing more happens at EXCLUSIVE. Writes go into the container's
/// transaction and become visible with its commit.
///
/// Not Sendable: the file object of one connection.
final class MountedImage {
  private let statements: ContainerStatements
  private var lock = SQLITE_LOCK_NONE
  /// What is read; nil outside a snapshot.
  private var state: ImageState?

  // Of the transaction that is being written.
  private var isWriting = false
  /// The container's transaction is gone after a failure; what SQLite plays back from its journal is dropped.
  private var hasFailed = false
  private var changedPages: Set<UInt32> = []
  /// Pages of the file as SQLite has left it so far.
  private var writtenPageCount: UInt32 = 0
  private var highestWrittenPage: UInt32 = 0
  private var hasWrittenFirstPage = false

  /// Page 1 as readers see it, for the epoch beside it: SQLite reads its counters at the start of every transaction.
  private let firstPage = PageBuffer(byteCount: StoreFormat.pageByteCount)
  private var firstPageEpoch: UInt32?
  /// Versions 18 and 19 of the stored page 1.
  private var storedVersions: (UInt8, UInt8) = (2, 2)
  /// Page 1 as the transaction leaves it; stored only at commit.
  private let writtenFirstPage = PageBuffer(byteCount: StoreFormat.pageByteCount)
  private let scratch = PageBuffer(byteCount: StoreFormat.pageByteCount)
  private var compactions = ChangeLog.Schedule()

  private static let whole = 0..<StoreFormat.pageByteCount

  init(_ statements: ContainerStatements) { self.statements = statements }

  func close() {
    endTransaction()
    statements.close()
  }

  // MARK: - Locks

  func lock(_ level: Int32) -> Int32 {
    if lock == SQLITE_LOCK_NONE {
      let result = beginSnapshot()
      guard result == SQLITE_OK else { return result }
      lock = SQLITE_LOCK_SHARED
    }
    if level >= SQLITE_LOCK_RESERVED, !isWriting, let state {
      let result = statements.beginWriting()
      guard result == SQLITE_OK else { return Self.answer(result) }
      isWriting = true
      hasFailed = false
      changedPages.removeAll(keepingCapacity: true)
      writtenPageCount = state.pageCount
      highestWrittenPage = 0
      hasWrittenFirstPage = false
    }
    lock = max(lock, level)
    return SQLITE_OK
  }

  func unlock(_ level: Int32) -> Int32 {
    // A transaction that has not been committed by now is not wanted.
    if isWriting { endWriting() }
    if level == SQLITE_LOCK_NONE { endTransaction() }
    lock = level
    return SQLITE_OK
  }

  private func beginSnapshot() -> Int32 {
    let (result, state) = statements.beginReading()
    self.state = state
    return Self.answer(result)
  }

  private func endTransaction() {
    if isWriting { endWriting() }
    if state != nil {
      statements.endReading()
      state = nil
    }
  }

  private func endWriting() {
    statements.rollBackWriting()
    isWriting = false
    hasFailed = false
  }

  // MARK: - Reading

  /// Fills `target` from `offset`.
  ///
  /// - Returns: `SQLITE_IOERR_SHORT_READ`, with zeros, beyond the end; `SQLITE_NOTADB` for a page that is not authentic,
  ///   or missing; `SQLITE_IOERR_READ` in a transaction whose writing has failed, until it has ended.
  func read(into target: inout MutableRawSpan, at offset: Int64) -> Int32 {
    // SQLite looks at the header before it locks.
    let isOutside = state == nil
    if isOutside {
      let result = beginSnapshot()
      guard result == SQLITE_OK else { return result }
    }
    defer { if isOutside { endTransaction() } }
    guard let state else { return SQLITE_IOERR }
    // What the transaction wrote so far is gone from the container, and what the container has is not what SQLite expects.
    guard !hasFailed else { return Self.readFailure }
    let size = StoreFormat.pageByteCount
    let page = UInt32(truncatingIfNeeded: offset / Int64(size)) &+ 1
    let start = Int(offset % Int64(size))
    let end = start + target.byteCount
    guard end <= size else { return SQLITE_IOERR }
    if page == 1 { return readFirstPage(start..<end, into: &target, state) }
    guard page <= (isWriting ? max(writtenPageCount, state.pageCount) : state.pageCount) else {
      return Self.beyondTheEnd(&target)
    }
    if start == 0, end == size { return readPage(page, into: &target, state) }
    return scratch.withMutableSpan(Self.whole) { whole in
      let result = readPage(page, into: &whole, state)
      if result == SQLITE_OK { target.copy(whole.bytes, start..<end) }
      return result
    }
  }

  private func readPage(_ page: UInt32, into target: inout MutableRawSpan, _ state: ImageState) -> Int32 {
    let result = statements.read(page, into: &target)
    guard result == SQLITE_NOTFOUND else { return Self.answer(result) }
    // A page that this transaction has skipped, or the one that SQLite never writes, is empty. Any other is lost.
    guard page > state.pageCount || page == StoreFormat.lockBytePage else { return SQLITE_NOTADB }
    return Self.beyondTheEnd(&target)
  }

  private func readFirstPage(
    _ range: Range<Int>, into target: inout MutableRawSpan, _ state: ImageState
  ) -> Int32 {
    if isWriting, hasWrittenFirstPage {
      writtenFirstPage.withSpan(Self.whole) { target.copy($0, range) }
      return SQLITE_OK
    }
    guard state.pageCount > 0 else { return Self.beyondTheEnd(&target) }
    if firstPageEpoch != state.epoch {
      let result = firstPage.withMutableSpan(Self.whole) { page in
        let result = statements.read(1, into: &page)
        if result == SQLITE_OK {
          let forWriting = page.bytes.byte(at: ImageHeader.versionOffset)
          let forReading = page.bytes.byte(at: ImageHeader.versionOffset + 1)
          storedVersions = (forWriting, forReading)
          ImageHeader.show(&page, state)
        }
        return result
      }
      guard result == SQLITE_OK else {
        firstPageEpoch = nil
        return result == SQLITE_NOTFOUND ? SQLITE_NOTADB : Self.answer(result)
      }
      firstPageEpoch = state.epoch
    }
    firstPage.withSpan(Self.whole) { target.copy($0, range) }
    return SQLITE_OK
  }

  private static func beyondTheEnd(_ target: inout MutableRawSpan) -> Int32 {
    target.clear()
    return SQLITE_IOERR | (2 << 8)  // SQLITE_IOERR_SHORT_READ, a composite macro that Swift does not import
  }

  /// Size in bytes; nil when the container cannot be read.
  func byteCount() -> Int64? {
    let isOutside = state == nil
    if isOutside, beginSnapshot() != SQLITE_OK { return nil }
    defer { if isOutside { endTransaction() } }
    guard let state else { return nil }
    return Int64(isWriting ? writtenPageCount : state.pageCount) * Int64(StoreFormat.pageByteCount)
  }

  // MARK: - Writing

  func write(_ source: RawSpan, at offset: Int64) -> Int32 {
    let size = Int64(StoreFormat.pageByteCount)
    guard isWriting || hasFailed, source.byteCount == StoreFormat.pageByteCount, offset % size == 0 else {
      return Self.writeFailure
    }
    let page = UInt32(truncatingIfNeeded: offset / size) &+ 1
    writtenPageCount = max(writtenPageCount, page)
    if page == 1 {
      // Kept here until the commit: most transactions change nothing in it but counters.
      writtenFirstPage.withMutableSpan(Self.whole) { $0.copy(source, Self.whole) }
      hasWrittenFirstPage = true
      return SQLITE_OK
    }
    guard !hasFailed else { return SQLITE_OK }
    let result = statements.write(page, from: source)
    guard result == SQLITE_OK else { return fail(result) }
    changedPages.insert(page)
    highestWrittenPage = max(highestWrittenPage, page)
    return SQLITE_OK
  }

  func truncate(to byteCount: Int64) -> Int32 {
    writtenPageCount = UInt32(clamping: byteCount / Int64(StoreFormat.pageByteCount))
    // The playback of a journal makes a file that was empty empty again.
    if writtenPageCount == 0 { hasWrittenFirstPage = false }
    return SQLITE_OK
  }

  /// SQLite calls this when all pages of a transaction are written, and also when a rollback has written the former ones
  /// back. Only a commit changes the change counter: mostly by one, but an image without pages has none to count from, and
  /// SQLite goes on counting from a commit that failed.
  func synchronize() -> Int32 {
    guard isWriting, hasWrittenFirstPage, let state else { return SQLITE_OK }
    let counter = writtenFirstPage.withSpan(Self.whole) { ImageHeader.changeCounter($0) }
    guard counter != state.epoch else {
      // Rolled back. The lock stays until SQLite gives it up.
      if !hasFailed { statements.rollBackWriting() }
      hasFailed = true
      return SQLITE_OK
    }
    guard !hasFailed else { return Self.writeFailure }
    let result = commit(state)
    guard result == SQLITE_OK else { return fail(result) }
    return SQLITE_OK
  }

  private func commit(_ former: ImageState) -> Int32 {
    let pageCount = writtenFirstPage.withSpan(Self.whole) { ImageHeader.pageCount($0) }
    var result = storeFirstPage(former, pageCount: pageCount)
    guard result == SQLITE_OK else { return result }
    result = fillHoles(after: former.pageCount, through: pageCount)
    guard result == SQLITE_OK else { return result }
    if max(former.pageCount, highestWrittenPage) > pageCount {
      result = statements.truncate(to: pageCount)
      guard result == SQLITE_OK else { return result }
    }
    let pages = changedPages.filter { $0 <= pageCount }.sorted()
    let (position, isBeyondEnd) = former.position.addingReportingOverflow(Int64(max(1, pages.count)))
    // No history comes that far: the stored position is not one.
    guard !isBeyondEnd else { return SQLITE_CORRUPT }
    let state = ImageState(position: position, epoch: former.epoch &+ 1, pageCount: pageCount)
    do {
      try statements.append(state, pages: pages, compacting: compactions.isDue())
    } catch { return Self.result(error) }
    result = statements.commitWriting()
    guard result == SQLITE_OK else { return result }
    isWriting = false
    self.state = state
    firstPage.withMutableSpan(Self.whole) { page in
      writtenFirstPage.withSpan(Self.whole) { page.copy($0, Self.whole) }
      ImageHeader.show(&page, state)
    }
    firstPageEpoch = state.epoch
    return SQLITE_OK
  }

  /// Stores page 1, unless only its counters changed. With another size of the image it is always stored, and so among the
  /// changed pages: a replica that gets only those finds the size in it.
  private func storeFirstPage(_ former: ImageState, pageCount: UInt32) -> Int32 {
    if former.pageCount > 0 {
      // The one before, as readers saw it; read again if it was not needed so far.
      let result = scratch.withMutableSpan(Self.whole) { page in
        hasWrittenFirstPage = false
        defer { hasWrittenFirstPage = true }
        return readFirstPage(Self.whole, into: &page, former)
      }
      guard result == SQLITE_OK else { return result }
      let isSame = firstPage.withSpan(Self.whole) { before in
        writtenFirstPage.withSpan(Self.whole) { ImageHeader.areEqualButForCounters(before, $0) }
      }
      if isSame, pageCount == former.pageCount { return SQLITE_OK }
    }
    changedPages.insert(1)
    return scratch.withMutableSpan(Self.whole) { page in
      writtenFirstPage.withSpan(Self.whole) { page.copy($0, Self.whole) }
      page.storeBytes(of: storedVersions.0, toByteOffset: ImageHeader.versionOffset, as: UInt8.self)
      page.storeBytes(of: storedVersions.1, toByteOffset: ImageHeader.versionOffset + 1, as: UInt8.self)
      return statements.write(1, from: page.bytes)
    }
  }

  /// SQLite does not write new pages that are free again at the end of their transaction. A store has every page, so that
  /// one that is missing is damage.
  private func fillHoles(after former: UInt32, through pageCount: UInt32) -> Int32 {
    guard pageCount > former else { return SQLITE_OK }
    for page in (former + 1)...pageCount where !changedPages.contains(page) && page != StoreFormat.lockBytePage {
      let result = scratch.withMutableSpan(Self.whole) { zeros in
        zeros.clear()
        return statements.write(page, from: zeros.bytes)
      }
      guard result == SQLITE_OK else { return result }
      changedPages.insert(page)
    }
    return SQLITE_OK
  }

  /// Gives the transaction up: part of it may be missing in the container.
  private func fail(_ result: Int32) -> Int32 {
    statements.rollBackWriting()
    hasFailed = true
    return Self.answer(result)
  }

  // MARK: - Answers

  private static let readFailure = SQLITE_IOERR | (1 << 8)  // SQLITE_IOERR_READ
  private static let writeFailure = SQLITE_IOERR | (3 << 8)  // SQLITE_IOERR_WRITE

  /// The result code of a failure, which need not come from SQLite: a row of the changes can be authentic and senseless.
  private static func result(_ error: EncryptedStorageError) -> Int32 {
    if let resultCode = error.resultCode { return resultCode }
    return switch error.code {
    case .damaged: SQLITE_CORRUPT
    case .cancelled: SQLITE_INTERRUPT
    default: SQLITE_IOERR
    }
  }

  /// What the pager of the image is told about a failure of the container.
  private static func answer(_ result: Int32) -> Int32 {
    switch result & 0xff {
    case SQLITE_OK, SQLITE_BUSY, SQLITE_FULL, SQLITE_NOMEM, SQLITE_READONLY, SQLITE_INTERRUPT: result & 0xff
    // A short read of the container is lost data; only `beyondTheEnd` may say that there is none.
    case SQLITE_IOERR: result == SQLITE_IOERR | (2 << 8) ? readFailure : result
    case SQLITE_LOCKED: SQLITE_BUSY
    case SQLITE_CORRUPT: SQLITE_CORRUPT
    // SQLCipher reports a page that is not authentic, and every page after it, with several codes.
    default: SQLITE_NOTADB
    }
  }
}

extension MutableRawSpan {
  /// Fills this span with `range` of another one, of the same length.
  fileprivate mutating func copy(_ source: RawSpan, _ range: Range<Int>) {
    precondition(range.count == byteCount, "a copy of another length")
    unsafe withUnsafeMutableBytes { target in
      unsafe source.extracting(range).withUnsafeBytes { unsafe target.copyMemory(from: $0) }
    }
  }

  mutating func clear() {
    unsafe withUnsafeMutableBytes { _ = unsafe $0.initializeMemory(as: UInt8.self, repeating: 0) }
  }
}
