import EncryptedStorage
import EncryptionKeys
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdCore
import LibSQLProtocol
import NIOCore
import PageStore
import TestSupport
import Testing

@testable import Primary
@testable import ServerAccess

/// A primary for tests: a store, a connection that writes, and the service that answers replicas.
actor ReplicationPrimary {
  nonisolated let path: String
  nonisolated let factory: ConnectionFactory
  private(set) var service: ReplicationService
  private(set) var writer: Connection
  private let options: ReplicationService.Options

  private init(
    _ path: String, _ factory: ConnectionFactory, _ service: ReplicationService, _ writer: Connection,
    _ options: ReplicationService.Options
  ) {
    self.path = path
    self.factory = factory
    self.service = service
    self.writer = writer
    self.options = options
  }

  static func make(
    in folder: TemporaryDirectory, _ sql: String = Bookkeeping.schema,
    options: ReplicationService.Options = ReplicationService.Options()
  ) async throws -> ReplicationPrimary {
    var configuration = ConnectionFactory.Configuration.mountingPageStores
    configuration.waitsForDisk = false
    let factory = ConnectionFactory(key: try TestKeys.first(), configuration: configuration)
    let path = folder.file("primary.db")
    try await PageStore.create(path, role: .primary, factory: factory).close()
    let writer = try await factory.open(path, .writer)
    try await writer.run { try $0.executeScript(sql) }
    let service = try await ReplicationService(path: path, factory: factory, options: options)
    return ReplicationPrimary(path, factory, service, writer, options)
  }

  /// One transaction.
  func commit(_ statements: [String]) async throws {
    try await writer.transaction { session in for statement in statements { try session.execute(statement) } }
    service.committed()
  }

  func run(_ script: String) async throws {
    try await writer.run { try $0.executeScript(script) }
    service.committed()
  }

  /// The server and its connections end, and begin again.
  func restart() async throws {
    await service.close()
    await writer.close()
    try await start()
  }

  func start() async throws {
    writer = try await factory.open(path, .writer)
    service = try await ReplicationService(path: path, factory: factory, options: options)
  }

  func close() async {
    await service.close()
    await writer.close()
  }

  /// The answer, with its body.
  func send(
    _ route: ReplicationRoute, _ body: [UInt8] = [], headers: HTTPFields = [:], right: AccessRight = .readOnly
  ) async throws -> Answer {
    let response = try await service.respond(
      to: route, headers: headers, body: RequestBody(buffer: ByteBuffer(bytes: body)), right: right)
    let collected = CollectedBody()
    try await response.body.write(collected.writer)
    #expect(collected.isFinished)
    if let length = response.body.contentLength { #expect(length == collected.bytes.count) }
    return Answer(status: response.status.code, headers: response.headers, body: collected.bytes)
  }

  /// The image now, page by page, as it leaves the server.
  func image() async throws -> (state: PrimaryState, pages: [[UInt8]]) {
    let snapshot = try await service.pool.snapshot()
    let all = try await snapshot.changedPages(since: 0)
    let pages = try await snapshot.read(all.pages(after: 0, limit: .max)).map(\.bytes)
    await snapshot.close()
    return (snapshot.state, pages)
  }
}

/// What came back.
struct Answer {
  let status: Int
  let headers: HTTPFields
  let body: [UInt8]
}

/// The body of an answer, and how it ended.
final class CollectedBody: Sendable {
  private let state = Locked<(bytes: [UInt8], isFinished: Bool)>(([], false))
  /// Bytes after which the client is gone.
  private let limit: Int

  struct ClientIsGone: Error {}

  /// Called before each write; the client takes nothing until it returns.
  private let gate: @Sendable () async throws -> Void

  init(limit: Int = .max, gate: @escaping @Sendable () async throws -> Void = {}) {
    self.limit = limit
    self.gate = gate
  }

  var bytes: [UInt8] { state.withLock { $0.bytes } }
  var isFinished: Bool { state.withLock { $0.isFinished } }
  var writer: any ResponseBodyWriter { Writer(body: self) }

  private struct Writer: ResponseBodyWriter {
    let body: CollectedBody

    mutating func write(_ buffer: ByteBuffer) async throws {
      try await body.gate()
      let count = body.state.withLock { state in
        state.bytes += buffer.readableBytesView
        return state.bytes.count
      }
      guard count <= body.limit else { throw ClientIsGone() }
    }

    consuming func finish(_ trailingHeaders: HTTPFields?) async throws { body.state.withLock { $0.isFinished = true } }
  }
}
