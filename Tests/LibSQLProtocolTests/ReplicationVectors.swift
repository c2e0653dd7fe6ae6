import Foundation
import LibSQLProtocol
import TestSupport
import Testing

/// A recorded exchange of an official client. Its README is beside the files, in the material shared by the project.
struct Vector: Decodable {
  struct Exchange: Decodable {
    let method: String
    let path: String
    let request: Message
    let response: Message
  }

  struct Message: Decodable {
    let status: Int?
    let headers: [[String]]
    let body: [UInt8]

    enum CodingKeys: String, CodingKey {
      case status, headers
      case body = "body_base64"
    }

    init(from decoder: any Decoder) throws {
      let values = try decoder.container(keyedBy: CodingKeys.self)
      status = try values.decodeIfPresent(Int.self, forKey: .status)
      headers = try values.decode([[String]].self, forKey: .headers)
      let text = try values.decode(String.self, forKey: .body)
      body = [UInt8](try #require(Data(base64Encoded: text)))
    }

    func header(_ name: String) -> String? { headers.first { $0[0] == name }?[1] }

    /// The status in the HTTP headers.
    func grpcStatus() throws -> GRPCStatus? {
      try GRPCStatus(status: header("grpc-status"), message: header("grpc-message"))
    }
  }

  let exchanges: [Exchange]

  static let root = Judges.root + "/../shared/reference/wire-vectors/"

  /// `v1/sync-incremental`.
  static func load(_ name: String) throws -> Vector {
    try JSONDecoder().decode(Vector.self, from: try Bytes.read("\(root)\(name).json"))
  }

  /// Every scenario of a group.
  static func names(_ group: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: root + group).filter { $0.hasSuffix(".json") }.sorted()
      .map { "\(group)/\($0.dropLast(5))" }
  }

  /// The requests and responses of every scenario of the groups.
  static func exchanges(_ groups: String...) throws -> [Exchange] {
    try groups.flatMap { try names($0) }.flatMap { try load($0).exchanges }
  }

  /// The calls of one V1 method, in order.
  func calls(_ method: ReplicationMethod) -> [Exchange] { exchanges.filter { $0.path == method.rawValue } }
}

/// A database put together from pages, for SQLite to look at.
struct Image {
  private var pages: [UInt32: [UInt8]] = [:]
  private(set) var size: UInt32 = 0

  mutating func write(_ number: UInt32, _ page: [UInt8]) { pages[number] = page }
  mutating func resize(_ pageCount: UInt32) { size = pageCount }

  mutating func apply(_ frame: ReplicationFrame) {
    write(frame.pageNumber, frame.page)
    if frame.isCommit { resize(frame.sizeAfter) }
  }

  mutating func apply(_ frame: WALFrame) {
    write(frame.pageNumber, frame.page)
    if frame.isCommit { resize(frame.sizeAfter) }
  }

  /// What the `sqlcipher` command line reads from table `t`, in the form in which the client printed it.
  func rows() throws -> String {
    let folder = try TemporaryDirectory()
    var file = Data()
    for number in 1...max(size, 1) { file.append(contentsOf: try #require(pages[number])) }
    try Bytes.write(file, to: folder.file("image.db"))
    let rows = try SQLCipherShell.lines(
      folder.file("image.db"), "SELECT '(' || id || ', ''' || s || ''')' FROM t ORDER BY id;")
    return "[\(rows.joined(separator: ", "))]"
  }
}

/// Cuts of a body into chunks.
enum Chunks {
  /// Chunks of random sizes up to `size`, now and then empty.
  static func split(_ bytes: [UInt8], upTo size: Int, _ generator: inout SeededGenerator) -> [ArraySlice<UInt8>] {
    var chunks: [ArraySlice<UInt8>] = []
    var rest = bytes[...]
    while !rest.isEmpty {
      let chunk = rest.prefix(Int.random(in: 0...size, using: &generator))
      chunks.append(chunk)
      rest = rest.dropFirst(chunk.count)
    }
    return chunks
  }
}
