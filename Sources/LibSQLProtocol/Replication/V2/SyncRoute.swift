/// The paths of V2, behind whatever path the URL of the remote has.
///
/// - Source: tursodatabase/libsql, libsql/src/sync.rs; recorded clients.
public enum SyncRoute: Sendable, Hashable {
  /// `GET /info`: ``SyncInfo``.
  case info
  /// `GET /export/GENERATION`: the database file at the start of the generation; no bytes for an empty one.
  case export(generation: UInt32)
  /// `GET /sync/GENERATION/FIRST/END`: frames, or ``SyncEnd``.
  case pull(SyncRange)
  /// `POST /sync/GENERATION/FIRST/END[/BATON]` with frames: ``PushAnswer``.
  case push(SyncRange, baton: String?)
  /// `GET /sync/0/0/0`: libsql 0.9.4 looks whether there is V2. Any answer but 400 with JSON means that there is.
  case probe

  /// Bytes of the longest path that is read.
  public static let pathSizeLimit = 4096

  /// Reads a request.
  ///
  /// - Parameter path: the path of the request, with nothing before `/info`, `/export` or `/sync`.
  /// - Returns: nil for paths and methods that are not of V2.
  /// - Throws: ``WireFormatError`` `.malformed` for a V2 path whose numbers are not decimal without sign and leading zeros,
  ///   are above 32 bits or make no range, for a query, and for a baton that ``isBaton(_:)`` refuses; `.limitExceeded`.
  public init?(method: String, path: String) throws(WireFormatError) {
    var reader = PathReader(path, "V2 path")
    guard let root = reader.root(of: ["info", "export", "sync"]) else { return nil }
    guard path.utf8.count <= Self.pathSizeLimit else {
      throw WireFormatError(.limitExceeded, "V2 path", "longer than \(Self.pathSizeLimit) bytes")
    }
    switch (method, root) {
    case ("GET", "info"): self = .info
    case ("GET", "export"):
      let generation = try reader.number()
      guard generation > 0 else { throw reader.malformed("generation 0") }
      self = .export(generation: generation)
    case ("GET", "sync"), ("POST", "sync"):
      let numbers = (try reader.number(), try reader.number(), try reader.number())
      if method == "GET" && numbers == (0, 0, 0) {
        self = .probe
        break
      }
      guard let range = SyncRange(generation: numbers.0, first: numbers.1, end: numbers.2) else {
        throw reader.malformed("a range without frames, or a number 0")
      }
      self = method == "GET" ? .pull(range) : .push(range, baton: try reader.optional(Self.isBaton))
    default: return nil
    }
    try reader.end()
  }

  /// The method of the request.
  public var method: String {
    if case .push = self { "POST" } else { "GET" }
  }

  /// The path, to be appended to the URL of the remote.
  public var path: String {
    switch self {
    case .info: "/info"
    case .export(let generation): "/export/\(generation)"
    case .pull(let range), .push(let range, baton: nil): Self.path(range)
    case .push(let range, let baton?): "\(Self.path(range))/\(baton)"
    case .probe: "/sync/0/0/0"
    }
  }

  private static func path(_ range: SyncRange) -> String { "/sync/\(range.generation)/\(range.first)/\(range.end)" }

  /// Whether a baton can stand in a path as it is, which is where clients put it: 1 to 1024 characters that mean nothing
  /// else there, and not only dots. Source of the characters: RFC 3986, section 3.3, without `%`.
  public static func isBaton(_ text: String) -> Bool {
    let signs = "-._~!$&'()*+,;=:@".utf8
    return (1...1024).contains(text.utf8.count) && text.utf8.contains { $0 != 0x2E }
      && text.utf8.allSatisfy {
        (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0) || signs.contains($0)
      }
  }
}
