import Foundation
import TestSupport
import Testing

@testable import LibSQLClient

/// What a replica would have: pages of the last commit.
struct Replica {
  private var pages: [UInt32: [UInt8]] = [:]
  private var pending: [RemotePage] = []
  private var pageCount: UInt32 = 0
  private(set) var position: ReplicationPosition?

  mutating func fill(_ image: RemoteImage) async throws {
    for try await run in image { for page in run { pages[page.number] = page.bytes } }
    (pageCount, position) = (image.pageCount, image.position)
  }

  mutating func apply(_ stream: ReplicationStream) async throws {
    pending = []
    for try await event in stream {
      switch event {
      case .pages(let run): pending += run
      case .commit(let new, let count):
        for page in pending { pages[page.number] = page.bytes }
        (pageCount, position, pending) = (count, new, [])
      case .moved(let new): position = new
      case .discard: pending = []
      case .reset: (pages, pageCount, position) = ([:], 0, nil)
      }
    }
    #expect(pending.isEmpty, "a pull ends with a commit or with a discard")
  }

  /// What the `sqlcipher` command line prints for a statement.
  private func query(_ sql: String) async throws -> String {
    let folder = try TemporaryDirectory()
    var file = Data()
    for number in 1...max(pageCount, 1) { file.append(contentsOf: try #require(pages[number])) }
    try Bytes.write(file, to: folder.file("image.db"))
    return try await blocking { try SQLCipherShell.lines(folder.file("image.db"), sql).map { "\($0)\n" }.joined() }
  }

  func rows() async throws -> String { try await query("SELECT * FROM t ORDER BY 1;") }
  func check() async throws -> String { try await query("PRAGMA integrity_check;").trimmingCharacters(in: .newlines) }
}

/// A recorded exchange of an official client, as answers for a server.
struct Recording: Decodable {
  struct Message: Decodable {
    let status: Int?
    let headers: [[String]]
    let body_base64: Data
  }

  struct Exchange: Decodable {
    let method: String
    let path: String
    let request: Message
    let response: Message
  }

  struct Step: Decodable {
    let `do`: String
    let result: String
  }

  let client_steps: [Step]
  let exchanges: [Exchange]

  init(_ name: String) throws {
    let path = Judges.root + "/../shared/reference/wire-vectors/\(name).json"
    self = try JSONDecoder().decode(Recording.self, from: try Bytes.read(path))
  }

  /// The answers of each path, in order.
  var routes: [String: [TestServer.Answer]] {
    exchanges.reduce(into: [:]) { routes, exchange in
      let headers = exchange.response.headers.filter {
        !["content-length", "transfer-encoding", "connection", "date", "server"].contains($0[0].lowercased())
      }
      routes["\(exchange.method) \(exchange.path)", default: []].append(
        .init(exchange.response.status ?? 200, exchange.response.body_base64, headers: headers))
    }
  }

  /// What the client saw last, in the form of the command line: `[(1, 'one')]` as `1|one`.
  var lastRows: String? {
    client_steps.last { $0.result.hasPrefix("[(") }?.result.matches(of: /\((\d+), '(\w+)'\)/)
      .map { "\($0.output.1)|\($0.output.2)\n" }.joined()
  }
}
