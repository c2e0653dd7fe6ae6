package import LibSQLProtocol

/// Decides who gets in, by the headers of a request or the hello of a WebSocket.
package struct Authenticator: Sendable {
  /// How clients show who they are.
  package enum Mode: Sendable {
    /// Not at all: everybody may do everything. On loopback, or where the user said so.
    case open
    /// By a token.
    case tokens(TokenVerifier)
  }

  /// What of a request's headers matters. Each is a list, since a header can come more than once.
  package struct Credentials: Sendable {
    /// The values of `authorization`.
    package var authorization: [String]
    /// The values of `x-authorization`, which V1 replicas send; counts where there is no `authorization`.
    package var replicaAuthorization: [String]
    /// The values of `origin`, which browsers send with what a web page asks for.
    package var origin: [String]

    package init(authorization: [String] = [], replicaAuthorization: [String] = [], origin: [String] = []) {
      self.authorization = authorization
      self.replicaAuthorization = replicaAuthorization
      self.origin = origin
    }
  }

  private let mode: Mode

  package init(_ mode: Mode) { self.mode = mode }

  /// Whether clients need a token.
  package var requiresTokens: Bool { if case .tokens = mode { true } else { false } }

  /// What the sender of a request may do.
  ///
  /// Without tokens, requests of web pages are refused: any page in the user's browser can send a POST to 127.0.0.1, and
  /// statements come without a content type that would make the browser ask before. Other clients send no `Origin`.
  package func grant(_ credentials: Credentials) throws(AccessError) -> AccessGrant {
    switch mode {
    case .open:
      guard credentials.origin.isEmpty else { throw .fromWebPage }
      return AccessGrant(right: .readWrite, expiry: nil)
    case .tokens(let verifier):
      let hasOrdinary = !credentials.authorization.isEmpty
      let values = hasOrdinary ? credentials.authorization : credentials.replicaAuthorization
      guard let value = values.first else { throw .missingToken }
      guard values.count == 1 else { throw .malformedHeader }
      return try verifier.verify(Self.bearerToken(in: value))
    }
  }

  /// What the other end of a WebSocket may do after its hello.
  package func grant(hello token: Hrana.AuthToken?) throws(AccessError) -> AccessGrant {
    switch mode {
    // The request that opened the socket was checked as a request.
    case .open: return AccessGrant(right: .readWrite, expiry: nil)
    case .tokens(let verifier):
      guard let token, !token.text.isEmpty else { throw .missingToken }
      return try verifier.verify(token.text)
    }
  }

  /// Whether `grant` still holds.
  ///
  /// - Throws: ``AccessError/expired``.
  package func confirm(_ grant: AccessGrant) throws(AccessError) {
    if case .tokens(let verifier) = mode { try verifier.confirm(grant) }
  }

  /// The token in `Bearer TOKEN`. Source: RFC 9110, section 11.4; RFC 6750, section 2.1.
  private static func bearerToken(in value: String) throws(AccessError) -> String {
    let value = value.utf8
    guard let space = value.firstIndex(of: UInt8(ascii: " ")) else {
      // What a client sends that was given an empty token.
      throw isBearer(value[...]) ? .missingToken : .malformedHeader
    }
    guard isBearer(value[..<space]) else { throw .unsupportedScheme }
    let token = value[space...].drop { $0 == UInt8(ascii: " ") }
    guard !token.isEmpty else { throw .missingToken }
    return String(Substring(token))
  }

  private static func isBearer(_ scheme: Substring.UTF8View) -> Bool {
    // Setting this bit makes a letter of ASCII small, and nothing else a letter.
    scheme.count == 6 && zip(scheme, "bearer".utf8).allSatisfy { $0 | 0x20 == $1 }
  }
}
