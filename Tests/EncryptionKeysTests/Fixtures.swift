import Testing

@testable import EncryptionKeys

/// Keys, texts and numbers that more than one suite uses.
enum Fixtures {
  /// The bytes 00 01 02 ... 1f, as in keys.example.
  static let bytes = (0..<32).map { UInt8($0) }
  static let hex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
  static let base64 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

  static func id(_ name: String = "k1") throws -> KeyID { try KeyID(name) }

  static func salt(_ fill: UInt8 = 7) throws -> Salt { try #require(Salt([UInt8](repeating: fill, count: 16))) }

  static func key(_ bytes: [UInt8] = bytes) throws -> EncryptionKey { try EncryptionKey(SecretBytes(copying: bytes)) }
}

extension SecretBytes {
  borrowing func bytes() -> [UInt8] { withUnsafeBytes { Array($0) } }
}

extension EncryptionKey {
  borrowing func bytes() -> [UInt8] { withUnsafeBytes { Array($0) } }
}

extension KeyMaterial {
  static func parse(_ text: [UInt8], id: String = "k1") throws(KeyError) -> KeyMaterial {
    let id = try KeyID(id)
    let secret = SecretBytes(copying: text)
    return try secret.withUnsafeBytes { (bytes) throws(KeyError) in try KeyMaterial(id: id, parsing: bytes) }
  }

  static func parse(_ text: String) throws(KeyError) -> KeyMaterial { try parse(Array(text.utf8)) }

  /// The key for a fixed salt and a derivation of one round.
  func bytes() throws -> [UInt8] {
    try encryptionKey(salt: Fixtures.salt(), derivation: KeyDerivation(digest: .sha256, iterations: 1)).bytes()
  }
}

/// The error that `body` throws; records an issue if it throws none.
func keyError(
  sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) throws -> KeyError {
  try #require(throws: KeyError.self, sourceLocation: sourceLocation, performing: body)
}

private struct Nested<Value> {
  let value: Value
}

/// Every way in which Swift turns a value into text.
func renderings<Value>(_ value: Value) -> [String] {
  var dumped = ""
  dump(value, to: &dumped)
  dump(Nested(value: value), to: &dumped)
  dump([value], to: &dumped)
  var printed = ""
  print(value, to: &printed)
  return [
    "\(value)", String(describing: value), String(reflecting: value), "\(Nested(value: value))", dumped, printed,
    String(reflecting: Nested(value: value)), "\(Mirror(reflecting: value).children.map { "\($0)" })",
    deepMirror(value),
  ]
}

private func deepMirror(_ value: Any, depth: Int = 0) -> String {
  guard depth < 8 else { return "" }
  return Mirror(reflecting: value).children.map { child in
    "\(child.label ?? "-")=\(child.value) " + deepMirror(child.value, depth: depth + 1)
  }.joined(separator: "; ")
}

/// SplitMix64: small, seedable, good enough to choose test inputs.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }

  mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: 0...255, using: &self) } }
}
