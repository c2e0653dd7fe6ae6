package import EncryptionKeys
internal import FoundationEssentials
internal import LibSQLProtocol

/// The public keys of Ed25519 that tokens may be signed with, from the key file of the server.
///
/// A file holds one key as 32 bytes in base64url, with or without padding, or any number of them in PEM (`BEGIN PUBLIC
/// KEY`, a SubjectPublicKeyInfo), so that an old and a new key can be valid at a time. Between PEM blocks only empty lines
/// and lines that begin with `#` are allowed: a block whose first line is mistyped must not vanish.
///
/// - Source: tursodatabase/libsql, libsql-server/src/auth/parsers.rs (`parse_jwt_keys`); RFC 8410, section 4; RFC 7468.
package struct VerificationKeys: Sendable {
  /// Bytes of the longest key file.
  package static let fileByteCountMax = 64 << 10
  /// Keys in one file. Every one costs a verification when a token fits none.
  package static let countMax = 16

  private let keys: [Ed25519PublicKey]

  /// How many keys there are, at least one.
  package var count: Int { keys.count }

  /// Reads the contents of a key file.
  ///
  /// - Throws: `KeyError` `.unusable`.
  package init(parsing contents: [UInt8]) throws(KeyError) {
    guard contents.count <= Self.fileByteCountMax else {
      throw KeyError(.unusable, "a key file of more than \(Self.fileByteCountMax) bytes")
    }
    let lines = contents.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
      .map { $0.last == UInt8(ascii: "\r") ? $0.dropLast() : $0 }
    let isPEM = lines.contains { $0.starts(with: Array("-----BEGIN".utf8)) }
    let encoded = try isPEM ? Self.keysInPEM(lines) : [Self.keyInBase64(lines)]
    guard encoded.count <= Self.countMax else { throw KeyError(.unusable, "more than \(Self.countMax) keys") }
    var keys: [Ed25519PublicKey] = []
    for (index, bytes) in encoded.enumerated() {
      guard let key = Ed25519PublicKey(bytes) else {
        throw KeyError(.unusable, "key \(index + 1) is a point that anybody can sign for, such as 32 zero bytes")
      }
      keys.append(key)
    }
    self.keys = keys
  }

  /// Whether one of the keys made the signature.
  func verify(_ token: SignedToken) -> Bool {
    keys.contains { $0.isValid(token.signature, for: token.signedBytes) }
  }

  // MARK: - Formats

  private static let howToMake = "openssl pkey -in PRIVATE.pem -pubout writes the public key of an Ed25519 key"

  private static func keyInBase64(_ lines: [ArraySlice<UInt8>]) throws(KeyError) -> [UInt8] {
    let filled = lines.filter { !$0.isEmpty }
    guard filled.count == 1, var text = filled.first else {
      throw KeyError(
        .unusable, filled.isEmpty ? "an empty key file" : "\(filled.count) lines, which are no PEM", hint: howToMake)
    }
    // 32 bytes are 43 characters and one of padding.
    if text.count == 44, text.last == UInt8(ascii: "=") { text = text.dropLast() }
    guard let key = Base64URL.decode(text), key.count == Ed25519PublicKey.byteCount else {
      throw KeyError(
        .unusable, "neither PEM nor 32 bytes in base64url", hint: "the alphabet is that of URLs: - for +, _ for /")
    }
    return key
  }

  private static func keysInPEM(_ lines: [ArraySlice<UInt8>]) throws(KeyError) -> [[UInt8]] {
    var keys: [[UInt8]] = []
    var body: [UInt8]?
    for (index, line) in lines.enumerated() {
      let text = String(decoding: line, as: UTF8.self)
      switch (text, body) {
      case ("-----BEGIN PUBLIC KEY-----", nil): body = []
      case ("-----END PUBLIC KEY-----", let encoded?):
        keys.append(try keyInSubjectPublicKeyInfo(encoded, line: index + 1))
        body = nil
      case (_, let encoded?): body = encoded + line
      case (_, nil) where text.isEmpty || text.hasPrefix("#"): break
      case (_, nil) where text.contains("PRIVATE KEY-----"):
        throw KeyError(
          .unusable, "line \(index + 1): a private key, where the server needs the public one only", hint: howToMake)
      default:
        throw KeyError(.unusable, "line \(index + 1): neither a public key in PEM nor a comment", hint: howToMake)
      }
    }
    guard body == nil else { throw KeyError(.unusable, "a PEM block without its last line", hint: howToMake) }
    return keys
  }

  /// What stands in front of the 32 bytes: SEQUENCE { SEQUENCE { OID 1.3.101.112 }, BIT STRING }. Source: RFC 8410.
  private static let prefix: [UInt8] = [0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00]

  private static func keyInSubjectPublicKeyInfo(_ base64: [UInt8], line: Int) throws(KeyError) -> [UInt8] {
    guard let encoded = Data(base64Encoded: Data(base64)) else {
      throw KeyError(.unusable, "the PEM block that ends in line \(line) is not base64", hint: howToMake)
    }
    guard encoded.starts(with: prefix), encoded.count == prefix.count + Ed25519PublicKey.byteCount else {
      throw KeyError(
        .unusable, "the key that ends in line \(line) is no Ed25519 key; tokens are signed with EdDSA only",
        hint: "openssl genpkey -algorithm ed25519 makes one")
    }
    return Array(encoded.dropFirst(prefix.count))
  }
}
