/// Pages of a database that wait beside it: in the write-ahead log for a checkpoint, in the journal to be rolled back.
///
/// A power cut while SQLite writes to the database can tear page 1, and in a small file every other page with it. SQLite
/// then takes all of them from the log or the journal; so the key is looked for there too.
struct WaitingPages {
  /// Numbers and stored bytes; all of one size.
  private(set) var pages: [(number: UInt32, content: [UInt8])] = []

  /// Enough to find one that is whole.
  private static let limit = 8

  /// Looks beside `path`, an absolute path. Which of the pages are valid, their MACs decide.
  init(beside path: String) throws(EncryptedStorageError) {
    try addJournal(path + "-journal")
    if pages.isEmpty { try addLog(path + "-wal") }
  }

  private mutating func addJournal(_ path: String) throws(EncryptedStorageError) {
    guard let journal = try RollbackJournal(path: path) else { return }
    let file = try RawDatabaseFile(path: path)
    for (page, offset) in journal.pageOffsets.sorted(by: { $0.key < $1.key }).prefix(Self.limit) {
      pages.append((page, try file.bytes(at: offset, count: journal.pageSize)))
    }
  }

  private mutating func addLog(_ path: String) throws(EncryptedStorageError) {
    guard (FileSystem.status(path)?.byteCount ?? 0) > 0 else { return }
    let file = try RawDatabaseFile(path: path)
    let head = try file.bytes(at: 0, count: WriteAheadLog.headerByteCount)
    guard let header = unsafe WriteAheadLog.Header(head.span.bytes) else { return }
    for frame in 0..<Self.limit {
      let offset = WriteAheadLog.offset(ofFrame: frame, pageSize: header.pageSize)
      let byteCount = WriteAheadLog.frameByteCount(pageSize: header.pageSize)
      let bytes = try file.bytes(at: offset, count: byteCount)
      guard bytes.count == byteCount else { return }
      let number = unsafe bytes.span.bytes.bigEndianUInt32(at: 0)
      pages.append((number, Array(bytes[WriteAheadLog.frameHeaderByteCount...])))
    }
  }
}
