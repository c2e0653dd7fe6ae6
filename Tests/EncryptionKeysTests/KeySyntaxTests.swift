import Testing

@testable import EncryptionKeys

/// A malformed key and what its error has to say.
struct Malformed: Sendable, CustomTestStringConvertible {
  let text: [UInt8]
  let expected: String
  let name: String

  init(_ name: String, _ text: String, _ expected: String) {
    self.init(name, Array(text.utf8), expected)
  }

  init(_ name: String, _ text: [UInt8], _ expected: String) {
    self.name = name
    self.text = text
    self.expected = expected
  }

  var testDescription: String { name }
}

@Suite("Key syntax")
struct KeySyntaxTests {
  static let wellFormed = [
    Fixtures.hex, Fixtures.hex.uppercased(), "hex:" + Fixtures.hex, Fixtures.base64, "base64:" + Fixtures.base64,
  ]

  /// Every text contains `secret` in one of its spellings, so that one test can look for it in all errors.
  static let secret = "c0ffee5ec2e7"
  static let malformed: [Malformed] = {
    let hex63 = secret + String(repeating: "a", count: 51)
    let hex64 = hex63 + "b"
    let base43 = secret + String(repeating: "Q", count: 31)
    return [
      Malformed("63 hex digits", hex63, "63 hex digits"),
      Malformed("65 hex digits", hex64 + "c", "65 hex digits"),
      Malformed("63 hex digits with prefix", "hex:" + hex63, "63 hex digits"),
      Malformed("key and salt", hex64 + String(repeating: "d", count: 32), "with its salt"),
      Malformed("key, HMAC key and salt", hex64 + String(repeating: "d", count: 96), "with its salt"),
      Malformed("64 characters, the 13th no hex digit", secret + "g" + hex64.dropFirst(13), "character 13 of 64"),
      Malformed("blob literal", "x'\(hex64)'", "x'...'"),
      Malformed("blob literal, upper case", "X'\(hex64)'", "x'...'"),
      Malformed("single quotes", "'\(hex64)'", "quotation mark"),
      Malformed("double quotes", "\"\(hex64)\"", "quotation mark"),
      Malformed("space in front", " " + hex64, "whitespace around"),
      Malformed("space behind", hex64 + " ", "whitespace around"),
      Malformed("line break behind", hex64 + "\n", "whitespace around"),
      Malformed("space inside", secret + " " + hex64.dropFirst(12), "position 13"),
      Malformed("space inside hex:", "hex:" + secret + " " + hex64.dropFirst(12), "whitespace inside"),
      Malformed("NUL", Array(secret.utf8) + [0] + Array(secret.utf8), "NUL byte at position 13"),
      Malformed("raw:", "raw:hex:" + hex64, "source in a keyring"),
      Malformed("env:", "env:" + secret, "source in a keyring"),
      Malformed("HEX:", "HEX:" + hex64, "lower case"),
      Malformed("unknown prefix", secret + ":" + secret, "unknown prefix"),
      Malformed("SQLCipher URI style", "key:" + hex64, "unknown prefix"),
      Malformed("unmarked passphrase", "correct-" + secret, "neither a key in hex nor in base64"),
      Malformed("base64 of 31 bytes", "base64:" + secret + String(repeating: "A", count: 28) + "AA==", "base64"),
      Malformed("base64 of 33 bytes", "base64:" + secret + String(repeating: "A", count: 32), "base64"),
      Malformed("base64 without padding", base43, "padding"),
      Malformed("base64, URL-safe", secret + "-_" + String(repeating: "A", count: 29) + "=", "URL-safe"),
      Malformed("base64, not canonical", base43.dropLast() + "B=", "canonical"),
      Malformed(
        "base64, wrong character", "base64:" + secret + "!" + String(repeating: "A", count: 30) + "=", "character 13"),
      Malformed("passphrase after a space", "passphrase: " + secret, "whitespace before"),
      Malformed("passphrase before a space", "passphrase:\(secret) ", "whitespace around"),
      Malformed("passphrase of two lines", "passphrase:\(secret)\nx", "line break"),
      Malformed("passphrase not UTF-8", Array("passphrase:\(secret)".utf8) + [0xff, 0x41], "not UTF-8"),
    ]
  }()

  @Test(arguments: wellFormed)
  func readsEverySpellingOfARawKey(text: String) throws {
    let material = try KeyMaterial.parse(text)
    #expect(!material.isPassphrase)
    #expect(try material.bytes() == Fixtures.bytes)
  }

  @Test(arguments: ["x", "two words", "pässwörd", "hex:00", "'quoted'", Fixtures.hex])
  func readsAMarkedPassphraseAsItIs(passphrase: String) throws {
    let material = try KeyMaterial.parse("passphrase:" + passphrase)
    #expect(material.isPassphrase)
    let direct = try KeyMaterial(id: Fixtures.id(), passphrase: SecretBytes(copying: passphrase.utf8))
    #expect(try material.bytes() == direct.bytes())
  }

  @Test(arguments: malformed)
  func refusesAnythingElseAndSaysWhatIsWrong(key: Malformed) throws {
    let error = try keyError { _ = try KeyMaterial.parse(key.text) }
    #expect(error.code == .unusable)
    #expect(error.message.hasPrefix("key k1: "))
    #expect("\(error.message) \(error.hint ?? "")".contains(key.expected), "\(error)")
  }

  @Test(arguments: malformed)
  func anErrorNeverShowsTheKey(key: Malformed) throws {
    let error = try keyError { _ = try KeyMaterial.parse(key.text) }
    for text in renderings(error) + renderings(error as any Error) {
      #expect(!text.contains(Self.secret))
    }
  }

  @Test(arguments: ["", "passphrase:", "hex:", "base64:"])
  func refusesAnEmptyKey(text: String) throws {
    #expect(try keyError { _ = try KeyMaterial.parse(text) }.code == .unusable)
  }

  @Test(arguments: [String(repeating: "0", count: 64), "base64:" + String(repeating: "A", count: 43) + "="])
  func refusesAKeyOfZeros(text: String) throws {
    #expect(try keyError { _ = try KeyMaterial.parse(text) }.message.contains("zero"))
  }

  @Test(arguments: 0..<20)
  func everyKeySurvivesHexAndBase64(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let bytes = generator.bytes(32)
    let key = try Fixtures.key(bytes)
    let hex = key.withHexDigits { String(decoding: $0, as: UTF8.self) }
    #expect(try KeyMaterial.parse(hex).bytes() == bytes)
    #expect(try KeyMaterial.parse(Self.base64(bytes)).bytes() == bytes)
  }

  // One changed byte makes another key or an error, never the same key: a key has one spelling per form and case.
  @Test(arguments: 0..<50)
  func aChangedByteNeverGivesTheSameKey(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    var text = Array((seed % 2 == 0 ? Fixtures.hex : Fixtures.base64).utf8)
    let index = text.indices.randomElement(using: &generator) ?? 0
    let changed = UInt8.random(in: 0...255, using: &generator)
    let isSameDigit = Hexadecimal.value(of: changed) == Hexadecimal.value(of: text[index])
    guard changed != text[index], seed % 2 == 1 || !isSameDigit else { return }
    text[index] = changed
    let bytes = try? KeyMaterial.parse(text).bytes()
    #expect(bytes != Fixtures.bytes, "seed \(seed)")
  }

  /// Written apart from the module's decoder: by the bit string.
  private static func base64(_ bytes: [UInt8]) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    let bits: [UInt8] = bytes.flatMap { byte in (0..<8).map { shift in byte >> UInt8(7 - shift) & 1 } } + [0, 0]
    let characters = stride(from: 0, to: bits.count, by: 6).map { start in
      alphabet[bits[start..<start + 6].reduce(0) { $0 << 1 | Int($1) }]
    }
    return String(characters) + "="
  }
}
