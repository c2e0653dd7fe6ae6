#if DEBUG
  import EncryptionKeys
  @testable import LibSQLProtocol
  import Mutation
  @testable import Primary
  @testable import ServerAccess
  import TestSupport

  extension Subject {
    /// Who may do what. Whatever was changed is refused: that an altered token is accepted is a finding.
    static let access: [Subject] = [
      Subject("token-verifier", tokenText, cost: 4) {
        let verifier = TokenVerifier(
          keys: try VerificationKeys(parsing: Array(publicKey.utf8)), clock: { 1_800_000_000 })
        return Examination(signedTokens.map { Array($0.utf8) }) { input, _ in
          let grant = try Rule.attempt(AccessError.self) { try verifier.verify(input.text) }
          guard let grant else { return .refused }
          try Rule.require(signedTokens.contains(input.text), "an altered token is accepted: \(grant.right)")
          return .accepted
        }
      },
      Subject("token-claims", .json) {
        Examination(
          Corpus.texts(
            #"{"exp":1900000000,"nbf":1.5,"sub":"\#(Rule.canary)","id":"default","a":"ro"}"#,
            #"{"p":{"rw":{"ns":["default","\#(Rule.canary)"]},"roa":{"ns":[]}},"aud":"x"}"#)
        ) { input, _ in
          guard let claims = try Rule.attempt(TokenError.self, { try TokenClaims(decoding: input.bytes) }) else {
            return .refused
          }
          try Rule.require(claims.expiry?.isFinite ?? true, "a token that ends at no time")
          return .accepted
        }
      },
      Subject("verification-keys", tokenText) {
        Examination(
          Corpus.texts(
            publicKey, publicKey + "=\n", pem, "# old\n" + pem + "\n# new\r\n" + pem.replacing("\n", with: "\r\n"))
        ) { input, _ in
          guard let keys = try Rule.attempt(KeyError.self, { try VerificationKeys(parsing: input.bytes) }) else {
            return .refused
          }
          try Rule.require((1...VerificationKeys.countMax).contains(keys.count), "a number of keys that is not allowed")
          return .accepted
        }
      },
      Subject("baton", tokenText, cost: 2) {
        let seal = BatonSeal(try ProcessSecret())
        let contents = (0..<4).map { BatonSeal.Content(stream: UInt64($0), sequence: 9) }
        let batons = contents.map { seal.baton($0) }
        return Examination(batons.map { Array($0.utf8) }) { input, _ in
          guard case .genuine = seal.open(input.text) else { return .refused }
          // Digits may be written large.
          try Rule.require(batons.contains(input.text.lowercased()), "an altered baton is accepted")
          return .accepted
        }
      },
    ]

    private static let tokenText = Mutator(
      tokens: [
        ".", "=", "-", "_", "A", "\n", "-----BEGIN PUBLIC KEY-----\n", "-----END PUBLIC KEY-----", "PRIVATE KEY-----",
        "#",
        "eyJhbGciOiJub25lIn0", "eyJhbGciOiJIUzI1NiJ9", "AAAA", "\u{0}", " ", "ff", "ＡＡ",
      ], separators: ".\n")

    /// Of RFC 8037, appendix A: its private half is known to everybody.
    private static let publicKey = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    private static let pem = """
      -----BEGIN PUBLIC KEY-----
      MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
      -----END PUBLIC KEY-----
      """
    /// Made with that key by PyJWT: the right to everything in `default`, and the right to read it.
    private static let signedTokens = [
      "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJhIjoicnciLCJpZCI6ImRlZmF1bHQiLCJzdWIiOiJDQU5BUlktc3ViamVjdCJ9"
        + ".ABxlQOfb7EHSiX4duNVnB1YLRKI6JDYE8OxUPfFfxlzZw-m8TBGwTJ1gnUxXNbtZf0I8vN9klXpE2PMnJK4hCg",
      "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJwIjp7InJvIjp7Im5zIjpbImRlZmF1bHQiXX19LCJleHAiOjQxMDI0NDQ4MDB9"
        + ".6yxKQp4ozN91rRdIvRXcM_eJ-M9xcpo76fZUhXAEgOblsgt1yUXSMXWxdAnRZ03ttUXyLSA30Ii8dkqVb9vaCg",
    ]
  }
#endif
