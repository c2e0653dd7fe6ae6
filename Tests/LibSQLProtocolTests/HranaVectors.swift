import Foundation
import LibSQLProtocol
import TestSupport
import Testing

/// Exchanges that were recorded between official clients and a throwaway server; see the README beside them.
enum HranaVectors {
  /// A message of a recording, and the type that reads it.
  struct Message: Sendable, CustomTestStringConvertible {
    let file: String
    let place: String
    let type: any HranaMessage.Type
    let bytes: [UInt8]
    /// Written by the Rust client or by the server, in the form that we write.
    let isCanonical: Bool

    var testDescription: String { "\(file) \(place)" }
  }

  private struct Recording: Decodable {
    struct Exchange: Decodable {
      struct Request: Decodable { var body_base64: String? }
      struct Response: Decodable {
        var status: Int
        var body_base64: String?
      }
      struct Frame: Decodable {
        var from: String
        var text: String?
      }
      var path: String
      var request: Request
      var response: Response
      var websocket: [Frame]?
    }
    var client: String
    var exchanges: [Exchange]
  }

  /// Every Hrana message of every recording.
  static func all() throws -> [Message] {
    let root = URL(fileURLWithPath: Judges.root + "/../shared/reference/wire-vectors")
    return try ["hrana", "turso"].flatMap { folder in
      try FileManager.default.contentsOfDirectory(at: root.appending(path: folder), includingPropertiesForKeys: nil)
        .filter { $0.pathExtension == "json" }.sorted { $0.path < $1.path }
        .flatMap { try messages(of: $0) }
    }
  }

  private static func messages(of file: URL) throws -> [Message] {
    let recording = try JSONDecoder().decode(Recording.self, from: Data(contentsOf: file))
    let isRust = recording.client.contains("Rust")
    var messages: [Message] = []
    for (index, exchange) in recording.exchanges.enumerated() {
      func add(_ place: String, _ type: any HranaMessage.Type, _ bytes: [UInt8], isCanonical: Bool) {
        messages.append(
          Message(
            file: file.lastPathComponent, place: "\(exchange.path) \(index) \(place)", type: type, bytes: bytes,
            isCanonical: isCanonical))
      }
      for frame in exchange.websocket ?? [] {
        let isServer = frame.from == "server"
        add(
          frame.from, isServer ? Hrana.ServerMessage.self : Hrana.ClientMessage.self, Array((frame.text ?? "").utf8),
          isCanonical: isServer)
      }
      guard let types = types(exchange.path) else { continue }
      add("request", types.request, try decode(exchange.request.body_base64), isCanonical: isRust)
      let body = try decode(exchange.response.body_base64)
      if exchange.response.status != 200 {
        add("error", Hrana.ProtocolError.self, body, isCanonical: true)
      } else if types.response == Hrana.CursorResponse.self {
        for (number, line) in body.split(separator: UInt8(ascii: "\n")).enumerated() {
          let type: any HranaMessage.Type = number == 0 ? Hrana.CursorResponse.self : Hrana.CursorEntry.self
          add("line \(number)", type, Array(line), isCanonical: true)
        }
      } else {
        add("response", types.response, body, isCanonical: true)
      }
    }
    return messages
  }

  private static func types(_ path: String) -> (request: any HranaMessage.Type, response: any HranaMessage.Type)? {
    switch path {
    case "/v1/execute": (Hrana.ExecuteRequest.self, Hrana.ExecuteResponse.self)
    case "/v1/batch": (Hrana.BatchRequest.self, Hrana.BatchResponse.self)
    case "/v2/pipeline", "/v3/pipeline": (Hrana.PipelineRequest.self, Hrana.PipelineResponse.self)
    case "/v3/cursor": (Hrana.CursorRequest.self, Hrana.CursorResponse.self)
    default: nil
    }
  }

  private static func decode(_ base64: String?) throws -> [UInt8] {
    Array(try #require(Data(base64Encoded: base64 ?? "")))
  }
}

/// JSON without what two writers may do differently: order, spaces, nulls and empty lists of arguments left out.
enum NormalizedJSON {
  static func text(_ bytes: [UInt8]) throws -> String {
    let value = try JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)
    let data = try JSONSerialization.data(
      withJSONObject: normalized(value), options: [.sortedKeys, .fragmentsAllowed, .withoutEscapingSlashes])
    return String(decoding: data, as: UTF8.self)
  }

  private static func normalized(_ value: Any) -> Any {
    if let list = value as? [Any] { return list.map(normalized) }
    guard let object = value as? [String: Any] else { return value }
    return object.reduce(into: [String: Any]()) { fields, field in
      let isEmptyList = (field.value as? [Any])?.isEmpty == true
      if field.value is NSNull || (isEmptyList && ["args", "named_args"].contains(field.key)) { return }
      fields[field.key] = normalized(field.value)
      // Clients in Python pad base64; we do not.
      if field.key == "base64", let text = field.value as? String { fields[field.key] = text.replacing("=", with: "") }
    }
  }
}
