/// One page of a V1 log, as it is after a frame.
///
/// - Shape: 4120 bytes, little-endian: frame number (8), checksum (8), page number (4), size after commit (4), page (4096).
/// - Source: tursodatabase/libsql, libsql-replication/src/frame.rs.
public struct ReplicationFrame: Sendable, Hashable {
  /// Place in the log. Ascending in a batch, with gaps where older versions of pages were left out; 0 is a valid number.
  public let frameNumber: UInt64
  /// Clients do not check it. 0 in what this module makes, unless it is given.
  public let checksum: UInt64
  /// From 1.
  public let pageNumber: UInt32
  /// Pages of the database after the commit that this frame ends; 0 inside a transaction.
  public let sizeAfter: UInt32
  /// 4096 bytes.
  public let page: [UInt8]

  /// A frame. `page` has 4096 bytes.
  public init(frameNumber: UInt64, checksum: UInt64 = 0, pageNumber: UInt32, sizeAfter: UInt32, page: [UInt8]) {
    PageFormat.requirePage(page)
    self.frameNumber = frameNumber
    self.checksum = checksum
    self.pageNumber = pageNumber
    self.sizeAfter = sizeAfter
    self.page = page
  }

  /// Whether a transaction ends here.
  public var isCommit: Bool { sizeAfter != 0 }

  /// Reads a frame.
  ///
  /// - Throws: ``WireFormatError`` `.malformed` for another length than 4120 and for page number 0.
  public init(_ bytes: ArraySlice<UInt8>) throws(WireFormatError) {
    let structure = "replication frame"
    guard bytes.count == PageFormat.frameSize else {
      throw WireFormatError(.malformed, structure, at: bytes.startIndex, "\(bytes.count) bytes instead of 4120")
    }
    let pageNumber = bytes.littleEndian(UInt32.self, at: 16)
    guard pageNumber > 0 else {
      throw WireFormatError(.malformed, structure, at: bytes.startIndex + 16, "page number 0")
    }
    self.init(
      frameNumber: bytes.littleEndian(UInt64.self, at: 0), checksum: bytes.littleEndian(UInt64.self, at: 8),
      pageNumber: pageNumber, sizeAfter: bytes.littleEndian(UInt32.self, at: 20),
      page: Array(bytes.dropFirst(PageFormat.frameHeaderSize)))
  }

  /// The 4120 bytes.
  public var bytes: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(PageFormat.frameSize)
    bytes.appendLittleEndian(frameNumber)
    bytes.appendLittleEndian(checksum)
    bytes.appendLittleEndian(pageNumber)
    bytes.appendLittleEndian(sizeAfter)
    return bytes + page
  }
}
