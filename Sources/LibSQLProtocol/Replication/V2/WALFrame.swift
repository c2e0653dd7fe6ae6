/// One frame of a V2 log, in the layout of SQLite's write-ahead log.
///
/// - Shape: 4120 bytes, big-endian: page number (4), size after commit (4), salts (8) and checksums (8), page (4096).
/// - Source: https://www.sqlite.org/fileformat2.html#the_write_ahead_log
public struct WALFrame: Sendable, Hashable {
  /// From 1.
  public let pageNumber: UInt32
  /// Pages of the database after the commit that this frame ends; 0 inside a transaction.
  public let sizeAfter: UInt32
  /// Salts and checksums of the sender's own log, 16 bytes. Neither clients nor this module look at them: the receiver's
  /// log has its own. Zeros in what this module makes, unless they are given.
  public let seal: [UInt8]
  /// 4096 bytes.
  public let page: [UInt8]

  static let sealSize = 16

  /// A frame. `page` has 4096 bytes, `seal` 16.
  public init(
    pageNumber: UInt32, sizeAfter: UInt32, page: [UInt8], seal: [UInt8] = Array(repeating: 0, count: 16)
  ) {
    PageFormat.requirePage(page)
    precondition(seal.count == Self.sealSize, "salts and checksums have 16 bytes")
    self.pageNumber = pageNumber
    self.sizeAfter = sizeAfter
    self.seal = seal
    self.page = page
  }

  /// Whether a transaction ends here.
  public var isCommit: Bool { sizeAfter != 0 }

  /// Reads a frame.
  ///
  /// - Throws: ``WireFormatError`` `.malformed` for another length than 4120 and for page number 0.
  public init(_ bytes: ArraySlice<UInt8>) throws(WireFormatError) {
    let structure = "WAL frame"
    guard bytes.count == PageFormat.frameSize else {
      throw WireFormatError(.malformed, structure, at: bytes.startIndex, "\(bytes.count) bytes instead of 4120")
    }
    let pageNumber = bytes.bigEndian(UInt32.self, at: 0)
    guard pageNumber > 0 else { throw WireFormatError(.malformed, structure, at: bytes.startIndex, "page number 0") }
    self.init(
      pageNumber: pageNumber, sizeAfter: bytes.bigEndian(UInt32.self, at: 4),
      page: Array(bytes.dropFirst(PageFormat.frameHeaderSize)), seal: Array(bytes.dropFirst(8).prefix(Self.sealSize)))
  }

  /// The 4120 bytes.
  public var bytes: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(PageFormat.frameSize)
    bytes.appendBigEndian(pageNumber)
    bytes.appendBigEndian(sizeAfter)
    bytes.append(contentsOf: seal)
    return bytes + page
  }
}
