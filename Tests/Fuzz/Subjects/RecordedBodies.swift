import Foundation
import TestSupport

/// What official clients and servers were recorded to say to each other; see the README beside the recordings, in the material
/// shared by the project. Empty where that is not there.
struct RecordedBodies: Sendable {
  struct Exchange: Sendable {
    let path: String
    let request: [UInt8]
    let response: [UInt8]
    /// What went over a WebSocket.
    let fromClient: [[UInt8]]
    let fromServer: [[UInt8]]
  }

  /// Of every scenario of every group, in the order of their names.
  static let exchanges: [Exchange] = {
    let root = Judges.root + "/../shared/reference/wire-vectors"
    let names = (FileManager.default.enumerator(atPath: root)?.allObjects as? [String] ?? []).filter {
      $0.hasSuffix(".json")
    }
    return names.sorted().flatMap { exchanges(of: root + "/" + $0) }
  }()

  /// Requests and responses of paths that hold `part`, no longer than `byteCountMax`.
  static func bodies(_ part: String, byteCountMax: Int = 16 << 10) -> [[UInt8]] {
    exchanges.filter { $0.path.contains(part) }.flatMap { [$0.request, $0.response] }
      .filter { !$0.isEmpty && $0.count <= byteCountMax }
  }

  private static func exchanges(of file: String) -> [Exchange] {
    struct Recording: Decodable {
      struct Body: Decodable { var body_base64: String? }
      struct Frame: Decodable {
        var from: String
        var text: String?
      }
      struct Exchange: Decodable {
        var path: String
        var request: Body
        var response: Body
        var websocket: [Frame]?
      }
      var exchanges: [Exchange]
    }
    func bytes(_ body: Recording.Body) -> [UInt8] {
      body.body_base64.flatMap { Data(base64Encoded: $0) }.map(Array.init) ?? []
    }
    guard let data = FileManager.default.contents(atPath: file),
      let recording = try? JSONDecoder().decode(Recording.self, from: data)
    else { return [] }
    return recording.exchanges.map { exchange in
      func texts(_ side: String) -> [[UInt8]] {
        (exchange.websocket ?? []).filter { $0.from == side }.compactMap { $0.text.map { Array($0.utf8) } }
      }
      return Exchange(
        path: exchange.path, request: bytes(exchange.request), response: bytes(exchange.response),
        fromClient: texts("client"), fromServer: texts("server"))
    }
  }
}
