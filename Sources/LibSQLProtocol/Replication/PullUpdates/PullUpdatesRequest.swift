/// The body of `POST /pull-updates`: which pages a Turso client wants. One protobuf message without a length; no bytes
/// at all for a first pull.
///
/// - Source: tursodatabase/turso, sync/engine, `PullUpdatesReqProtoBody`; recorded clients.
public struct PullUpdatesRequest: Sendable, Hashable {
  /// The path.
  public static let path = "/pull-updates"
  /// The content type of request and response.
  public static let contentType = "application/protobuf"
  /// The header with the key of a remote that is encrypted for its customer: base64.
  public static let encryptionKeyHeader = "x-turso-encryption-key"

  /// How pages are to be encoded.
  public enum Encoding: UInt64, Sendable, CaseIterable {
    /// As they are.
    case raw = 0
    /// Zstandard. No client sends it, and this module does not read it.
    case zstd = 1
  }

  /// What the body of the answer is to be.
  public enum StreamKind: UInt64, Sendable, CaseIterable {
    /// Pages.
    case pages = 0
    /// A logical log, for databases of Turso's own kind. This module does not read it.
    case logicalLog = 1
  }

  /// Field 1.
  public var encoding = Encoding.raw
  /// Field 2: the revision that the answer has to be at; empty means the newest.
  public var serverRevision = ""
  /// Field 3: the revision that the client is at; empty means that it has nothing.
  public var clientRevision = ""
  /// Field 4, milliseconds: how long the server may wait for a change. Only with a client revision and without a server
  /// revision.
  public var longPollTimeout: UInt32 = 0
  /// Field 5: the wanted pages; nil means all.
  public var pages: PageSet?
  /// Field 7: the pages that this statement reads; empty means all. It can hold values of a row.
  public var query = ""
  /// Field 8.
  public var streamKind = StreamKind.pages

  /// A first pull of everything, which has no bytes. `pages` that are empty are written like nil.
  public init() {}

  /// Reads a body. Field 6 has never been sent, and is skipped.
  ///
  /// - Parameter sizeLimit: bytes of the body. Default 1 MiB: a selector of 8 million pages (32 GiB) in bitmaps. Such a
  ///   selector takes at most 32 times its size in memory.
  /// - Throws: ``WireFormatError``; `.unsupported` for an encoding or kind of stream that does not exist; `.malformed` for a
  ///   selector that is no Roaring bitmap or selects nothing.
  public init(_ body: ArraySlice<UInt8>, sizeLimit: Int = 1 << 20) throws(WireFormatError) {
    let structure = "PullUpdatesRequest"
    guard body.count <= sizeLimit else {
      throw WireFormatError(.limitExceeded, structure, "\(body.count) bytes, the limit is \(sizeLimit)")
    }
    func known<Value>(_ value: Value?, _ field: ProtobufField) throws(WireFormatError) -> Value {
      guard let value else {
        throw WireFormatError(.unsupported, structure, at: field.offset, "field \(field.number) has an unknown value")
      }
      return value
    }
    var reader = ProtobufReader(body, structure)
    while let field = try reader.next() {
      switch field.number {
      case 1: encoding = try known(Encoding(rawValue: try field.uint64()), field)
      case 2: serverRevision = try field.string()
      case 3: clientRevision = try field.string()
      case 4: longPollTimeout = try field.uint32()
      case 5: pages = try Self.selector(field)
      case 7: query = try field.string()
      case 8: streamKind = try known(StreamKind(rawValue: try field.uint64()), field)
      default: continue
      }
    }
  }

  private static func selector(_ field: ProtobufField) throws(WireFormatError) -> PageSet? {
    let bytes = try field.bytes()
    guard !bytes.isEmpty else { return nil }
    let pages = try RoaringBitmap.decode(bytes)
    guard !pages.isEmpty else { throw field.refused("selects no page") }
    return pages
  }

  /// The body.
  public var encoded: [UInt8] {
    ProtobufWriter.encode { writer in
      writer.uint64(1, encoding.rawValue)
      writer.string(2, serverRevision)
      writer.string(3, clientRevision)
      writer.uint64(4, UInt64(longPollTimeout))
      if let pages, !pages.isEmpty { writer.bytes(5, RoaringBitmap.encode(pages)) }
      writer.string(7, query)
      writer.uint64(8, streamKind.rawValue)
    }
  }
}
