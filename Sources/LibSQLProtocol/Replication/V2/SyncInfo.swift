/// The answer to `GET /info`: which generation is being written. Another status than 200 means that the server has no V2.
///
/// - Shape: `{"current_generation":N}`, and from servers of this project `"database":"UUID"`. Clients of libsql pass over
///   what they do not know.
/// - Source: tursodatabase/libsql, libsql/src/sync.rs; recorded clients.
public struct SyncInfo: Sendable, Hashable {
  /// From 1.
  public let currentGeneration: UInt32
  /// Which database this is: another one under the same address has another id. Nil from servers that do not say it.
  public let database: String?

  /// Characters of the longest id.
  public static let databaseLengthMax = 200
  /// The header in which servers of this project repeat ``database`` with every answer of V2: a server that another one has
  /// taken the place of cannot pass for it between two requests.
  public static let databaseHeader = "x-albergue-database"

  /// An answer; nil for generation 0, which clients refuse.
  public init?(currentGeneration: UInt32, database: String? = nil) {
    guard currentGeneration > 0 else { return nil }
    self.currentGeneration = currentGeneration
    self.database = database
  }

  private struct Object: Codable {
    let currentGeneration: UInt32
    let database: String?

    enum CodingKeys: String, CodingKey {
      case currentGeneration = "current_generation"
      case database
    }
  }

  /// Reads a body.
  ///
  /// - Throws: ``WireFormatError`` `.malformed` for other JSON, generation 0 and an id that is too long; `.limitExceeded`
  ///   above 64 KiB.
  public init(_ body: [UInt8]) throws(WireFormatError) {
    let object = try SyncJSON.decode(Object.self, body, "info")
    guard object.currentGeneration > 0 else { throw WireFormatError(.malformed, "info", "generation 0") }
    guard object.database?.count ?? 0 <= Self.databaseLengthMax else {
      throw WireFormatError(.malformed, "info", "an id of more than \(Self.databaseLengthMax) characters")
    }
    self.currentGeneration = object.currentGeneration
    database = object.database
  }

  /// The body.
  public var encoded: [UInt8] { SyncJSON.encode(Object(currentGeneration: currentGeneration, database: database)) }
}
