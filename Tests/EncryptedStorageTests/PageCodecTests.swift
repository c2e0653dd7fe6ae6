import EncryptionKeys
import Foundation
import TestSupport
import Testing

@testable import EncryptedStorage

@Suite("Page codec")
struct PageCodecTests {
  static let formats: [CipherFormat] = [1024, 4096, 65536].flatMap { pageSize in
    [DigestAlgorithm.sha512, .sha256, .sha1].map {
      CipherFormat(pageSize: pageSize, mac: $0, derivation: .sqlcipher4)
    }
  }

  private func keys(_ format: CipherFormat) throws -> PageKeys {
    let salt = try #require(Salt(Array(repeating: 7, count: 16)))
    return try PageKeys(format: format, salt: salt, material: TestKeys.first())
  }

  /// Encrypts `plain` as page `number`.
  private func encrypt(_ plain: [UInt8], _ number: UInt32, _ codec: PageCodec) throws -> [UInt8] {
    try transform(plain) { (span) throws(EncryptedStorageError) in
      let vector = [UInt8](repeating: 0x5c, count: 16)
      let vectorSpan = vector.span.bytes
      try codec.encrypt(&span, number: number, initializationVector: vectorSpan)
    }
  }

  private func transform(
    _ bytes: [UInt8], _ body: (inout MutableRawSpan) throws(EncryptedStorageError) -> Void
  ) throws -> [UInt8] {
    let buffer = PageBuffer(byteCount: bytes.count)
    try buffer.withMutableSpan(0..<bytes.count) { (span) throws(EncryptedStorageError) in
      for (offset, byte) in bytes.enumerated() { span.storeBytes(of: byte, toByteOffset: offset, as: UInt8.self) }
      try body(&span)
    }
    return buffer.withSpan(0..<bytes.count) { $0.bytes(at: 0, count: bytes.count) }
  }

  private func isAuthentic(_ page: [UInt8], _ number: UInt32, _ codec: PageCodec) -> Bool {
    let span = page.span.bytes
    return codec.isAuthentic(span, number: number)
  }

  private func page(_ format: CipherFormat, number: UInt32, seed: UInt64) -> [UInt8] {
    var generator = SeededGenerator(seed: seed)
    var page = (0..<format.pageSize).map { _ in UInt8.random(in: 0...255, using: &generator) }
    if number == 1 { page.replaceSubrange(0..<16, with: PageCodec.magic) }
    return page
  }

  @Test(arguments: formats, [1, 2, 262_146, UInt32.max - 1])
  func decryptsWhatItEncrypted(format: CipherFormat, number: UInt32) throws {
    let codec = try PageCodec(keys(format))
    let plain = page(format, number: number, seed: UInt64(number))
    let encrypted = try encrypt(plain, number, codec)
    #expect(isAuthentic(encrypted, number, codec))
    let decrypted = try transform(encrypted) { (span) throws(EncryptedStorageError) in
      try codec.decrypt(&span, number: number)
    }
    let usable = format.pageSize - format.reserve
    #expect(decrypted.prefix(usable) == plain.prefix(usable))
    #expect(encrypted.prefix(usable) != plain.prefix(usable))
  }

  @Test func refusesAPageUnderAnotherNumberKeySaltOrMAC() throws {
    let format = CipherProfile.sqlcipher4.format
    let codec = try PageCodec(keys(format))
    let encrypted = try encrypt(page(format, number: 5, seed: 1), 5, codec)
    #expect(isAuthentic(encrypted, 5, codec))
    for number: UInt32 in [1, 4, 6, 5 << 8, 5 << 24, 0] { #expect(!isAuthentic(encrypted, number, codec)) }
    let otherSalt = try #require(Salt(Array(repeating: 8, count: 16)))
    let others = try [
      PageKeys(format: format, salt: otherSalt, material: TestKeys.first()),
      PageKeys(format: format, salt: keys(format).salt, material: TestKeys.second()),
      keys(CipherProfile.sqlcipher4SHA256.format),
    ]
    for other in others { #expect(try !isAuthentic(encrypted, 5, PageCodec(other))) }
    #expect(!isAuthentic(Array(encrypted.dropLast()), 5, codec))
    #expect(!isAuthentic([], 5, codec))
  }

  @Test(arguments: CipherProfile.allCases)
  func noticesEveryBitOfCiphertextVectorAndMAC(profile: CipherProfile) throws {
    let format = CipherFormat(pageSize: 1024, mac: profile.format.mac, derivation: .sqlcipher4)
    let codec = try PageCodec(keys(format))
    let encrypted = try encrypt(page(format, number: 3, seed: 2), 3, codec)
    for bit in 0..<(1024 * 8) {
      var damaged = encrypted
      damaged[bit / 8] ^= 1 << (bit % 8)
      if isAuthentic(damaged, 3, codec) { Issue.record("bit \(bit) was not noticed") }
    }
  }

  @Test func doesNotAuthenticateTheSaltOfPageOneDirectly() throws {
    // The salt is bound through the keys it derives: see refusesAPageUnderAnotherNumberKeySaltOrMAC.
    let format = CipherProfile.sqlcipher4.format
    let codec = try PageCodec(keys(format))
    var encrypted = try encrypt(page(format, number: 1, seed: 3), 1, codec)
    #expect(encrypted.prefix(16) == ArraySlice(try keys(format).salt.bytes))
    encrypted[0] ^= 1
    #expect(isAuthentic(encrypted, 1, codec))
  }

  @Test func givesTheSamePageAnotherCiphertextUnderAnotherVector() throws {
    var vectors = Set<[UInt8]>()
    for _ in 0..<100 {
      vectors.insert(
        try transform([UInt8](repeating: 0, count: 16)) { (span) throws(EncryptedStorageError) in
          try PageCodec.randomBytes(into: &span)
        })
    }
    #expect(vectors.count == 100)
  }
}
