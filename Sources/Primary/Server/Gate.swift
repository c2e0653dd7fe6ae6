internal import EncryptedStorage
internal import HTTPTypes
internal import LibSQLProtocol
internal import ServerAccess

/// Lets requests in: who may do what, and on which key.
struct Gate: Sendable {
  struct Admission: Sendable {
    let grant: AccessGrant
    let database: PrimaryDatabase

    var right: AccessRight { grant.right }
  }

  private let authenticator: Authenticator
  private let source: any DatabaseSource

  init(_ authenticator: Authenticator, _ source: any DatabaseSource) {
    self.authenticator = authenticator
    self.source = source
  }

  /// - Throws: ``AccessError``; ``HTTPFailure``.
  func admit(_ headers: HTTPFields) async throws -> Admission {
    let grant = try authenticator.grant(
      Authenticator.Credentials(
        authorization: headers[values: .authorization],
        replicaAuthorization: headers[values: .replicaAuthorization], origin: headers[values: .origin]))
    return Admission(grant: grant, database: try await source.database(for: Self.key(in: headers)))
  }

  /// Lets a WebSocket in after its hello.
  ///
  /// - Parameter headers: of the request that opened it.
  func admit(hello token: Hrana.AuthToken?, _ headers: HTTPFields) async throws -> Admission {
    if !authenticator.requiresTokens { return try await admit(headers) }
    let grant = try authenticator.grant(hello: token)
    return Admission(grant: grant, database: try await source.database(for: Self.key(in: headers)))
  }

  /// Whether who was let in may still be there. Of use where a connection outlives one request.
  ///
  /// - Throws: ``AccessError/expired`` once the token has expired.
  func confirm(_ admission: Admission) throws(AccessError) { try authenticator.confirm(admission.grant) }

  private static func key(in headers: HTTPFields) -> String? {
    HTTPField.Name(PullUpdatesRequest.encryptionKeyHeader).flatMap { headers[$0] }
  }
}

extension HTTPField.Name {
  fileprivate static let replicaAuthorization = Self(ReplicationHeaders.authorization) ?? .authorization
}

/// Where the database of a request comes from.
protocol DatabaseSource: Sendable {
  /// - Parameter key: what the client sent as the key of the store.
  /// - Throws: ``HTTPFailure`` 401 when the client has to bring a key, and this is not it.
  func database(for key: String?) async throws -> PrimaryDatabase

  /// What is open now, for metrics.
  func openDatabase() async -> PrimaryDatabase?

  func close() async
}

/// The server has the key: one database for all.
struct ServedDatabase: DatabaseSource {
  let served: PrimaryDatabase

  func database(for key: String?) -> PrimaryDatabase { served }

  func openDatabase() -> PrimaryDatabase? { served }

  func close() async { await served.close() }
}
