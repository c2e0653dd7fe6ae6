/// Reads the pages of a database file from chunks of any size: the body of `GET /export`, which has no framing. No bytes are
/// an empty database.
///
/// Use: ``append(_:)`` a chunk, ``next()`` until it gives nil, and so on; ``finish()`` when the body ends. Memory: one page and
/// one chunk. After an error the reader gives that error again.
///
/// - Source of the header: https://www.sqlite.org/fileformat2.html#the_database_header
public struct ExportReader: Sendable {
  private static let structure = "export"
  private static let magic = Array("SQLite format 3\0".utf8)
  private let pageCountLimit: UInt32
  private var queue = ByteQueue()
  private var failure: WireFormatError?
  /// Pages that have come out.
  public private(set) var pageCount: UInt32 = 0

  /// A reader at the start of a body.
  ///
  /// - Parameter pageCountLimit: pages of the file. Default 2^32 - 2, the most that SQLite has.
  public init(pageCountLimit: UInt32 = UInt32.max - 1) { self.pageCountLimit = pageCountLimit }

  /// Adds bytes that have arrived, which may be none.
  public mutating func append(_ chunk: some Collection<UInt8>) { queue.append(chunk) }

  /// Bytes that have arrived and are not used.
  var bufferedSize: Int { queue.count }

  /// The next page, 4096 bytes, and its number, from 1; nil until more bytes arrive.
  ///
  /// - Throws: ``WireFormatError`` `.malformed` when the first page is not that of a SQLite database in plaintext; `.unsupported`
  ///   for another page size than 4096; `.limitExceeded` for more pages than allowed.
  public mutating func next() throws(WireFormatError) -> (number: UInt32, page: [UInt8])? {
    if let failure { throw failure }
    do throws(WireFormatError) {
      if !queue.isEmpty && pageCount == pageCountLimit {
        throw WireFormatError(.limitExceeded, Self.structure, at: queue.offset, "more than \(pageCountLimit) pages")
      }
      guard queue.count >= PageFormat.pageSize else { return nil }
      if pageCount == 0 { try checkHeader() }
      pageCount += 1
      return (pageCount, queue.take(upTo: PageFormat.pageSize))
    } catch {
      failure = error
      throw error
    }
  }

  private func checkHeader() throws(WireFormatError) {
    guard queue.bytes.starts(with: Self.magic) else {
      throw WireFormatError(.malformed, Self.structure, at: 0, "no SQLite database in plaintext")
    }
    let pageSize = queue.bytes.bigEndian(UInt16.self, at: 16)
    guard pageSize == PageFormat.pageSize else {
      throw WireFormatError(.unsupported, Self.structure, at: 16, "a page size other than 4096")
    }
  }

  /// Says that the body has ended.
  ///
  /// - Throws: ``WireFormatError`` `.truncated` inside a page. A file that is cut between two pages looks whole: whoever reads
  ///   it has to take a failed transfer for a failure, and to compare the page count in the header of page 1.
  public func finish() throws(WireFormatError) {
    if let failure { throw failure }
    guard queue.isEmpty else {
      throw WireFormatError(.truncated, Self.structure, at: queue.endOffset, "the body ends inside a page")
    }
  }
}
