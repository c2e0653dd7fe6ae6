/// The answer to `GET /info`: which generation is being written. Another status than 200 means that the server has no V2.
///
/// - Shape: `{"current_generation":N,"database":"ID"}`; the second key is an addition of `albergue-primary`.
/// - Source: tursodatabase/libsql, libsql/src/sync.rs; recorded clients.
public struct SyncInfo: Sendable, Hashable {
  /// From 1.
  public let currentGeneration: UInt32
  /// Which database this is, one word; nil where the server does not say. Positions of different databases have nothing to
  /// do with each other.
  public let database: String?

  /// The header in which `albergue-primary` repeats ``database`` with every answer of V2: a server that another one has taken
  /// the place of cannot pass for it between two requests.
  public static let databaseHeader = "x-albergue-database"
  /// Bytes of the longest name that is taken for one.
  private static let databaseByteCountMax = 128

  /// An answer; nil for generation 0, which clients refuse.
  public init?(currentGeneration: UInt32, database: String? = nil) {
    guard currentGeneration > 0 else { return nil }
    self.currentGeneration = currentGeneration
    self.database = database
  }

  /// Letters, digits, dots, hyphens and underscores: what a replica stores beside an address, and shows.
  public static func isDatabaseName(_ text: String) -> Bool {
    (1...databaseByteCountMax).contains(text.utf8.count)
      && text.utf8.allSatisfy {
        (0x61...0x7A).contains($0) || (0x41...0x5A).contains($0) || (0x30...0x39).contains($0)
          || [0x2D, 0x2E, 0x5F].contains($0)
      }
  }

  private struct Object: Codable {
    let currentGeneration: UInt32
    var database: Database?

    enum CodingKeys: String, CodingKey {
      case currentGeneration = "current_generation"
      case database
    }
  }

  /// The key is no part of the protocol: another type than a string is another server's meaning of it, and no mistake.
  private struct Database: Codable {
    let name: String?

    init(name: String?) { self.name = name }

    init(from decoder: any Decoder) throws { name = try? decoder.singleValueContainer().decode(String.self) }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.singleValueContainer()
      try container.encode(name)
    }
  }

  /// Reads a body.
  ///
  /// - Throws: ``WireFormatError`` `.malformed` for other JSON and for generation 0; `.limitExceeded` above 64 KiB.
  public init(_ body: [UInt8]) throws(WireFormatError) {
    let object = try SyncJSON.decode(Object.self, body, "info")
    guard object.currentGeneration > 0 else { throw WireFormatError(.malformed, "info", "generation 0") }
    currentGeneration = object.currentGeneration
    database = object.database?.name.flatMap { Self.isDatabaseName($0) ? $0 : nil }
  }

  /// The body.
  public var encoded: [UInt8] {
    SyncJSON.encode(Object(currentGeneration: currentGeneration, database: database.map { Database(name: $0) }))
  }
}
