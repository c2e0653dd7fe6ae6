/// The first message of an answer to `POST /pull-updates`.
///
/// - Source: tursodatabase/turso, sync/engine, `PullUpdatesRespProtoBody`; recorded clients.
public struct PullUpdatesHeader: Sendable, Hashable {
  /// Field 1: the revision that the client is at when it has applied everything. Opaque, for equality only.
  public let serverRevision: String
  /// Field 2: pages of the database at that revision.
  public let pageCount: UInt64
  /// Fields 3 and 4: how pages are encoded; nil where it is not said, which only an answer without pages may do.
  public let pageEncoding: PullUpdatesRequest.Encoding?
  /// Field 8: what the database speaks; it is not about this answer.
  public let databaseProtocol: DatabaseProtocol

  /// What a database speaks.
  public enum DatabaseProtocol: UInt64, Sendable, CaseIterable {
    /// The server does not say, which clients take for pages.
    case unspecified = 0
    /// Pages.
    case pages = 1
    /// A logical log. A replica of pages gets nothing from it, and has to say so.
    case logicalLog = 2
  }

  /// A header of raw pages that are to be applied to what the client has.
  public init(
    serverRevision: String, pageCount: UInt64, pageEncoding: PullUpdatesRequest.Encoding? = .raw,
    databaseProtocol: DatabaseProtocol = .pages
  ) {
    self.serverRevision = serverRevision
    self.pageCount = pageCount
    self.pageEncoding = pageEncoding
    self.databaseProtocol = databaseProtocol
  }

  /// Reads the message.
  ///
  /// - Throws: ``WireFormatError``; `.malformed` for two encodings, for no revision, and for more pages than a database
  ///   can have; `.unsupported` for pages under zstd, a logical log, a base that is to be replaced, and a
  ///   database that speaks neither pages nor a logical log.
  public init(_ message: ArraySlice<UInt8>) throws(WireFormatError) {
    let structure = "PullUpdatesHeader"
    func unsupported(_ field: ProtobufField, _ detail: String) -> WireFormatError {
      WireFormatError(.unsupported, structure, at: field.offset, detail)
    }
    var reader = ProtobufReader(message, structure)
    var (revision, pageCount) = ("", UInt64(0))
    var (isRaw, zstd): (Bool, ProtobufField?) = (false, nil)
    var databaseProtocol = DatabaseProtocol.unspecified
    while let field = try reader.next() {
      switch field.number {
      case 1: revision = try field.string()
      case 2: pageCount = try field.uint64()
      case 3:
        _ = try field.bytes()
        isRaw = true
      case 4:
        _ = try field.bytes()
        zstd = field
      case 5:
        guard try field.uint64() == 0 else { throw unsupported(field, "a stream that is not of pages") }
      case 6:
        guard try field.uint64() == 0 else { throw unsupported(field, "a base that is to be replaced") }
      case 7: throw unsupported(field, "a logical log")
      case 8:
        guard let value = DatabaseProtocol(rawValue: try field.uint64()) else {
          throw unsupported(field, "an unknown protocol of the database")
        }
        databaseProtocol = value
      default: continue
      }
    }
    if let zstd {
      guard !isRaw else { throw zstd.refused("is a second encoding of pages") }
      throw unsupported(zstd, "pages under zstd")
    }
    guard !revision.isEmpty else {
      throw WireFormatError(.malformed, structure, at: message.startIndex, "no server revision")
    }
    guard pageCount <= UInt64(UInt32.max) else {
      throw WireFormatError(.malformed, structure, at: message.startIndex, "more than 2^32 - 1 pages")
    }
    self.init(
      serverRevision: revision, pageCount: pageCount, pageEncoding: isRaw ? .raw : nil,
      databaseProtocol: databaseProtocol)
  }

  /// The message, without its length. Clients fail on pages without field 3, an empty message that says they are raw.
  public var encoded: [UInt8] {
    ProtobufWriter.encode { writer in
      writer.string(1, serverRevision)
      writer.uint64(2, pageCount)
      if pageEncoding == .raw { writer.message(3) { _ in } }
      if pageEncoding == .zstd { writer.message(4) { _ in } }
      writer.uint64(8, databaseProtocol.rawValue)
    }
  }
}
