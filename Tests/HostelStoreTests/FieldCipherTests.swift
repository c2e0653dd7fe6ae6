import EncryptionKeys
import Foundation
import HostelDomain
import HostelStore
import TestSupport
import Testing

@Suite("Encryption of personal columns")
struct FieldCipherTests {
  let cipher: FieldCipher

  init() throws { cipher = try FieldCipher([Inn.fieldKey()]) }

  private static let place = FieldPlace("pilgrims", "first_name_encrypted", row: 7)

  @Test(arguments: ["", "Ana", "Pérez Gómez", "a:b:c", String(repeating: "ñ", count: 5000)])
  func whatWasEncryptedIsReadAgain(_ text: String) throws {
    let stored = try cipher.encrypt(text, at: Self.place)
    #expect(stored.split(separator: ":", omittingEmptySubsequences: false).count == 4 && stored.hasPrefix("2:"))
    #expect(try cipher.decrypt(stored, at: Self.place) == text)
    #expect(try cipher.encrypt(text, at: Self.place) != stored)
  }

  @Test func everyChangedBitIsFound() throws {
    let parts = try cipher.encrypt("Ana", at: Self.place).split(separator: ":").dropFirst()
      .map { Data(base64Encoded: String($0)) ?? Data() }
    #expect(parts.map(\.count) == [12, 16, 3])
    for part in parts.indices {
      for bit in 0..<(parts[part].count * 8) {
        var changed = parts
        changed[part][bit / 8] ^= UInt8(1 << (bit % 8))
        let stored = "2:" + changed.map { $0.base64EncodedString() }.joined(separator: ":")
        #expect(throws: StoreError.self) { try cipher.decrypt(stored, at: Self.place) }
      }
    }
  }

  /// Of many places, a value is read at its own and at no other; places whose names run into each other included.
  @Test func aValueIsReadAtItsOwnPlaceOnly() throws {
    var places: [FieldPlace] = []
    for table in ["pilgrims", "pilgrim", "government_submissions"] {
      for column in [
        "first_name_encrypted", "last_name1_encrypted", "s\0first_name_encrypted", "sfirst_name_encrypted",
      ] {
        for row: Int64 in [1, 11, 7, .max] { places.append(FieldPlace(table, column, row: row)) }
      }
    }
    var generator = SeededGenerator(seed: 20_261_121)
    for (index, place) in places.enumerated() {
      let text = String(
        (0..<Int.random(in: 0...40, using: &generator)).map { _ in
          Character(UnicodeScalar(UInt8.random(in: 0x20...0x7E, using: &generator)))
        })
      let stored = try cipher.encrypt(text, at: place)
      for (other, elsewhere) in places.enumerated() {
        if other == index {
          #expect(try cipher.decrypt(stored, at: elsewhere) == text)
        } else {
          let error = #expect(throws: StoreError.self) { try cipher.decrypt(stored, at: elsewhere) }
          #expect(error?.code == .damaged)
        }
      }
    }
  }

  /// Nor does it help to make it look like a value of the other format.
  @Test func aValueOfOneFormatIsNoneOfTheOther() throws {
    let bound = try cipher.encrypt("Ana", at: Self.place)
    #expect(throws: StoreError.self) { try cipher.decrypt(String(bound.dropFirst(2)), at: Self.place) }
    #expect(throws: StoreError.self) { try cipher.decrypt("3" + bound.dropFirst(), at: Self.place) }
    let former = try Inn.formerValues(of: ["Ana"])[0]
    #expect(try cipher.decrypt(former, at: Self.place) == "Ana")
    #expect(throws: StoreError.self) { try cipher.decrypt("2:" + former, at: Self.place) }
    let strict = try FieldCipher([Inn.fieldKey()], readsUnbound: false)
    #expect(throws: StoreError.self) { try strict.decrypt(former, at: Self.place) }
    #expect(try strict.decrypt(bound, at: Self.place) == "Ana")
  }

  @Test(arguments: ["Ana", "", ":", "::", "2:::", "AAAA:AAAA:AAAA", "not base64:x:y", "a:b:c:d", "2:a:b:c:d"])
  func aValueInClearIsAnErrorThatDoesNotRepeatIt(_ stored: String) throws {
    let error = #expect(throws: StoreError.self) { try cipher.decrypt(stored, at: Self.place) }
    #expect(error?.code == .damaged)
    #expect(error?.detail.contains("first_name") == true && error?.detail.contains("Ana") == false)
  }

  @Test func aFormerKeyStillReadsAndFinds() throws {
    let newer = try FieldCipher([Inn.fieldKey(0xF2), Inn.fieldKey()])
    #expect(try newer.decrypt(cipher.encrypt("Ana", at: Self.place), at: Self.place) == "Ana")
    #expect(throws: StoreError.self) { try cipher.decrypt(newer.encrypt("Ana", at: Self.place), at: Self.place) }
    let former = try cipher.lookupCodes(.nif, "12345678Z")
    let both = try newer.lookupCodes(.nif, "12.345.678-z")
    #expect(both.count == 2 && both[1] == former[0] && both[0] != both[1])
    #expect(try cipher.lookupCodes(.passport, "12345678Z") != former)
    #expect(throws: StoreError.self) { try FieldCipher([]) }
  }

  /// Another implementation of AES-GCM reads ours and writes what we read.
  @Test func anotherImplementationAgrees() throws {
    let script = """
      import base64, sys
      from cryptography.hazmat.primitives.ciphers.aead import AESGCM
      cipher = AESGCM(b"\\xf1" * 32)
      place = b"albergue-service field 2\\0pilgrims\\0first_name_encrypted\\x007"
      version, *parts = sys.stdin.read().split(":")
      nonce, tag, text = map(base64.b64decode, parts)
      print(version, cipher.decrypt(nonce, text + tag, place).decode())
      sealed = cipher.encrypt(b"\\x07" * 12, "Mérida".encode(), place)
      print("2:" + ":".join(base64.b64encode(part).decode() for part in (b"\\x07" * 12, sealed[-16:], sealed[:-16])))
      """
    let result = try Judges.python(["-c", script], input: try cipher.encrypt("Cañaveral", at: Self.place))
    let lines = result.output.split(separator: "\n")
    try #require(lines.count == 2, "\(result.errors)")
    #expect(lines[0] == "2 Cañaveral")
    #expect(try cipher.decrypt(String(lines[1]), at: Self.place) == "Mérida")
  }

  @Test func aKeyIsNotPrinted() throws {
    let key = try Inn.fieldKey(0x41)
    var dumped = ""
    dump(key, to: &dumped)
    #expect(!"\(key) \(String(reflecting: key)) \(dumped)".contains("AAAA"))
  }

  // MARK: - Where the key comes from

  @Test func withoutAKeyNothingStarts() {
    let error = #expect(throws: KeyError.self) { try FieldKeys.load { _ in nil } }
    #expect(error?.code == .noKey)
  }

  @Test func aKeyringGivesTheActiveKeyFirst() throws {
    let folder = try TemporaryDirectory()
    let path = folder.file("keys")
    let lines = [
      "former 2026-01-01 retiring sqlcipher4 raw:hex:\(String(repeating: "f1", count: 32))",
      "newer 2026-02-01 active sqlcipher4 raw:hex:\(String(repeating: "f2", count: 32))",
    ]
    try Bytes.write(Data(lines.joined(separator: "\n").utf8), to: path)
    try Bytes.setMode(path, 0o600)
    let keys = try FieldKeys.load { $0 == "PILGRIM_ENCRYPTION_KEYRING" ? path : nil }
    let newer = try FieldCipher(keys)
    #expect(try newer.decrypt(cipher.encrypt("Ana", at: Self.place), at: Self.place) == "Ana")
    #expect(
      try FieldCipher([Inn.fieldKey(0xF2)]).decrypt(newer.encrypt("Bea", at: Self.place), at: Self.place) == "Bea")
  }

  @Test func aPassphraseIsNoKeyForColumns() throws {
    let folder = try TemporaryDirectory()
    let path = folder.file("keys")
    try Bytes.write(Data("by-hand 2026-01-01 active sqlcipher4 raw:passphrase:camino".utf8), to: path)
    try Bytes.setMode(path, 0o600)
    let error = #expect(throws: KeyError.self) {
      try FieldKeys.load { $0 == "PILGRIM_ENCRYPTION_KEYRING" ? path : nil }
    }
    #expect(error?.code == .unusable)
  }
}
