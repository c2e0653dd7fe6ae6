package import HTTPTypes

extension Authenticator {
  /// What the sender of a request with these headers may do.
  package func grant(_ headers: HTTPFields) throws(AccessError) -> AccessGrant {
    try grant(
      Credentials(
        authorization: headers[values: .authorization],
        replicaAuthorization: Self.replicaHeader.map { headers[values: $0] } ?? [],
        origin: headers[values: .origin]))
  }

  /// What replicas of V1 send in the place of `authorization`.
  private static let replicaHeader = HTTPField.Name("x-authorization")
}

extension HTTPFailure {
  /// A request that was not let in. What sends it adds ``AccessError/challenge``.
  init(_ error: AccessError) {
    self.init(.init(code: error.httpStatus), error.message)
  }
}

extension PrimaryError {
  /// An address that the server must not listen on.
  package init(_ error: ListenError) { self.init(.usage, error.message, hint: error.hint) }
}
