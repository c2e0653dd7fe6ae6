/// Reads the frames of a write-ahead log as SQLite's recovery does, and says where that reading stops and why.
///
/// A pure parser over a byte source: it knows nothing of keys. The checksums are unkeyed and cover the encrypted page.
/// Source: https://www.sqlite.org/fileformat2.html#the_write_ahead_log
package struct WriteAheadLog: Sendable {
  package static let headerByteCount = 32
  package static let frameHeaderByteCount = 24

  /// The 32-byte header.
  package struct Header: Sendable, Equatable {
    package let pageSize: Int
    package let salts: Salts
    let checksumsAreBigEndian: Bool
    let checksum: Checksum

    /// Nil when magic, version, page size or checksum are wrong; SQLite then ignores the whole log.
    package init?(_ bytes: RawSpan) {
      guard bytes.byteCount >= WriteAheadLog.headerByteCount else { return nil }
      let magic = bytes.bigEndianUInt32(at: 0)
      guard magic == 0x377F_0682 || magic == 0x377F_0683, bytes.bigEndianUInt32(at: 4) == 3_007_000 else { return nil }
      let storedPageSize = Int(bytes.bigEndianUInt32(at: 8))
      guard (512...65536).contains(storedPageSize), storedPageSize & (storedPageSize - 1) == 0 else { return nil }
      checksumsAreBigEndian = magic & 1 == 1
      var computed = Checksum()
      computed.update(bytes.extracting(0..<24), bigEndian: checksumsAreBigEndian)
      guard computed == Checksum(bytes, at: 24) else { return nil }
      pageSize = storedPageSize
      salts = Salts(bytes, at: 16)
      checksum = computed
    }
  }

  /// The two salts that tie frames to the current header.
  package struct Salts: Sendable, Equatable {
    let first: UInt32
    let second: UInt32

    init(_ bytes: RawSpan, at offset: Int) {
      first = bytes.bigEndianUInt32(at: offset)
      second = bytes.bigEndianUInt32(at: offset + 4)
    }
  }

  /// The running checksum pair.
  package struct Checksum: Sendable, Equatable {
    var first: UInt32 = 0
    var second: UInt32 = 0

    init() {}

    init(_ bytes: RawSpan, at offset: Int) {
      first = bytes.bigEndianUInt32(at: offset)
      second = bytes.bigEndianUInt32(at: offset + 4)
    }

    /// `bytes` must be a multiple of eight long. Wrapping sums, as the format defines them.
    mutating func update(_ bytes: RawSpan, bigEndian: Bool) {
      var offset = 0
      while offset + 8 <= bytes.byteCount {
        let left = bigEndian ? bytes.bigEndianUInt32(at: offset) : bytes.littleEndianUInt32(at: offset)
        let right = bigEndian ? bytes.bigEndianUInt32(at: offset + 4) : bytes.littleEndianUInt32(at: offset + 4)
        first = first &+ left &+ second
        second = second &+ right &+ first
        offset += 8
      }
    }

    /// Takes back an `update` with the same bytes.
    mutating func undo(_ bytes: RawSpan, bigEndian: Bool) {
      var offset = bytes.byteCount - 8
      while offset >= 0 {
        let left = bigEndian ? bytes.bigEndianUInt32(at: offset) : bytes.littleEndianUInt32(at: offset)
        let right = bigEndian ? bytes.bigEndianUInt32(at: offset + 4) : bytes.littleEndianUInt32(at: offset + 4)
        second = second &- right &- first
        first = first &- left &- second
        offset -= 8
      }
    }
  }

  /// One frame: its place and what its header says.
  package struct Frame: Sendable, Equatable {
    /// 0-based position in the log.
    package let index: Int
    package let page: UInt32
    /// Database size in pages after this transaction; 0 unless the frame commits one.
    package let committedPageCount: UInt32
    /// Whether the frame's salts are the current header's.
    package let hasCurrentSalts: Bool
    /// Whether the checksum continues the chain from the header.
    package let continuesChain: Bool
    /// Whether it would, were it a commit: its commit mark was taken away.
    package let lacksItsCommitMark: Bool

    package var isCommit: Bool { committedPageCount > 0 }
  }

  private let header: Header
  private var running: Checksum
  private var isBroken = false
  private var nextIndex = 0

  package init(header: Header) {
    self.header = header
    running = header.checksum
  }

  /// Bytes of one frame with its header.
  package static func frameByteCount(pageSize: Int) -> Int { frameHeaderByteCount + pageSize }

  /// Byte offset of a 0-based frame.
  package static func offset(ofFrame index: Int, pageSize: Int) -> Int64 {
    Int64(headerByteCount) + Int64(index) * Int64(frameByteCount(pageSize: pageSize))
  }

  /// Takes the next frame (header and page). The chain, once broken, stays broken, as in SQLite's recovery.
  ///
  /// The salts are not part of the checksum: a frame whose checksum continues the chain under foreign salts was
  /// altered, and is reported with `continuesChain` true and `hasCurrentSalts` false.
  package mutating func next(_ bytes: RawSpan) -> Frame {
    var checksum = running
    checksum.update(bytes.extracting(0..<8), bigEndian: header.checksumsAreBigEndian)
    checksum.update(
      bytes.extracting(Self.frameHeaderByteCount..<bytes.byteCount), bigEndian: header.checksumsAreBigEndian)
    let hasCurrentSalts = Salts(bytes, at: 8) == header.salts
    let matches = !isBroken && checksum == Checksum(bytes, at: 16) && bytes.bigEndianUInt32(at: 0) > 0
    let committedPageCount = bytes.bigEndianUInt32(at: 4)
    let frame = Frame(
      index: nextIndex, page: bytes.bigEndianUInt32(at: 0), committedPageCount: committedPageCount,
      hasCurrentSalts: hasCurrentSalts, continuesChain: matches,
      lacksItsCommitMark: !matches && !isBroken && hasCurrentSalts && committedPageCount == 0
        && wouldContinueAsCommit(bytes))
    if matches && hasCurrentSalts { running = checksum } else { isBroken = true }
    nextIndex += 1
    return frame
  }

  /// Whether some page count in the place of the zero makes the checksum right.
  ///
  /// Each step of the checksum can be undone, so the sums after the frame's first eight bytes follow from the stored
  /// checksum and the page. The first of them does not depend on the page count and must be right as it is; a frame that
  /// a rolled-back transaction left passes by chance once in 2^32.
  private func wouldContinueAsCommit(_ bytes: RawSpan) -> Bool {
    var sums = Checksum(bytes, at: 16)
    sums.undo(bytes.extracting(Self.frameHeaderByteCount..<bytes.byteCount), bigEndian: header.checksumsAreBigEndian)
    let page = header.checksumsAreBigEndian ? bytes.bigEndianUInt32(at: 0) : bytes.littleEndianUInt32(at: 0)
    return sums.first == running.first &+ page &+ running.second
  }
}
