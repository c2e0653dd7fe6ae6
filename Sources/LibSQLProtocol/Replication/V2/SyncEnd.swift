/// The answer to a pull when there are no frames from the asked one on: status 400 with an object that names the
/// generation. libsql accepts 500 as well, since Turso's server has been seen to send it for an empty database.
///
/// - Shape: `{"generation":N,"max_frame_no":F,"status":"checkpoint_needed"}`, of which libsql reads the first key only.
/// - Source: tursodatabase/libsql, libsql/src/sync.rs; tursodatabase/turso, sync/engine; recorded clients.
public struct SyncEnd: Sendable, Hashable {
  /// The status of the answer.
  public static let statusCode = 400
  /// The generation that is being written. Above the asked one: the client goes on with frame 1 of the next generation.
  public let generation: UInt32
  /// The last frame of it; nil where it is not said.
  public let lastFrame: UInt32?

  /// An answer.
  public init(generation: UInt32, lastFrame: UInt32?) {
    self.generation = generation
    self.lastFrame = lastFrame
  }

  private struct Object: Codable {
    let generation: UInt32
    let lastFrame: UInt32?
    var status: String? = "checkpoint_needed"

    enum CodingKeys: String, CodingKey {
      case generation, status
      case lastFrame = "max_frame_no"
    }
  }

  /// Reads an answer.
  ///
  /// - Returns: nil for another status than 400 and 500, and for a 500 that does not name a generation: a failure of the
  ///   server is not the end of the log.
  /// - Throws: ``WireFormatError`` `.malformed` for a 400 that does not name a generation; `.limitExceeded` above 64 KiB.
  public init?(statusCode: Int, _ body: [UInt8]) throws(WireFormatError) {
    guard statusCode == Self.statusCode || statusCode == 500 else { return nil }
    do throws(WireFormatError) {
      let object = try SyncJSON.decode(Object.self, body, "end of generation")
      self.init(generation: object.generation, lastFrame: object.lastFrame)
    } catch {
      guard statusCode == 500 else { throw error }
      return nil
    }
  }

  /// The body.
  public var encoded: [UInt8] { SyncJSON.encode(Object(generation: generation, lastFrame: lastFrame)) }
}
