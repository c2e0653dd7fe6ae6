/// One page of an answer to `POST /pull-updates`.
///
/// - Source: tursodatabase/turso, sync/engine, `PageData`; recorded clients.
public struct PulledPage: Sendable, Hashable {
  /// Field 1, plus 1: the wire counts from 0, SQLite from 1.
  public let pageNumber: UInt32
  /// Field 2: 4096 bytes.
  public let page: [UInt8]

  /// A page. `pageNumber` is at least 1, `page` has 4096 bytes.
  public init(pageNumber: UInt32, page: [UInt8]) {
    PageFormat.requirePage(page)
    precondition(pageNumber > 0, "pages are numbered from 1")
    self.pageNumber = pageNumber
    self.page = page
  }

  /// Reads the message.
  ///
  /// - Throws: ``WireFormatError`` `.malformed` for another size than 4096 bytes, and for a number that no page of SQLite has.
  public init(_ message: ArraySlice<UInt8>) throws(WireFormatError) {
    let structure = "PageData"
    var reader = ProtobufReader(message, structure)
    var index: UInt64 = 0
    var page: ArraySlice<UInt8> = []
    while let field = try reader.next() {
      switch field.number {
      case 1: index = try field.uint64()
      case 2: page = try field.bytes()
      default: continue
      }
    }
    guard index < UInt64(UInt32.max) - 1 else {
      throw WireFormatError(.malformed, structure, at: message.startIndex, "a page that SQLite does not have")
    }
    guard page.count == PageFormat.pageSize else {
      throw WireFormatError(.malformed, structure, at: message.startIndex, "\(page.count) bytes instead of 4096")
    }
    self.init(pageNumber: UInt32(index) + 1, page: Array(page))
  }

  /// The message, without its length.
  public var encoded: [UInt8] {
    ProtobufWriter.encode {
      $0.uint64(1, UInt64(pageNumber) - 1)
      $0.bytes(2, page)
    }
  }
}
