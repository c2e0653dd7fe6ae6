import Testing

@testable import EncryptionKeys

@Suite("Raw keys and salts")
struct EncryptionKeyTests {
  @Test(arguments: [0, 1, 31, 33, 64])
  func refusesAnyOtherLength(count: Int) throws {
    let error = try keyError { _ = try EncryptionKey(SecretBytes(copying: [UInt8](repeating: 1, count: count))) }
    #expect(error.code == .unusable)
    #expect(error.message.contains("\(count)"))
  }

  @Test func refusesAKeyOfZeros() throws {
    let error = try keyError { _ = try EncryptionKey(SecretBytes(copying: [UInt8](repeating: 0, count: 32))) }
    #expect(error.code == .unusable)
  }

  @Test func randomKeysDiffer() throws {
    let first = try EncryptionKey.random()
    let second = try EncryptionKey.random()
    // In variables, because #expect cannot take noncopyable arguments.
    let areEqual = first.isEqual(to: second)
    let isEqualToItsCopy = first.isEqual(to: first.copy())
    #expect(!areEqual)
    #expect(isEqualToItsCopy)
  }

  @Test func aSaltIsSixteenBytesAndSurvivesItsHexForm() throws {
    #expect(Salt([UInt8](repeating: 1, count: 15)) == nil)
    #expect(Salt(hexDigits: "zz") == nil)
    #expect(Salt(hexDigits: String(repeating: "g", count: 32)) == nil)
    let salt = try Salt.random()
    #expect(salt.bytes.count == 16)
    #expect(Salt(hexDigits: salt.hexDigits) == salt)
    #expect(Salt(hexDigits: salt.hexDigits.uppercased()) == salt)
    #expect(try Salt.random() != salt)
  }
}

@Suite("Key identifiers")
struct KeyIDTests {
  @Test(arguments: ["a", "k-2026-03-01", "team/prod:v2.1_x", "TURSO_ENCRYPTION_KEY", String(repeating: "x", count: 64)])
  func acceptsPublicNames(name: String) throws {
    #expect(try KeyID(name).name == name)
    #expect("\(try KeyID(name))" == name)
  }

  @Test(arguments: ["", "a b", "a\n", "käse", "a;b", "a=b", String(repeating: "x", count: 65)])
  func refusesOtherCharactersAndLengths(name: String) throws {
    #expect(try keyError { _ = try KeyID(name) }.code == .usage)
  }

  @Test(arguments: [Fixtures.hex, "hex:00", "base64:AA", "passphrase:abc"])
  func refusesWhatLooksLikeAKey(name: String) throws {
    let error = try keyError { _ = try KeyID(name) }
    #expect(error.message.contains("looks like a key"))
  }
}
