internal import EncryptedStorage

extension PageStore {
  /// Brings the image to the position of `batch`, in one transaction: readers see the image before or after it.
  ///
  /// - Parameter time: seconds since 1970-01-01 UTC, noted as the last sync; nil leaves that as it is.
  /// - Returns: the state of the image afterwards.
  /// - Throws: `.incomplete` before the first pull is whole; `.positionMismatch`, `.remoteMismatch`, `.invalidPages` when
  ///   the batch cannot follow the image, which is left as it is; `.busy`, `.diskFull`, `.denied` in a primary.
  @discardableResult
  public func apply(_ batch: PageBatch, syncedAt time: Int64? = nil) async throws -> ImageState {
    let newest = try Self.newestPages(of: batch, path)
    let compacts = compactions.isDue()
    let container = container
    let state = try await container.run { container in
      container.leavesLargeLog = true
      defer { container.leavesLargeLog = false }
      return try container.transaction(.immediate) { container in
        let former = try Self.base(of: batch, container)
        try Self.checkGrowth(from: former.pageCount, batch, newest, container.path)
        try Self.store(newest, container)
        if batch.pageCount < former.pageCount { try Self.truncate(to: batch.pageCount, container) }
        let state = ImageState(
          position: batch.position, epoch: former.epoch &+ 1, pageCount: batch.pageCount)
        try ChangeLog.append(state, pages: newest.map(\.number), container)
        if compacts { try ChangeLog.compact(container, pageCount: state.pageCount) }
        if let time { try container.execute("UPDATE meta SET last_sync = ?", [.integer(time)]) }
        return state
      }
    }
    // What was applied can be read already. Copying it from the log into the file takes as long again, and nobody waits for it;
    // closing the store does it as well.
    Task { try? await container.run { $0.emptyLargeLog() } }
    return state
  }

  /// Writes pages, which must be sorted. The session must be in a transaction.
  static func store(_ pages: [Page], _ container: Session) throws(EncryptedStorageError) {
    let updateHead = try container.prepare(StoreFormat.Write.updateHead)
    let updateTail = try container.prepare(StoreFormat.Write.updateTail)
    let insertHead = try container.prepare(StoreFormat.Write.insertHead)
    let insertTail = try container.prepare(StoreFormat.Write.insertTail)
    for page in pages {
      let number = Int64(page.number)
      let bytes = unsafe page.bytes.span.bytes
      let head = bytes.extracting(..<StoreFormat.headByteCount)
      let tail = bytes.extracting(StoreFormat.headByteCount...)
      if try updateHead.run(number, head) > 0 {
        try updateTail.run(number, tail)
      } else {
        try insertHead.run(number, head)
        try insertTail.run(number, tail)
      }
    }
  }

  static func truncate(to pageCount: UInt32, _ container: Session) throws(EncryptedStorageError) {
    for table in ["head", "tail"] {
      try container.execute("DELETE FROM \(table) WHERE page > ?", [.integer(Int64(pageCount))])
    }
  }

  // MARK: - What is refused

  private static func newestPages(of batch: PageBatch, _ path: String) throws(EncryptedStorageError) -> [Page] {
    try ImageCheck.pages(batch.pages, pageCount: batch.pageCount, path)
    guard batch.position > batch.basePosition else {
      throw EncryptedStorageError(
        .positionMismatch, operation: "apply", file: path,
        detail: "the batch ends at position \(batch.position), which is not after its start \(batch.basePosition)")
    }
    let newest = Page.newest(of: batch.pages)
    if let first = newest.first, first.number == 1 {
      try ImageCheck.size(in: first.bytes, pageCount: batch.pageCount, path)
    }
    return newest
  }

  private static func base(of batch: PageBatch, _ container: Session) throws(EncryptedStorageError) -> ImageState {
    let state = try StoreState.read(container)
    guard state.role == .replica else {
      throw EncryptedStorageError(
        .denied, operation: "apply", file: container.path, detail: "a primary is changed by SQL, not by pages")
    }
    guard let image = state.image, let remote = state.remote else {
      throw EncryptedStorageError(
        .incomplete, operation: "apply", file: container.path,
        detail: "the first pull of this replica has not finished",
        hint: "finish it first")
    }
    guard batch.remote == remote else {
      throw EncryptedStorageError(
        .remoteMismatch, operation: "apply", file: container.path,
        detail: "the pages are of another remote, protocol or generation than the replica's",
        hint: "pull a new replica")
    }
    guard batch.basePosition == image.position else {
      throw EncryptedStorageError(
        .positionMismatch, operation: "apply", file: container.path,
        detail: "the pages follow position \(batch.basePosition), the replica is at \(image.position)",
        hint: "pull again")
    }
    return image
  }

  /// An image that grows gets all of its new pages.
  private static func checkGrowth(
    from former: UInt32, _ batch: PageBatch, _ pages: [Page], _ path: String
  ) throws(EncryptedStorageError) {
    guard batch.pageCount > former else { return }
    let isLockByteNew = former < StoreFormat.lockBytePage && StoreFormat.lockBytePage <= batch.pageCount
    let hasLockByte = pages.contains { $0.number == StoreFormat.lockBytePage }
    let wanted = Int(batch.pageCount - former) - (isLockByteNew && !hasLockByte ? 1 : 0)
    guard pages.count(where: { $0.number > former }) == wanted else {
      throw EncryptedStorageError(
        .invalidPages, operation: "apply", file: path,
        detail: "the image grows from \(former) to \(batch.pageCount) pages, but not all new pages are there",
        hint: "pull again")
    }
  }
}
