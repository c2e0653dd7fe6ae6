/// Reads the original pages that an unfinished transaction left in `FILE-journal`.
///
/// While such a journal is there, the database file holds a transaction that was never committed; SQLite undoes it at the
/// next open by writing these pages back. Recovery reads them instead, and leaves both files as they are. The checksums
/// are unkeyed and cover the encrypted page: they end the journal where its writer stopped; the MAC decides about a page.
/// Source: https://www.sqlite.org/fileformat2.html#the_rollback_journal
struct RollbackJournal: Sendable {
  /// Byte offset in the journal of the content of each page, its first record.
  private(set) var pageOffsets: [UInt32: Int64] = [:]
  /// Pages of the database before the transaction.
  let originalPageCount: UInt32
  let pageSize: Int

  private static let magic: [UInt8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7]
  private static let headerByteCount = 28
  /// A record is the page number, the page, and the checksum.
  private static let recordOverhead = 8

  /// What one segment of the journal says in front of its records.
  private struct Header {
    let recordCount: UInt32
    let nonce: UInt32
    let originalPageCount: UInt32
    let sectorSize: Int
    let pageSize: Int

    init?(_ file: RawDatabaseFile, at offset: Int64) throws(EncryptedStorageError) {
      let bytes = try file.bytes(at: offset, count: RollbackJournal.headerByteCount)
      guard bytes.count == RollbackJournal.headerByteCount, bytes.starts(with: RollbackJournal.magic) else {
        return nil
      }
      let span = bytes.span
      let raw = unsafe span.bytes
      recordCount = raw.bigEndianUInt32(at: 8)
      nonce = raw.bigEndianUInt32(at: 12)
      originalPageCount = raw.bigEndianUInt32(at: 16)
      let sector = Int(raw.bigEndianUInt32(at: 20))
      let size = Int(raw.bigEndianUInt32(at: 24))
      guard (32...65536).contains(sector), sector & (sector - 1) == 0, (512...65536).contains(size),
        size & (size - 1) == 0
      else { return nil }
      sectorSize = sector
      pageSize = size
    }
  }

  /// Nil when there is no journal, or none that SQLite would play back: empty, its header zeroed or not yet written.
  init?(path: String) throws(EncryptedStorageError) {
    guard (FileSystem.status(path)?.byteCount ?? 0) > 0 else { return nil }
    let file = try RawDatabaseFile(path: path)
    guard let first = try Header(file, at: 0), first.recordCount > 0 else { return nil }
    originalPageCount = first.originalPageCount
    pageSize = first.pageSize
    let byteCount = try file.byteCount()
    var header: Header? = first
    var offset: Int64 = 0
    while let segment = header, segment.pageSize == pageSize {
      offset += Int64(segment.sectorSize)
      let recordByteCount = Int64(pageSize + Self.recordOverhead)
      // All ones: the writer did not wait for the disk, and the records go on to the end of the file.
      let available = max(0, byteCount - offset) / recordByteCount
      let count = segment.recordCount == .max ? available : min(Int64(segment.recordCount), available)
      for _ in 0..<count {
        guard try takeRecord(file, at: offset, nonce: segment.nonce) else { return }
        offset += recordByteCount
      }
      // The next segment starts at a sector boundary.
      let sector = Int64(segment.sectorSize)
      offset = (offset + sector - 1) / sector * sector
      header = offset < byteCount ? try Header(file, at: offset) : nil
    }
  }

  /// False when the record is torn: playback ends there.
  private mutating func takeRecord(
    _ file: RawDatabaseFile, at offset: Int64, nonce: UInt32
  ) throws(EncryptedStorageError) -> Bool {
    let record = try file.bytes(at: offset, count: pageSize + Self.recordOverhead)
    guard record.count == pageSize + Self.recordOverhead else { return false }
    let span = record.span
    let raw = unsafe span.bytes
    let page = raw.bigEndianUInt32(at: 0)
    guard page > 0, raw.bigEndianUInt32(at: pageSize + 4) == Self.checksum(raw, nonce: nonce, pageSize: pageSize) else {
      return false
    }
    if pageOffsets[page] == nil { pageOffsets[page] = offset + 4 }
    return true
  }

  /// Every 200th byte, counted from the end of the page.
  private static func checksum(_ record: RawSpan, nonce: UInt32, pageSize: Int) -> UInt32 {
    stride(from: pageSize - 200, to: 0, by: -200).reduce(nonce) { $0 &+ UInt32(record.byte(at: 4 + $1)) }
  }
}
