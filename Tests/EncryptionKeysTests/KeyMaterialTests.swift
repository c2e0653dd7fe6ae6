import Glibc
import Synchronization
import Testing

@testable import EncryptionKeys

@Suite("Key material")
struct KeyMaterialTests {
  private static let quick = KeyDerivation(digest: .sha256, iterations: 2)

  @Test func aRawKeyDoesNotDependOnTheSalt() throws {
    let material = KeyMaterial(id: try Fixtures.id(), rawKey: try Fixtures.key())
    for fill in [UInt8(1), 2] {
      let key = try material.encryptionKey(salt: Fixtures.salt(fill), derivation: .sqlcipher4)
      #expect(key.bytes() == Fixtures.bytes)
    }
  }

  @Test func aPassphraseIsDerivedWithTheFilesSalt() throws {
    let material = try KeyMaterial(id: Fixtures.id(), passphrase: SecretBytes(copying: "open sesame".utf8))
    let salt = try Fixtures.salt()
    let expected = try Array("open sesame".utf8).withUnsafeBytes { password in
      try PBKDF2.derive(password: password, salt: salt.bytes, iterations: 2, digest: .sha256, byteCount: 32).bytes()
    }
    #expect(try material.encryptionKey(salt: salt, derivation: Self.quick).bytes() == expected)
    #expect(try material.encryptionKey(salt: Fixtures.salt(8), derivation: Self.quick).bytes() != expected)
  }

  @Test func refusesAnEmptyPassphrase() throws {
    let error = try keyError { _ = try KeyMaterial(id: Fixtures.id(), passphrase: SecretBytes(copying: [])) }
    #expect(error.code == .unusable)
  }

  @Test func concurrentCallersPayOneDerivation() async throws {
    let count = Mutex(0)
    let material = try KeyMaterial(id: Fixtures.id(), passphrase: SecretBytes(copying: [1])) {
      (_, _, _) throws(KeyError) in
      count.withLock { $0 += 1 }
      usleep(50_000)
      return try EncryptionKey(SecretBytes(copying: Fixtures.bytes))
    }
    let salt = try Fixtures.salt()
    let keys = try await withThrowingTaskGroup(of: [UInt8].self) { group in
      for _ in 0..<8 {
        group.addTask { try material.encryptionKey(salt: salt, derivation: Self.quick).bytes() }
      }
      return try await group.reduce(into: [[UInt8]]()) { $0.append($1) }
    }
    #expect(keys == [[UInt8]](repeating: Fixtures.bytes, count: 8))
    #expect(count.withLock { $0 } == 1)
  }

  @Test func everySaltAndDerivationIsPaidOnce() throws {
    let count = Mutex(0)
    let material = try KeyMaterial(id: Fixtures.id(), passphrase: SecretBytes(copying: [1])) {
      (_, _, _) throws(KeyError) in
      count.withLock { $0 += 1 }
      return try EncryptionKey(SecretBytes(copying: Fixtures.bytes))
    }
    for _ in 0..<3 {
      for fill in [UInt8(1), 2] {
        for derivation in [Self.quick, .sqlcipher3] {
          _ = try material.encryptionKey(salt: Fixtures.salt(fill), derivation: derivation).bytes()
        }
      }
    }
    #expect(count.withLock { $0 } == 4)
  }

  @Test func aFailedDerivationIsTriedAgain() throws {
    let count = Mutex(0)
    let material = try KeyMaterial(id: Fixtures.id(), passphrase: SecretBytes(copying: [1])) {
      (_, _, _) throws(KeyError) in
      let attempt = count.withLock { count in
        count += 1
        return count
      }
      guard attempt > 1 else { throw KeyError(.io, "once") }
      return try EncryptionKey(SecretBytes(copying: Fixtures.bytes))
    }
    #expect(try keyError { _ = try material.bytes() }.code == .io)
    #expect(try material.bytes() == Fixtures.bytes)
  }
}
