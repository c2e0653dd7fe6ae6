/// The parts of the 100-byte database header that tools look at, from a decrypted page 1.
///
/// Source: https://www.sqlite.org/fileformat2.html#the_database_header; integers are big-endian.
package struct DatabaseHeader: Sendable, Equatable {
  /// Bytes per page, 512...65536.
  package let pageSize: Int
  /// Bytes kept free at the end of each page. May exceed the codec's reserve, never trust it for the MAC.
  package let reserve: Int
  /// Whether the file format version says WAL (2) for reading.
  package let usesWriteAheadLog: Bool
  /// Pages of the database, or nil when the field is not valid for this change counter.
  package let pageCount: UInt32?
  /// Largest root page in auto-vacuum mode, 0 when auto-vacuum is off.
  package let largestRootPage: UInt32
  package let userVersion: UInt32
  package let applicationID: UInt32

  package static let byteCount = 100

  /// Nil when `page` is shorter than the header or its first 16 bytes are not SQLite's magic.
  package init?(page: RawSpan) {
    guard page.byteCount >= Self.byteCount else { return nil }
    for (offset, byte) in PageCodec.magic.enumerated() where page.byte(at: offset) != byte { return nil }
    let storedPageSize = Int(page.bigEndianUInt16(at: 16))
    pageSize = storedPageSize == 1 ? 65536 : storedPageSize
    reserve = Int(page.byte(at: 20))
    usesWriteAheadLog = page.byte(at: 19) == 2
    let changeCounter = page.bigEndianUInt32(at: 24)
    let validFor = page.bigEndianUInt32(at: 92)
    let storedPageCount = page.bigEndianUInt32(at: 28)
    pageCount = changeCounter == validFor && storedPageCount > 0 ? storedPageCount : nil
    largestRootPage = page.bigEndianUInt32(at: 52)
    userVersion = page.bigEndianUInt32(at: 60)
    applicationID = page.bigEndianUInt32(at: 68)
  }

  /// Whether the fixed fields of the header have values SQLite can have written.
  ///
  /// Used on bytes of unknown origin. Source: fileformat2.html, fields at offsets 16, 18, 19, 21, 22 and 23.
  package static func isPlausible(_ page: RawSpan) -> Bool {
    guard page.byteCount >= byteCount else { return false }
    let storedPageSize = Int(page.bigEndianUInt16(at: 16))
    let isPowerOfTwo = storedPageSize & (storedPageSize - 1) == 0
    return (storedPageSize == 1 || (storedPageSize >= 512 && isPowerOfTwo))
      && (1...2).contains(page.byte(at: 18)) && (1...2).contains(page.byte(at: 19))
      && page.byte(at: 21) == 64 && page.byte(at: 22) == 32 && page.byte(at: 23) == 32
  }
}

/// Page arithmetic with 64-bit offsets.
package struct PageGeometry: Sendable, Equatable {
  package let pageSize: Int

  package init(pageSize: Int) { self.pageSize = pageSize }

  /// Byte offset of a 1-based page number; exact for every page SQLite can address (up to 2^32 - 2).
  package func offset(of page: UInt32) -> Int64 { (Int64(page) - 1) * Int64(pageSize) }

  /// The page that holds the byte at 2^30, which SQLite locks and never writes.
  /// Source: https://www.sqlite.org/fileformat2.html#the_lock_byte_page
  package var lockBytePage: UInt32 { UInt32(0x4000_0000 / pageSize) + 1 }

  /// Whole pages in a file of `byteCount` bytes.
  package func pageCount(ofBytes byteCount: Int64) -> UInt32 {
    UInt32(clamping: byteCount / Int64(pageSize))
  }

  /// Bytes after the last whole page; anything but 0 is damage.
  package func trailingByteCount(ofBytes byteCount: Int64) -> Int { Int(byteCount % Int64(pageSize)) }
}
