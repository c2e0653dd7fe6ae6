import Foundation
import LibSQLProtocol
import TestSupport
import Testing

@testable import Primary
@testable import ServerAccess

@Suite("Who gets in")
struct AuthenticatorTests {
  private func refusal(
    _ authenticator: Authenticator, _ credentials: Authenticator.Credentials
  ) -> AccessError? {
    do throws(AccessError) {
      _ = try authenticator.grant(credentials)
      return nil
    } catch {
      return error
    }
  }

  @Test func aTokenIsTakenFromEitherHeaderWhateverTheCaseOfTheScheme() throws {
    let token = try TokenJudge.sign(.claims(["a": "ro"]))
    let authenticator = Authenticator(.tokens(try verifier()))
    for scheme in ["Bearer ", "bearer ", "BEARER ", "bEaReR   "] {
      #expect(try authenticator.grant(.init(authorization: [scheme + token])).right == .readOnly)
      #expect(try authenticator.grant(.init(replicaAuthorization: [scheme + token])).right == .readOnly)
    }
    // The ordinary header counts.
    let mixed = Authenticator.Credentials(authorization: ["Bearer x"], replicaAuthorization: ["Bearer " + token])
    #expect(refusal(authenticator, mixed) == .invalidToken(.malformed))
    // With a token, a web page is as good as anybody.
    #expect(
      try authenticator.grant(.init(authorization: ["Bearer " + token], origin: ["https://x"])).right == .readOnly)
    #expect(try authenticator.grant(hello: .init(token)).right == .readOnly)
  }

  @Test func whatIsNoBearerTokenIsRefusedByName() throws {
    let token = try TokenJudge.sign(.claims([:]))
    let authenticator = Authenticator(.tokens(try verifier()))
    let headers: [([String], AccessError)] = [
      ([], .missingToken), (["Bearer"], .missingToken), (["Bearer "], .missingToken), (["bearer   "], .missingToken),
      ([""], .malformedHeader), ([token], .malformedHeader), (["Bearer\t" + token], .malformedHeader),
      (["Basic dXNlcjpwYXNz"], .unsupportedScheme), (["Token " + token], .unsupportedScheme),
      (["Bearer: " + token], .unsupportedScheme), ([" " + token], .unsupportedScheme),
      (["Bearer " + token + " x"], .invalidToken(.malformed)), (["Bearer " + token + ","], .invalidToken(.malformed)),
      (["Bearer \"\(token)\""], .invalidToken(.malformed)), (["BearEr ünicode"], .invalidToken(.malformed)),
      (["Bearer " + token, "Bearer " + token], .malformedHeader),
    ]
    for (values, expected) in headers {
      #expect(refusal(authenticator, .init(authorization: values)) == expected, "\(values.count) \(expected)")
      #expect(refusal(authenticator, .init(replicaAuthorization: values)) == expected)
    }
    #expect(throws: AccessError.missingToken) { try authenticator.grant(hello: nil) }
    #expect(throws: AccessError.missingToken) { try authenticator.grant(hello: .init("")) }
    #expect(throws: AccessError.invalidToken(.malformed)) { try authenticator.grant(hello: .init("Bearer " + token)) }
  }

  @Test func anOpenServerLetsEverybodyInExceptWebPages() throws {
    let authenticator = Authenticator(.open)
    #expect(!authenticator.requiresTokens)
    #expect(try authenticator.grant(.init()) == AccessGrant(right: .readWrite, expiry: nil))
    #expect(try authenticator.grant(.init(authorization: ["Bearer whatever"])).right == .readWrite)
    #expect(try authenticator.grant(hello: nil).right == .readWrite)
    for origin in ["http://evil.example", "null", "http://127.0.0.1:8080"] {
      #expect(refusal(authenticator, .init(origin: [origin])) == .fromWebPage)
    }
  }

  @Test func everyErrorHasItsAnswerInEveryProtocol() throws {
    let tokens = TokenError.allCases.map { AccessError.invalidToken($0) }
    let others: [AccessError] = [
      .missingToken, .malformedHeader, .unsupportedScheme, .badSignature, .expired, .notYetValid, .foreignAudience,
      .forbidden, .fromWebPage,
    ]
    for error in tokens + others {
      let body = try JSONDecoder().decode([String: String].self, from: Data(error.httpBody.utf8))
      #expect(body == ["error": error.message])
      let isForbidden = error == .forbidden || error == .fromWebPage
      #expect(error.httpStatus == (isForbidden ? 403 : 401))
      #expect(error.grpcStatus.code.rawValue == (isForbidden ? 7 : 16))
      #expect((error.challenge == nil) == isForbidden)
      #expect(error.protocolError.code == error.code)
    }
    // Whoever probes learns nothing from the text.
    #expect(Set((tokens + [.badSignature]).map(\.httpBody)).count == 1)
    #expect(Set((tokens + others).map(\.description)).count == tokens.count + others.count)
  }
}
