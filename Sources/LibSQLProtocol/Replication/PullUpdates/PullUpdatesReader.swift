/// Reads an answer to `POST /pull-updates` from chunks of any size: the header, then pages, each as soon as it is whole.
///
/// Use: ``append(_:)`` a chunk, ``next()`` until it gives nil, and so on; ``finish()`` when the body ends. Memory: one page and
/// one chunk. After an error the reader gives that error again.
///
/// The format has no end and no checksum: a body that is cut between two pages looks whole. Whoever reads it has to take
/// a failed transfer for a failure, and to count the pages of a first pull.
public struct PullUpdatesReader: Sendable {
  /// What came out.
  public enum Event: Sendable, Hashable {
    /// First, once.
    case header(PullUpdatesHeader)
    /// A page of the database at the revision of the header. Pages come in any order.
    case page(PulledPage)
  }

  /// Bytes of the longest header. A revision of Turso's cloud is a small JSON text.
  static let headerSizeLimit = 64 << 10
  /// Bytes of the longest page: its bytes, its number, and room for fields of later versions.
  static let pageSizeLimit = PageFormat.pageSize + 1024

  private var reader = DelimitedMessageReader("pull-updates")
  private var failure: WireFormatError?
  /// Nil until it has arrived.
  public private(set) var header: PullUpdatesHeader?
  /// Pages that have come out.
  public private(set) var pageCount: UInt64 = 0

  /// A reader at the start of a body.
  public init() {}

  /// Adds bytes that have arrived, which may be none.
  public mutating func append(_ chunk: some Collection<UInt8>) { reader.append(chunk) }

  /// Bytes that have arrived and are not used.
  var bufferedSize: Int { reader.bufferedSize }

  /// What comes next, nil until more bytes arrive.
  ///
  /// - Throws: ``WireFormatError`` of header and pages; `.malformed` for a page behind the end of the database, or more pages
  ///   than it has; `.limitExceeded` for a message that is too long.
  public mutating func next() throws(WireFormatError) -> Event? {
    if let failure { throw failure }
    do throws(WireFormatError) {
      let limit = header == nil ? Self.headerSizeLimit : Self.pageSizeLimit
      guard let (message, offset) = try reader.next(sizeLimit: limit) else { return nil }
      do throws(WireFormatError) {
        return try event(message)
      } catch {
        throw error.shifted(by: offset)
      }
    } catch {
      failure = error
      throw error
    }
  }

  private mutating func event(_ message: [UInt8]) throws(WireFormatError) -> Event {
    guard let header else {
      let header = try PullUpdatesHeader(message[...])
      self.header = header
      return .header(header)
    }
    guard header.pageEncoding == .raw else {
      throw WireFormatError(.malformed, "pull-updates", at: 0, "a page, but no encoding of pages")
    }
    let page = try PulledPage(message[...])
    pageCount += 1
    guard UInt64(page.pageNumber) <= header.pageCount, pageCount <= header.pageCount else {
      throw WireFormatError(.malformed, "pull-updates", at: 0, "a page that the database does not have")
    }
    return .page(page)
  }

  /// Says that the body has ended.
  ///
  /// - Throws: ``WireFormatError`` `.truncated` without a header, or inside a message.
  public mutating func finish() throws(WireFormatError) {
    if let failure { throw failure }
    guard header != nil, reader.isEmpty else {
      throw WireFormatError(.truncated, "pull-updates", at: reader.endOffset, "the body ends inside a message")
    }
  }
}

/// Makes the parts of an answer to `POST /pull-updates`, to be sent one after the other.
public enum PullUpdatesWriter {
  /// The header with its length.
  public static func part(_ header: PullUpdatesHeader) -> [UInt8] { DelimitedMessageReader.frame(header.encoded) }
  /// A page with its length.
  public static func part(_ page: PulledPage) -> [UInt8] { DelimitedMessageReader.frame(page.encoded) }
}
