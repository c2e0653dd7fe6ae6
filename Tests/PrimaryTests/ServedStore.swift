import EncryptedStorage
import LibSQLProtocol
import Logging
import PageStore
import TestSupport

@testable import Primary
@testable import ServerAccess

/// A primary's database as the server has it, without the server.
struct ServedStore {
  let folder: TemporaryDirectory
  let database: PrimaryDatabase

  var path: String { folder.file("primary.db") }
  var streams: StreamTable { database.streams }

  init(_ change: (inout PrimaryLimits) -> Void = { _ in }) async throws {
    folder = try TemporaryDirectory()
    var limits = PrimaryLimits()
    change(&limits)
    database = try await PrimaryDatabase.open(
      folder.file("primary.db"), factory: try Self.factory(), limits: limits, secret: try ProcessSecret(),
      options: ReplicationService.Options(),
      logger: Logger(label: "test"))
  }

  static func factory() throws -> ConnectionFactory {
    ConnectionFactory(key: try TestKeys.first(), configuration: .mountingPageStores)
  }

  /// Runs requests as one pipeline.
  @discardableResult
  func run(
    _ requests: [Hrana.StreamRequest], baton: String? = nil, _ right: AccessRight = .readWrite, closing: Bool = false
  ) async throws -> (results: [Hrana.StreamResult], baton: String) {
    let lease = try await streams.lease(baton, right)
    let (results, stored, situation) = await lease.connection.run(requests, lease.stored)
    await streams.release(lease, stored: stored, situation, closing: closing)
    return (results, lease.nextBaton)
  }

  /// Runs one statement on a stream of its own.
  func execute(
    _ sql: String, _ arguments: [Hrana.Value] = [], _ right: AccessRight = .readWrite
  ) async throws -> Hrana.StatementResult {
    let results = try await run([.sql(sql, arguments)], right, closing: true).results
    switch results.first {
    case .ok(.execute(let result)): return result
    case .error(let error): throw error
    default: throw Hrana.ProtocolError(message: "no result", code: "TEST")
    }
  }

  /// The code of the error that a statement ends with; nil when it succeeds.
  func code(
    _ sql: String, _ arguments: [Hrana.Value] = [], _ right: AccessRight = .readWrite
  ) async throws -> String? {
    do { _ = try await execute(sql, arguments, right) } catch let error as Hrana.ProtocolError { return error.code }
    return nil
  }

  /// The first value of the first row.
  func value(_ sql: String) async throws -> Hrana.Value? { try await execute(sql).rows.first?.first }
}

extension Hrana.StreamRequest {
  static func sql(_ sql: String, _ arguments: [Hrana.Value] = []) -> Self {
    .execute(Hrana.Statement(.text(sql), arguments: arguments))
  }
}

extension Hrana.StreamResult {
  var code: String? { if case .error(let error) = self { error.code } else { nil } }

  var value: Hrana.Value? {
    if case .ok(.execute(let result)) = self { result.rows.first?.first } else { nil }
  }
}
