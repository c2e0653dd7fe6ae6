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

  @Test(arguments: ["", "Ana", "Pérez Gómez", "a:b:c", String(repeating: "ñ", count: 5000)])
  func whatWasEncryptedIsReadAgain(_ text: String) throws {
    let stored = try cipher.encrypt(text)
    #expect(stored.split(separator: ":", omittingEmptySubsequences: false).count == 3)
    #expect(try cipher.decrypt(stored, column: "test") == text)
    #expect(try cipher.encrypt(text) != stored)
  }

  @Test func everyChangedBitIsFound() throws {
    let parts = try cipher.encrypt("Ana").split(separator: ":").map { Data(base64Encoded: String($0)) ?? Data() }
    #expect(parts.map(\.count) == [12, 16, 3])
    for part in parts.indices {
      for bit in 0..<(parts[part].count * 8) {
        var changed = parts
        changed[part][bit / 8] ^= UInt8(1 << (bit % 8))
        let stored = changed.map { $0.base64EncodedString() }.joined(separator: ":")
        #expect(throws: StoreError.self) { try cipher.decrypt(stored, column: "test") }
      }
    }
  }

  @Test(arguments: ["Ana", "", ":", "::", "AAAA:AAAA:AAAA", "not base64:x:y", "a:b:c:d"])
  func aValueInClearIsAnErrorThatDoesNotRepeatIt(_ stored: String) throws {
    let error = #expect(throws: StoreError.self) { try cipher.decrypt(stored, column: "first_name") }
    #expect(error?.code == .damaged)
    #expect(error?.detail.contains("first_name") == true && error?.detail.contains("Ana") == false)
  }

  @Test func aFormerKeyStillReadsAndFinds() throws {
    let newer = try FieldCipher([Inn.fieldKey(0xF2), Inn.fieldKey()])
    #expect(try newer.decrypt(cipher.encrypt("Ana"), column: "test") == "Ana")
    #expect(throws: StoreError.self) { try cipher.decrypt(newer.encrypt("Ana"), column: "test") }
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
      nonce, tag, text = [base64.b64decode(part) for part in sys.stdin.read().split(":")]
      print(cipher.decrypt(nonce, text + tag, None).decode())
      sealed = cipher.encrypt(b"\\x07" * 12, "Mérida".encode(), None)
      print(":".join(base64.b64encode(part).decode() for part in (b"\\x07" * 12, sealed[-16:], sealed[:-16])))
      """
    let result = try Judges.python(["-c", script], input: try cipher.encrypt("Cañaveral"))
    let lines = result.output.split(separator: "\n")
    try #require(lines.count == 2, "\(result.errors)")
    #expect(lines[0] == "Cañaveral")
    #expect(try cipher.decrypt(String(lines[1]), column: "test") == "Mérida")
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
    #expect(try newer.decrypt(cipher.encrypt("Ana"), column: "test") == "Ana")
    #expect(try FieldCipher([Inn.fieldKey(0xF2)]).decrypt(newer.encrypt("Bea"), column: "test") == "Bea")
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
