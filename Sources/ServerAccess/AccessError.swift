package import LibSQLProtocol

/// Why a request was not let in. Holds nothing of the token and nothing of the header, so it can be logged and sent.
package enum AccessError: Error, Sendable, Hashable {
  /// There is no token.
  case missingToken
  /// The header is not `Bearer TOKEN`, or is there more than once.
  case malformedHeader
  /// Another scheme than `Bearer`.
  case unsupportedScheme
  /// No token that could be valid here.
  case invalidToken(TokenError)
  /// Signed with a key that is not known here, or changed since.
  case badSignature
  /// `exp` has passed.
  case expired
  /// `nbf` has not come.
  case notYetValid
  /// `aud` names somebody else.
  case foreignAudience
  /// The token is right, and gives no right to this database.
  case forbidden
  /// A web page sent it to a server that asks for no token.
  case fromWebPage

  /// For the user: what is wrong, and nothing about the token that its holder would not know.
  package var message: String {
    switch self {
    case .missingToken: "authentication is required: send a token (Authorization: Bearer TOKEN)"
    case .malformedHeader: "the authorization header is not of the form: Bearer TOKEN"
    case .unsupportedScheme: "the scheme of the authorization header is not supported: use Bearer"
    // One text for all that an attacker could tell apart.
    case .invalidToken, .badSignature: "the token is not valid"
    case .expired: "the token has expired"
    case .notYetValid: "the token is not valid yet"
    case .foreignAudience: "the token is meant for another audience"
    case .forbidden: "the token gives no right to this database"
    case .fromWebPage: "requests of web pages are refused by a server without tokens"
    }
  }

  /// The code of the error in Hrana's JSON, as sqld names it.
  ///
  /// - Source: tursodatabase/libsql, libsql-server/src/auth/errors.rs.
  package var code: String {
    switch self {
    case .missingToken: "AUTH_HEADER_NOT_FOUND"
    case .malformedHeader: "AUTH_HEADER_MALFORMED"
    case .unsupportedScheme: "AUTH_HTTP_HEADER_UNSUPPORTED_SCHEME"
    case .invalidToken, .badSignature: "AUTH_JWT_INVALID"
    case .expired: "AUTH_JWT_EXPIRED"
    case .notYetValid: "AUTH_JWT_IMMATURE"
    case .foreignAudience: "AUTH_FAILED"
    case .forbidden, .fromWebPage: "FORBIDDEN"
    }
  }

  /// 401, or 403 where another token would be no better answer than this one.
  package var httpStatus: Int {
    switch self {
    case .forbidden, .fromWebPage: 403
    default: 401
    }
  }

  /// The body of the HTTP answer: `{"error":"…"}`, as sqld's.
  package var httpBody: String { #"{"error":"\#(message)"}"# }

  /// The value of `WWW-Authenticate`, which an answer 401 has to have. Source: RFC 9110, section 15.5.2; RFC 6750.
  package var challenge: String? {
    guard httpStatus == 401 else { return nil }
    return self == .missingToken ? "Bearer" : #"Bearer error="invalid_token""#
  }

  /// The answer to a gRPC call.
  package var grpcStatus: GRPCStatus {
    GRPCStatus(httpStatus == 401 ? .unauthenticated : .permissionDenied, message: message)
  }

  /// The answer to a WebSocket's hello.
  package var protocolError: Hrana.ProtocolError { Hrana.ProtocolError(message: message, code: code) }
}

extension AccessError: CustomStringConvertible {
  /// For logs: tells apart what `message` does not.
  package var description: String {
    switch self {
    case .missingToken: "no token"
    case .malformedHeader: "malformed header"
    case .unsupportedScheme: "unsupported scheme"
    case .invalidToken(let reason): "invalid token (\(reason.rawValue))"
    case .badSignature: "bad signature"
    case .expired: "expired token"
    case .notYetValid: "token not valid yet"
    case .foreignAudience: "token for another audience"
    case .forbidden: "token without a right to the database"
    case .fromWebPage: "request of a web page"
    }
  }
}
