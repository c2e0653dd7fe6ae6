import Foundation
import LibSQLProtocol
import TestSupport
import Testing

@testable import Primary
@testable import ServerAccess

/// The key of RFC 8037, appendix A, and another one.
enum TestKey: String, CaseIterable {
  case first = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
  case second = "TM0Imyj_ltqdtsNG7BFOD1uKMZ81q6Yk2oz27U-4pvs"

  /// The public half in base64url. The first from appendix A.2, the second from RFC 8032, section 7.1, test 2.
  var publicKey: String {
    switch self {
    case .first: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    case .second: "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw"
    }
  }
}

/// A token that a judge is asked for.
struct TokenOrder: Encodable {
  var key = TestKey.first.rawValue
  var claims: [String: JSONText]?
  var headers: [String: String]?
  var header: String?
  var payload: String?
  var secret: String?

  /// Signed by PyJWT.
  static func claims(_ claims: [String: JSONText], key: TestKey = .first) -> TokenOrder {
    TokenOrder(key: key.rawValue, claims: claims)
  }

  /// Signed as it is.
  static func raw(_ payload: String, header: String = #"{"alg":"EdDSA","typ":"JWT"}"#) -> TokenOrder {
    TokenOrder(header: header, payload: payload)
  }
}

/// A number, a text or rights, as claims have them.
enum JSONText: Encodable, ExpressibleByStringLiteral, ExpressibleByFloatLiteral, ExpressibleByIntegerLiteral {
  case text(String)
  case number(Double)
  case whole(Int)
  case rights([String: [String: [String]]])

  init(stringLiteral value: String) { self = .text(value) }
  init(floatLiteral value: Double) { self = .number(value) }
  init(integerLiteral value: Int) { self = .whole(value) }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .text(let text): try container.encode(text)
    case .number(let number): try container.encode(number)
    case .whole(let number): try container.encode(number)
    case .rights(let rights): try container.encode(rights)
    }
  }
}

enum TokenJudge {
  /// Tokens that PyJWT, or `cryptography`, signed.
  static func sign(_ orders: [TokenOrder]) throws -> [String] {
    let input = String(decoding: try JSONEncoder().encode(orders), as: UTF8.self)
    let result = try Judges.python([Judges.root + "/Tests/PrimaryTests/Clients/sign_tokens.py"], input: input)
    try #require(result.status == 0, "\(result.errors)")
    return try JSONDecoder().decode([String].self, from: Data(result.output.utf8))
  }

  static func sign(_ order: TokenOrder) throws -> String { try #require(try sign([order]).first) }
}

/// Seconds since 1970 at which the tests' servers live.
let testTime = 1_800_000_000.0

/// A verifier with one key, whose clock stands still.
func verifier(_ keys: [TestKey] = [.first], at time: Double = testTime) throws -> TokenVerifier {
  try verifier(keys) { time }
}

/// A verifier with another clock.
func verifier(_ keys: [TestKey] = [.first], clock: @escaping @Sendable () -> Double) throws -> TokenVerifier {
  let file =
    keys.count == 1
    ? keys[0].publicKey : keys.map { pem(of: Base64URL.decode($0.publicKey.utf8) ?? []) }.joined(separator: "\n")
  return TokenVerifier(keys: try VerificationKeys(parsing: Array(file.utf8)), clock: clock)
}

/// A SubjectPublicKeyInfo in PEM.
func pem(of key: [UInt8]) -> String {
  let prefix: [UInt8] = [0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00]
  return "-----BEGIN PUBLIC KEY-----\n\(Data(prefix + key).base64EncodedString())\n-----END PUBLIC KEY-----\n"
}
