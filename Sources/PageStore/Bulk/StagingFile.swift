internal import EncryptedStorage
internal import EncryptionKeys

/// The store in the making beside an empty replica: a page store of its own, under the same key and profile, that one
/// process at a time fills, and that takes the place of the replica when it is whole.
final class StagingFile: Sendable {
  private let path: String
  private let replica: String
  private let target: Bootstrap.Target
  /// Of the replica's own key and profile alone.
  private let factory: ConnectionFactory
  private let match: KeyMatch
  /// Held as long as the bootstrap lives.
  private let lock: FileLock

  static let suffix = PageStoreMark.bootstrapSuffix

  /// Takes over what an earlier run has left, if it is of the same image and no restart of the machine came between;
  /// otherwise makes a new one.
  ///
  /// - Throws: `.busy` while another process fills it.
  init(beside replica: String, _ target: Bootstrap.Target, _ factory: ConnectionFactory) throws(EncryptedStorageError) {
    self.replica = try FileSystem.absolutePath(replica)
    self.target = target
    path = self.replica + Self.suffix
    let own = try factory.matchingKey(of: RawDatabaseFile(path: self.replica), path: replica)
    self.factory = factory.only(own)
    // A file of its own: closing a descriptor of the staging file after it has taken its place would drop SQLite's locks.
    lock = try Self.lock(self.replica + PageStoreMark.bootstrapLockSuffix, replica)
    let isUsable = FileSystem.exists(path) ? try Self.isUsable(path, target, self.factory) : false
    if !isUsable {
      try Self.remove(path)
      try Self.make(path, target, self.factory)
    }
    match = try self.factory.matchingKey(of: RawDatabaseFile(path: path), path: path)
    try requireEmptyLog()
  }

  /// Whether the file has not taken its place yet.
  var isThere: Bool { FileSystem.exists(path) }

  /// Opens the file again after it could not be finished. A later run must not trust what is in it: it may be what the
  /// check found fault with, and what is written from now on is not on the disk.
  func reopen() throws -> BulkFile {
    let session = try factory.openSession(path, .writer, view: .container)
    do {
      defer { session.close() }
      try session.execute("UPDATE meta SET complete = 0, boot = ''")
    }
    try requireEmptyLog()
    return try open()
  }

  /// Pages are written beside SQLite, so nothing may wait in a log.
  private func requireEmptyLog() throws(EncryptedStorageError) {
    guard (FileSystem.status(path + "-wal")?.byteCount ?? 0) == 0 else {
      throw EncryptedStorageError(
        .busy, operation: "bootstrap", file: path, detail: "the log of the new file could not be emptied",
        hint: "close what has the file open, and try again")
    }
  }

  func open() throws(EncryptedStorageError) -> BulkFile {
    try BulkFile(path: path, keys: match.keys, layout: BulkLayout(pageCount: target.pageCount))
  }

  // MARK: - The end

  /// Waits until what was written is on the disk. Through SQLite's file layer: closing a descriptor of our own would drop the
  /// locks that SQLite has on the file.
  func synchronize() throws(EncryptedStorageError) { try RawDatabaseFile(path: path).synchronize() }

  /// Checks the whole file.
  ///
  /// - Returns: the state of the image, which is in the file.
  func check() throws -> ImageState {
    let session = try factory.openSession(path, .writer, view: .container)
    defer { session.close() }
    let head = try session.value("SELECT data FROM head WHERE page = 1")
    guard let bytes = head.blob else { throw ImageCheck.invalid(replica, "page 1 cannot be read") }
    try ImageCheck.header(bytes, replica)
    try ImageCheck.size(in: bytes, pageCount: target.pageCount, replica)
    let changeCounter = unsafe bytes.span.bytes.bigEndianUInt32(at: ImageHeader.changeCounterOffset)
    let state = ImageState(position: target.position, epoch: changeCounter, pageCount: target.pageCount)
    try session.transaction(.immediate) { session in
      try session.execute("DELETE FROM change")
      try ChangeLog.append(state, pages: [], session)
    }
    try checkContainer(session)
    try checkDatabase()
    return state
  }

  /// Makes a file that was checked, and is on the disk, a complete store.
  func seal(syncedAt time: Int64?) throws {
    let session = try factory.openSession(path, .writer, view: .container)
    defer { session.close() }
    try session.execute(
      "UPDATE meta SET complete = 1, boot = NULL, last_sync = ?", [time.map(Value.integer) ?? .null])
  }

  /// Lets SQLite go through every interior page of the container, to the first and the last of the leaves below it.
  private func checkContainer(_ session: Session) throws {
    let layout = BulkLayout(pageCount: target.pageCount)
    let heads = layout.interiorPages(of: layout.heads) { $0 }
    let tails = layout.interiorPages(of: layout.tails) { layout.lastTail(onLeaf: $0) }
    for (table, pages, byteCount) in [
      ("head", heads, StoreFormat.headByteCount), ("tail", tails, StoreFormat.tailByteCount),
    ] {
      var rows: [UInt32] = [1]
      for page in pages {
        if let first = page.children.first, let last = page.children.last { rows += [first.lastRow, last.lastRow] }
      }
      for row in rows {
        let length = try session.value("SELECT length(data) FROM \(table) WHERE page = ?", [.integer(Int64(row))])
        guard length == .integer(Int64(byteCount)) else {
          throw EncryptedStorageError(
            .damaged, operation: "bootstrap", file: replica, detail: "page \(row) cannot be found in the new file",
            hint: "pull again; if it stays, report it")
        }
      }
    }
  }

  /// Reads the database in the image once.
  private func checkDatabase() throws {
    let pages = StagedPages.Source(path: path, keys: match.keys, layout: BulkLayout(pageCount: target.pageCount))
    let mounting = factory.mounting(PageStoreMounting(staged: pages))
    let answers: [String]
    do {
      let session = try mounting.openSession(path, .reader)
      defer { session.close() }
      answers = try session.query("PRAGMA quick_check(1)") { $0[0].text ?? "" }
    } catch let error as EncryptedStorageError where [.damaged, .notADatabase, .statement].contains(error.code) {
      answers = ["it cannot be read"]
    }
    guard answers == ["ok"] else {
      throw ImageCheck.invalid(replica, "the database in the image is not sound: \(answers.first ?? "no answer")")
    }
  }

  /// Puts the file in the place of the empty replica, which nobody may have open.
  func publish() throws {
    let old = try ExclusiveSession(replica, factory: factory)
    defer { old.close() }
    try requireEmptyLog()
    let output = try OutputFile(opening: path)
    if let status = FileSystem.status(replica) { try output.adopt(status) }
    try output.synchronize()
    output.close()
    try OpenFiles.refuseOthers(having: path, expectedHere: 0)
    try OpenFiles.refuseOthers(having: replica, expectedHere: nil)
    try old.removeLog()
    try FileSystem.rename(path, to: replica)
    try? FileSystem.remove(lock.path)
    try FileSystem.synchronizeName(of: replica)
  }

  // MARK: - The beginning

  private static func lock(_ path: String, _ replica: String) throws(EncryptedStorageError) -> FileLock {
    do throws(EncryptedStorageError) { return try FileLock(path, database: replica, operation: "bootstrap") } catch {
      guard error.code == .busy else { throw error }
      throw EncryptedStorageError(
        .busy, operation: "bootstrap", file: replica, detail: "another process is filling this replica",
        hint: "wait until it has finished")
    }
  }

  private static func make(
    _ path: String, _ target: Bootstrap.Target, _ factory: ConnectionFactory
  ) throws(EncryptedStorageError) {
    try factory.createDatabase(path, script: StoreFormat.script(for: .replica))
    let session = try factory.openSession(path, .writer, view: .container)
    defer { session.close() }
    try session.execute(
      """
      UPDATE meta SET remote = ?, protocol = ?, generation = ?, base_position = ?, base_page_count = ?, boot = ?
      """,
      [
        .text(target.remote.name), .text(target.remote.protocolName), .integer(target.remote.generation),
        .integer(target.position), .integer(Int64(target.pageCount)), .text(FileSystem.bootIdentity()),
      ])
  }

  /// Whether the file is for this image and was begun since the machine started.
  private static func isUsable(
    _ path: String, _ target: Bootstrap.Target, _ factory: ConnectionFactory
  ) throws(EncryptedStorageError) -> Bool {
    do throws(EncryptedStorageError) {
      // A writer, so that a log that was left is emptied: pages are written beside SQLite from here on.
      let session = try factory.openSession(path, .writer, view: .container)
      defer { session.close() }
      try StoreFormat.check(session)
      let state = try StoreState.read(session)
      guard state.remote == target.remote, state.basePosition == target.position else { return false }
      guard try session.value("SELECT base_page_count FROM meta") == .integer(Int64(target.pageCount)) else {
        return false
      }
      let boot = Value.text(FileSystem.bootIdentity())
      guard boot != "" else { return false }
      if state.isComplete {
        // Sealed, and killed before it took its place: whole, and on the disk. What is written from now on is not.
        try session.execute("UPDATE meta SET complete = 0, boot = ?", [boot])
        return true
      }
      return try session.value("SELECT boot FROM meta") == boot
    } catch {
      if saysUnusable(error.code) { return false }
      throw error
    }
  }

  /// Whether an error says that the bytes of the file are of no use: damaged by a power cut, under a key that the replica no
  /// longer has, or no store. Then it is made anew, and nothing but a copy of the remote is lost. Every other error may pass,
  /// and what was pulled stays.
  static func saysUnusable(_ code: EncryptedStorageError.Code) -> Bool {
    switch code {
    // `.statement` is what a file without the tables of a store is answered with.
    case .damaged, .wrongKey, .notADatabase, .plaintext, .profileMismatch, .unsupportedFormat, .statement: true
    default: false
    }
  }

  private static func remove(_ path: String) throws(EncryptedStorageError) {
    // The file itself last: a log without its file would stand in the way of the next one.
    for suffix in ["-wal", "-shm", "-journal", "-writer.lock", ""] { try FileSystem.remove(path + suffix) }
  }
}
