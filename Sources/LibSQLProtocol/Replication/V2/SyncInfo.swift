/// The answer to `GET /info`: which generation is being written. Another status than 200 means that the server has no V2.
///
/// - Shape: `{"current_generation":N}`.
/// - Source: tursodatabase/libsql, libsql/src/sync.rs; recorded clients.
public struct SyncInfo: Sendable, Hashable {
  /// From 1.
  public let currentGeneration: UInt32

  /// An answer; nil for generation 0, which clients refuse.
  public init?(currentGeneration: UInt32) {
    guard currentGeneration > 0 else { return nil }
    self.currentGeneration = currentGeneration
  }

  private struct Object: Codable {
    let currentGeneration: UInt32

    enum CodingKeys: String, CodingKey {
      case currentGeneration = "current_generation"
    }
  }

  /// Reads a body.
  ///
  /// - Throws: ``WireFormatError`` `.malformed` for other JSON and for generation 0; `.limitExceeded` above 64 KiB.
  public init(_ body: [UInt8]) throws(WireFormatError) {
    let object = try SyncJSON.decode(Object.self, body, "info")
    guard object.currentGeneration > 0 else { throw WireFormatError(.malformed, "info", "generation 0") }
    self.currentGeneration = object.currentGeneration
  }

  /// The body.
  public var encoded: [UInt8] { SyncJSON.encode(Object(currentGeneration: currentGeneration)) }
}
