import Foundation
import LibSQLProtocol
import TestSupport
import Testing

@testable import Primary
@testable import ServerAccess

@Suite("Tokens")
struct TokenVerifierTests {
  /// What a verifier says of a token.
  private func verdict(_ token: String, _ verifier: TokenVerifier) -> Result<AccessGrant, AccessError> {
    Result { () throws(AccessError) in try verifier.verify(token) }
  }

  @Test func theSignatureOfRFC8037IsRight() throws {
    let text =
      "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
      + ".hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    let token = try SignedToken(parsing: text)
    #expect(try VerificationKeys(parsing: Array(TestKey.first.publicKey.utf8)).verify(token))
    #expect(try !VerificationKeys(parsing: Array(TestKey.second.publicKey.utf8)).verify(token))
    // Its payload is a sentence.
    #expect(verdict(text, try verifier()) == .failure(.invalidToken(.malformed)))
  }

  @Test func tokensOfPyJWTGiveTheRightTheyName() throws {
    let claims: [([String: JSONText], Result<AccessGrant, AccessError>)] = [
      ([:], .success(AccessGrant(right: .readWrite, expiry: nil))),
      (["a": "rw"], .success(AccessGrant(right: .readWrite, expiry: nil))),
      (["a": "ro"], .success(AccessGrant(right: .readOnly, expiry: nil))),
      (["a": "roa"], .success(AccessGrant(right: .readOnly, expiry: nil))),
      (["a": "ro", "iat": 1, "gid": "x"], .success(AccessGrant(right: .readOnly, expiry: nil))),
      (["a": "rw", "id": "default"], .success(AccessGrant(right: .readWrite, expiry: nil))),
      (["a": "rw", "id": "another"], .failure(.forbidden)),
      (["a": "admin"], .failure(.invalidToken(.claims))),
      (["a": "RW"], .failure(.invalidToken(.claims))),
      (["a": 1], .failure(.invalidToken(.claims))),
      (["a": "rw", "aud": "somebody"], .failure(.foreignAudience)),
      (["p": .rights(["rw": ["ns": ["default"]]])], .success(AccessGrant(right: .readWrite, expiry: nil))),
      (["p": .rights(["rwa": ["ns": ["default"]]])], .success(AccessGrant(right: .readWrite, expiry: nil))),
      (["p": .rights(["ro": ["ns": ["default"]]])], .success(AccessGrant(right: .readOnly, expiry: nil))),
      (["p": .rights(["roa": ["ns": ["default", "x"]]])], .success(AccessGrant(right: .readOnly, expiry: nil))),
      (
        ["p": .rights(["rw": ["ns": ["x"]], "ro": ["ns": ["default"]]])],
        .success(AccessGrant(right: .readOnly, expiry: nil))
      ),
      (["p": .rights(["rw": ["ns": ["x"]]])], .failure(.forbidden)),
      (["p": .rights(["rw": ["databases": ["default"]]])], .failure(.forbidden)),
      (["p": .rights(["everything": ["ns": ["default"]]])], .failure(.forbidden)),
      (["p": .rights([:]), "a": "rw"], .failure(.forbidden)),
      (["p": .rights(["ro": ["ns": ["default"]]]), "a": "rw"], .success(AccessGrant(right: .readOnly, expiry: nil))),
    ]
    let tokens = try TokenJudge.sign(claims.map { .claims($0.0) })
    let verifier = try verifier()
    for ((claims, expected), token) in zip(claims, tokens) {
      #expect(verdict(token, verifier) == expected, "\(claims)")
    }
  }

  @Test func tokensAreValidFromNbfToExpWithinTheLeeway() throws {
    let times: [([String: JSONText], Result<AccessGrant, AccessError>)] = [
      (["exp": 1_800_000_000], .success(AccessGrant(right: .readWrite, expiry: 1_800_000_000))),
      (["exp": 1_799_999_996], .success(AccessGrant(right: .readWrite, expiry: 1_799_999_996))),
      (["exp": 1_799_999_995.5], .success(AccessGrant(right: .readWrite, expiry: 1_799_999_995.5))),
      (["exp": 1_799_999_995], .failure(.expired)),
      (["exp": 1_799_999_994.9], .failure(.expired)),
      (["exp": 0], .failure(.expired)),
      (["exp": -1], .failure(.expired)),
      (["nbf": 1_800_000_005], .success(AccessGrant(right: .readWrite, expiry: nil))),
      (["nbf": 1_800_000_005.5], .failure(.notYetValid)),
      (["nbf": 1_900_000_000], .failure(.notYetValid)),
      (["nbf": 1_700_000_000, "exp": 1_700_000_001], .failure(.expired)),
    ]
    let tokens = try TokenJudge.sign(times.map { .claims($0.0) })
    let verifier = try verifier()
    for ((claims, expected), token) in zip(times, tokens) {
      #expect(verdict(token, verifier) == expected, "\(claims)")
    }
  }

  @Test func aTokenOfAnotherKeyIsRefusedAlsoWhenItHasExpired() throws {
    let tokens = try TokenJudge.sign([.claims([:], key: .second), .claims(["exp": 1], key: .second)])
    for token in tokens {
      #expect(verdict(token, try verifier()) == .failure(.badSignature))
    }
    // Two keys, for a rotation: either is good.
    let both = try verifier([.first, .second])
    #expect(verdict(tokens[0], both) == .success(AccessGrant(right: .readWrite, expiry: nil)))
    #expect(verdict(try TokenJudge.sign(.claims([:])), both) == .success(AccessGrant(right: .readWrite, expiry: nil)))
  }

  @Test func theOpensslCommandLineMakesKeysAndTokens() throws {
    let folder = try TemporaryDirectory()
    #expect(
      try Subprocess.run("openssl", ["genpkey", "-algorithm", "ed25519", "-out", folder.file("key")]).status == 0)
    let export = ["pkey", "-in", folder.file("key"), "-pubout", "-out", folder.file("public")]
    #expect(try Subprocess.run("openssl", export).status == 0)
    // {"alg":"EdDSA"} and {"a":"ro"}
    let signed = "eyJhbGciOiJFZERTQSJ9.eyJhIjoicm8ifQ"
    try Bytes.write(Data(signed.utf8), to: folder.file("message"))
    let sign = ["pkeyutl", "-sign", "-inkey", folder.file("key"), "-rawin", "-in", folder.file("message")]
    #expect(try Subprocess.run("openssl", sign + ["-out", folder.file("signature")]).status == 0)
    let signature = try Bytes.read(folder.file("signature")).base64EncodedString()
      .replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    let verifier = TokenVerifier(keys: try VerificationKeys(readingFrom: folder.file("public")))
    #expect(verdict(signed + "." + signature, verifier) == .success(AccessGrant(right: .readOnly, expiry: nil)))
  }

  @Test func theAlgorithmIsNotNegotiated() throws {
    let publicPEM = pem(of: try #require(Base64URL.decode(TestKey.first.publicKey.utf8)))
    var orders: [TokenOrder] = [
      "none", "None", "HS256", "HS512", "RS256", "ES256", "PS256", "Ed25519", "eddsa", "EDDSA", "EdDSA ", "",
    ].map { .raw("{}", header: #"{"alg":"\#($0)","typ":"JWT"}"#) }
    orders += [
      #"{}"#, #"{"typ":"JWT"}"#, #"{"alg":null}"#, #"{"alg":["EdDSA"]}"#, #"{"alg":"EdDSA","alg":"none"}"#,
      #"{"alg":"none","alg":"EdDSA"}"#, #"{"alg":"EdDSA","al\u0067":"EdDSA"}"#, #"["EdDSA"]"#, "", "EdDSA",
    ].map { .raw("{}", header: $0) }
    // The public key as the secret of an HMAC: the classic.
    for secret in [publicPEM, TestKey.first.publicKey] {
      orders.append(TokenOrder(header: #"{"alg":"HS256","typ":"JWT"}"#, payload: "{}", secret: secret))
      orders.append(TokenOrder(header: #"{"alg":"EdDSA","typ":"JWT"}"#, payload: "{}", secret: secret))
    }
    let verifier = try verifier()
    for (order, token) in zip(orders, try TokenJudge.sign(orders)) {
      switch verdict(token, verifier) {
      case .failure(.invalidToken(.algorithm)), .failure(.invalidToken(.malformed)): break
      case let other: Issue.record("\(order.header ?? ""): \(other)")
      }
    }
    // Without a signature at all.
    for header in ["eyJhbGciOiJub25lIn0", "eyJhbGciOiJFZERTQSJ9"] {
      for end in [".e30.", ".e30", ".e30..", "..", "."] {
        #expect(throws: AccessError.self) { try verifier.verify(header + end) }
      }
    }
  }

  @Test func headersThatDemandMoreAreRefused() throws {
    let headers: [(String, Bool)] = [
      (#"{"alg":"EdDSA"}"#, true), (#"{"typ":"JWT","alg":"EdDSA","kid":"1","cty":"x"}"#, true),
      (#"{"alg":"EdDSA","jku":"http://127.0.0.1/","jwk":{"kty":"OKP"}}"#, true),
      (#"{"al\u0067":"EdDSA"}"#, true),
      (#"{"alg":"EdDSA","typ":"at+jwt"}"#, false), (#"{"alg":"EdDSA","typ":"jwt"}"#, false),
      (#"{"alg":"EdDSA","crit":["b64"],"b64":false}"#, false), (#"{"alg":"EdDSA","crit":[]}"#, false),
      (#"{"alg":"EdDSA","crit":null}"#, false),
    ]
    let tokens = try TokenJudge.sign(headers.map { .raw("{}", header: $0.0) })
    for ((header, isGood), token) in zip(headers, tokens) {
      let expected: Result<AccessGrant, AccessError> =
        isGood ? .success(AccessGrant(right: .readWrite, expiry: nil)) : .failure(.invalidToken(.header))
      #expect(verdict(token, try verifier()) == expected, "\(header)")
    }
  }

  @Test func claimsAreReadStrictly() throws {
    let payloads: [(String, AccessError?)] = [
      (#"{"a":"ro","a":"rw"}"#, .invalidToken(.claims)), (#"{"exp":1,"exp":9999999999}"#, .invalidToken(.claims)),
      (#"{"a":"ro","\u0061":"rw"}"#, .invalidToken(.claims)), (#"{"x":1,"x":1}"#, .invalidToken(.claims)),
      (#"{"a":null}"#, .invalidToken(.claims)), (#"{"p":null}"#, .invalidToken(.claims)),
      (#"{"exp":null}"#, .invalidToken(.claims)), (#"{"exp":"9999999999"}"#, .invalidToken(.claims)),
      (#"{"exp":1e999}"#, .invalidToken(.claims)), (#"{"exp":true}"#, .invalidToken(.claims)),
      (#"{"nbf":{}}"#, .invalidToken(.claims)), (#"{"id":5}"#, .invalidToken(.claims)),
      (#"{"p":{"rw":["default"]}}"#, .invalidToken(.claims)),
      (#"{"p":{"rw":{"ns":"default"}}}"#, .invalidToken(.claims)),
      (#"{"p":{"rw":{"ns":["x"]},"rw":{"ns":["default"]}}}"#, .invalidToken(.claims)),
      (#"{"a":"rw",}"#, .invalidToken(.malformed)), (#"{"a":"rw"} x"#, .invalidToken(.malformed)),
      (#"{'a':'rw'}"#, .invalidToken(.malformed)), (#"{"exp":01}"#, .invalidToken(.malformed)),
      (#"{"exp":NaN}"#, .invalidToken(.malformed)), ("", .invalidToken(.malformed)), ("[]", .invalidToken(.claims)),
      (String(repeating: "[", count: 2000), .invalidToken(.claims)),
      (
        #"{"x":"# + String(repeating: "[", count: 500) + String(repeating: "]", count: 500) + "}",
        .invalidToken(.malformed)
      ),
      // Unicode: another letter is another name, and what is not known is skipped.
      (#"{"a":"ro","а":"rw"}"#, nil), (#"{"name":"Ñandú 🛏️","a":"ro"}"#, nil), (#"{"a":"r\u006f"}"#, nil),
      (#"{"a":"ｒｗ"}"#, .invalidToken(.claims)), ("{\"\u{E9}\":1,\"e\u{301}\":2,\"a\":\"ro\"}", nil),
      (#"{"a":"ro","n":"\ud83d"}"#, .invalidToken(.malformed)),
      (" {\n\"a\" :\t\"ro\" } ", nil),
    ]
    let tokens = try TokenJudge.sign(payloads.map { .raw($0.0) })
    for ((payload, error), token) in zip(payloads, tokens) {
      let expected: Result<AccessGrant, AccessError> =
        error.map { .failure($0) } ?? .success(AccessGrant(right: .readOnly, expiry: nil))
      #expect(verdict(token, try verifier()) == expected, "\(payload.prefix(60))")
    }
  }

  @Test func aTokenCutOrChangedAnywhereIsRefused() throws {
    let token = try TokenJudge.sign(.claims(["a": "ro", "exp": 1_900_000_000]))
    let verifier = try verifier()
    let bytes = Array(token.utf8)
    for count in bytes.indices {
      #expect(throws: AccessError.self) { try verifier.verify(String(decoding: bytes[..<count], as: UTF8.self)) }
    }
    var generator = SeededGenerator(seed: 8037)
    for index in bytes.indices {
      var changed = bytes
      changed[index] ^= UInt8.random(in: 1...0x7F, using: &generator)
      #expect(throws: AccessError.self, "\(index)") { try verifier.verify(String(decoding: changed, as: UTF8.self)) }
      changed = bytes
      changed.insert(UInt8.random(in: 0...0x7F, using: &generator), at: index)
      #expect(throws: AccessError.self, "\(index)") { try verifier.verify(String(decoding: changed, as: UTF8.self)) }
      changed = bytes
      changed.remove(at: index)
      #expect(throws: AccessError.self, "\(index)") { try verifier.verify(String(decoding: changed, as: UTF8.self)) }
    }
    for text in [token + "=", token + ".", token + "\n", " " + token, token + token, "", "Ñ.Ñ.Ñ", "\u{0}"] {
      #expect(throws: AccessError.self) { try verifier.verify(text) }
    }
    #expect(verdict(token, verifier) == .success(AccessGrant(right: .readOnly, expiry: 1_900_000_000)))
  }

  @Test func aSignatureHasOneSpelling() throws {
    let token = try TokenJudge.sign(.claims([:]))
    // 64 bytes are 86 characters, of which the last has four bits that say nothing.
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    let last = try #require(token.last.flatMap { alphabet.firstIndex(of: $0) })
    #expect(last % 16 == 0)
    for unused in 1..<16 {
      let other = token.dropLast() + String(alphabet[last + unused])
      #expect(verdict(String(other), try verifier()) == .failure(.invalidToken(.malformed)))
    }
  }

  @Test func aTokenOfMoreThanEightKibibytesIsNotLookedAt() throws {
    let tokens = try TokenJudge.sign([
      .raw(#"{"a":"ro","x":"\#(String(repeating: "x", count: 5900))"}"#),
      .raw(#"{"a":"ro","x":"\#(String(repeating: "x", count: 6100))"}"#),
    ])
    #expect(verdict(tokens[0], try verifier()) == .success(AccessGrant(right: .readOnly, expiry: nil)))
    #expect(tokens[1].utf8.count > SignedToken.byteCountMax)
    #expect(verdict(tokens[1], try verifier()) == .failure(.invalidToken(.tooLong)))
    #expect(verdict(String(repeating: "A", count: 10 << 20), try verifier()) == .failure(.invalidToken(.tooLong)))
  }

  @Test func noErrorHoldsAPartOfTheToken() throws {
    let token = try TokenJudge.sign(.claims(["a": "rw", "id": "canary"], key: .first))
    for text in [token, String(token.dropLast(4)), "canary.canary.canary"] {
      let error = #expect(throws: AccessError.self) { try verifier().verify(text) }
      var dumped = ""
      dump(error, to: &dumped)
      let told = "\(dumped) \(String(describing: error)) \(String(reflecting: error)) \(error?.httpBody ?? "")"
      #expect(!told.contains("canary"))
      #expect(!told.contains(text.prefix(12)))
    }
    let signed = try SignedToken(parsing: token)
    var dumped = "\(signed) \(String(reflecting: signed))"
    dump([signed], to: &dumped)
    #expect(!dumped.contains("101"), "no bytes: \(dumped)")
  }
}
