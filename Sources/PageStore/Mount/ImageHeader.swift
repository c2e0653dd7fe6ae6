internal import EncryptedStorage
internal import Glibc

/// The fields of page 1 that a mounted image shows otherwise than they are stored, and the stored ones otherwise than they
/// are written. Offsets: https://www.sqlite.org/fileformat2.html#the_database_header
///
/// Stored is what the remote sent: an image in WAL mode, with counters of its own. Readers need one in rollback mode,
/// since the mount has no log, whose change counter moves with every commit of the store, and whose page count counts.
enum ImageHeader {
  /// File format versions for writing and reading: 1 rollback journal, 2 write-ahead log.
  static let versionOffset = 18
  /// What both versions are in an image as remotes have it.
  static let writeAheadVersions: [UInt8] = [2, 2]
  static let changeCounterOffset = 24
  static let pageCountOffset = 28
  /// The change counter for which the page count is valid, and the library version that wrote it.
  static let validForOffset = 92
  /// Bytes that hold nothing but counters: a page 1 that differs only here need not be stored.
  private static let counterRanges = [24..<32, 92..<100]

  static func changeCounter(_ page: RawSpan) -> UInt32 { page.bigEndianUInt32(at: changeCounterOffset) }

  static func pageCount(_ page: RawSpan) -> UInt32 { page.bigEndianUInt32(at: pageCountOffset) }

  /// Turns a stored page 1 into what readers see.
  static func show(_ page: inout MutableRawSpan, _ state: ImageState) {
    page.storeBytes(of: 1, toByteOffset: versionOffset, as: UInt8.self)
    page.storeBytes(of: 1, toByteOffset: versionOffset + 1, as: UInt8.self)
    page.storeBytes(of: state.epoch.bigEndian, toByteOffset: changeCounterOffset, as: UInt32.self)
    page.storeBytes(of: state.pageCount.bigEndian, toByteOffset: pageCountOffset, as: UInt32.self)
    page.storeBytes(of: state.epoch.bigEndian, toByteOffset: validForOffset, as: UInt32.self)
  }

  /// Turns a stored page 1 into what leaves the server: an image in WAL mode, as remotes have it, with counters that are
  /// those of its commit.
  static func send(_ page: inout [UInt8], _ state: ImageState) {
    func put(_ value: UInt32, at offset: Int) {
      for index in 0..<4 { page[offset + index] = UInt8(truncatingIfNeeded: value >> UInt32(24 - 8 * index)) }
    }
    page.replaceSubrange(versionOffset...versionOffset + 1, with: writeAheadVersions)
    put(state.epoch, at: changeCounterOffset)
    put(state.pageCount, at: pageCountOffset)
    put(state.epoch, at: validForOffset)
  }

  /// Whether two shown pages 1 differ in nothing but counters.
  static func areEqualButForCounters(_ one: RawSpan, _ other: RawSpan) -> Bool {
    guard one.byteCount == other.byteCount else { return false }
    var start = 0
    for range in counterRanges + [one.byteCount..<one.byteCount] {
      let length = start..<range.lowerBound
      guard one.isEqual(to: other, in: length) else { return false }
      start = range.upperBound
    }
    return true
  }
}

extension RawSpan {
  /// Whether both hold the same bytes in `range`.
  func isEqual(to other: RawSpan, in range: Range<Int>) -> Bool {
    unsafe extracting(range).withUnsafeBytes { mine in
      unsafe other.extracting(range).withUnsafeBytes { theirs in
        guard let one = mine.baseAddress, let two = theirs.baseAddress else { return range.isEmpty }
        return unsafe memcmp(one, two, range.count) == 0
      }
    }
  }
}
