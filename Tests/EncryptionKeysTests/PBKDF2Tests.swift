import Testing

@testable import EncryptionKeys

/// One derivation and its result.
struct DerivationVector: Sendable, CustomTestStringConvertible {
  let digest: DigestAlgorithm
  let password: [UInt8]
  let salt: [UInt8]
  let iterations: Int
  let expected: String

  init(_ digest: DigestAlgorithm, _ password: String, _ salt: String, _ iterations: Int, _ expected: String) {
    self.init(digest, password, Array(salt.utf8), iterations, expected)
  }

  init(_ digest: DigestAlgorithm, _ password: String, _ salt: [UInt8], _ iterations: Int, _ expected: String) {
    self.digest = digest
    self.password = Array(password.utf8)
    self.salt = salt
    self.iterations = iterations
    self.expected = expected
  }

  var testDescription: String { "\(digest) \(iterations) rounds, \(expected.utf8.count / 2) bytes" }
}

@Suite("PBKDF2")
struct PBKDF2Tests {
  /// SHA-1: RFC 6070, but for the one with 16 777 216 rounds. Others: Python's hashlib.pbkdf2_hmac.
  static let vectors = [
    DerivationVector(.sha1, "password", "salt", 1, "0c60c80f961f0e71f3a9b524af6012062fe037a6"),
    DerivationVector(.sha1, "password", "salt", 2, "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957"),
    DerivationVector(.sha1, "password", "salt", 4096, "4b007901b765489abead49d926f721d065a429c1"),
    DerivationVector(
      .sha1, "passwordPASSWORDpassword", "saltSALTsaltSALTsaltSALTsaltSALTsalt", 4096,
      "3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038"),
    DerivationVector(.sha1, "pass\0word", "sa\0lt", 4096, "56fa6aa75548099dcc37d7f03425e0c3"),
    DerivationVector(
      .sha256, "password", "salt", 1,
      "120fb6cffcf8b32c43e7225256c4f837a86548c92ccc35480805987cb70be17b"),
    DerivationVector(
      .sha256, "password", "salt", 4096,
      "c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a"),
    DerivationVector(
      .sha256, "passwordPASSWORDpassword", "saltSALTsaltSALTsaltSALTsaltSALTsalt", 4096,
      "348c89dbcbd32b2f32d814b8116e84cf2b17347ebc1800181c4e2a1fb8dd53e1c635518c7dac47e9"),
    DerivationVector(
      .sha512, "password", "salt", 1,
      "867f70cf1ade02cff3752599a3a53dc4af34c7a669815ae5d513554e1c8cf252c02d470a285a0501bad999bfe943c08f050235d7d68b1da55e63f73b60a57fce"
    ),
    DerivationVector(
      .sha512, "password", "salt", 4096,
      "d197b1b33db0143e018b12f3d1d1479e6cdebdcc97c5c0f87f6902e072f457b5143f30602641b3d55cd335988cb36b84376060ecd532e039b742a239434af2d5"
    ),
    DerivationVector(
      .sha512, "", "salt", 2,
      "cc5eacbb057f2a5982fce67bf70f79fc"),
    DerivationVector(
      .sha512, "correct horse battery staple", (0..<16).map { UInt8($0) }, 256000,
      "2c6ee106931bbdc6ea7e33497f04526ccbe4fb541379d36a506a65eabed0d8e2"),
    DerivationVector(
      .sha1, "correct horse battery staple", (0..<16).map { UInt8($0) }, 64000,
      "90f93b72dde5f6c5cc541e85952da81aa1e0e991a205b3917d1572a640b22fce"),
  ]

  @Test(arguments: vectors)
  func agreesWithPublishedVectors(vector: DerivationVector) throws {
    let derived = try vector.password.withUnsafeBytes { password in
      try PBKDF2.derive(
        password: password, salt: vector.salt, iterations: vector.iterations, digest: vector.digest,
        byteCount: vector.expected.utf8.count / 2
      ).bytes()
    }
    #expect(
      derived.map { [Hexadecimal.digit(of: $0 >> 4), Hexadecimal.digit(of: $0 & 15)] }.flatMap(\.self)
        == Array(vector.expected.utf8))
  }

  @Test(arguments: [0, -1, Int(Int32.max) + 1])
  func refusesIterationsOutOfRange(iterations: Int) throws {
    let error = try keyError {
      _ = try [UInt8(1)].withUnsafeBytes { password in
        try PBKDF2.derive(password: password, salt: [1], iterations: iterations, digest: .sha1, byteCount: 20).count
      }
    }
    #expect(error.code == .usage)
  }
}

@Suite("Cipher formats and profiles")
struct CipherProfileTests {
  @Test(arguments: [(DigestAlgorithm.sha512, 80, 64), (.sha256, 48, 32), (.sha1, 48, 20)])
  func reserveIsIVAndMACRoundedUpToABlock(mac: DigestAlgorithm, reserve: Int, macByteCount: Int) {
    let format = CipherFormat(mac: mac, derivation: .sqlcipher4)
    #expect(format.reserve == reserve)
    #expect(format.macByteCount == macByteCount)
  }

  @Test func profilesDifferInTheMACOnly() {
    let (first, second) = (CipherProfile.sqlcipher4.format, CipherProfile.sqlcipher4SHA256.format)
    #expect(first.pageSize == 4096 && second.pageSize == 4096)
    #expect(first.derivation == .sqlcipher4 && second.derivation == .sqlcipher4)
    #expect(first.mac == .sha512 && second.mac == .sha256)
    #expect(KeyDerivation.sqlcipher4 == KeyDerivation(digest: .sha512, iterations: 256_000))
    #expect(KeyDerivation.sqlcipher3 == KeyDerivation(digest: .sha1, iterations: 64_000))
  }

  @Test(arguments: CipherProfile.allCases)
  func readsItsOwnName(profile: CipherProfile) throws {
    #expect(try CipherProfile(parsing: profile.rawValue) == profile)
  }

  @Test func refusesLibSQLsCipherAndSaysWhy() throws {
    let error = try keyError { _ = try CipherProfile(parsing: "aes256cbc") }
    #expect(error.message.contains("unauthenticated") && error.message.contains("salt"))
    #expect(error.message.contains("rotated"))
  }

  @Test(arguments: ["", "SQLCIPHER4", "aes", Fixtures.hex])
  func listsTheKnownNamesForAnUnknownOne(name: String) throws {
    let error = try keyError { _ = try CipherProfile(parsing: name) }
    #expect(error.code == .usage)
    #expect(error.hint?.contains("sqlcipher4-sha256") == true)
    #expect(!error.description.contains(Fixtures.hex))
  }
}
