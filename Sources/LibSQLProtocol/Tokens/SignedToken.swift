/// A JSON Web Token as clients send it, `header.payload.signature`, of which the signature has **not** been checked.
///
/// Only one algorithm exists here. What the header says is compared with it and chooses nothing: no key, no address of a
/// key, no other algorithm. It is not printed: not by `print`, `dump`, in an interpolation, nor inside of something else.
///
/// - Source: RFC 7515, section 7.1 (compact form); RFC 8037, section 3.1 (EdDSA); RFC 8725 (best practice).
public struct SignedToken: Sendable, Equatable {
  /// Bytes of the longest token. Tokens of libSQL servers have about 200.
  public static let byteCountMax = 8 << 10
  /// Bytes of a signature of Ed25519.
  public static let signatureByteCount = 64

  /// `header.payload` as it came: what was signed.
  public let signedBytes: [UInt8]
  /// 64 bytes.
  public let signature: [UInt8]
  private let payload: [UInt8]

  /// Takes a token apart and checks its header.
  ///
  /// - Throws: ``TokenError`` `.tooLong`; `.malformed` for what is not three parts in canonical base64url, without
  ///   padding, with a JSON object in the first; `.algorithm` unless `alg` is `EdDSA`; `.header` for a `typ` that is not
  ///   `JWT`, and for any `crit`, since no extension is known here.
  public init(parsing text: String) throws(TokenError) {
    let bytes = Array(text.utf8)
    guard bytes.count <= Self.byteCountMax else { throw .tooLong }
    let parts = bytes.split(separator: .point, maxSplits: 3, omittingEmptySubsequences: false)
    guard parts.count == 3 else { throw .malformed }
    guard let header = Base64URL.decode(parts[0]), let payload = Base64URL.decode(parts[1]),
      let signature = Base64URL.decode(parts[2]), signature.count == Self.signatureByteCount
    else { throw .malformed }
    try Header.decode(header).check()
    signedBytes = Array(bytes[..<parts[1].endIndex])
    self.signature = signature
    self.payload = payload
  }

  /// What the token says. Means something only after the signature was found right.
  ///
  /// - Throws: ``TokenError`` `.malformed` for a payload that is no JSON object; `.claims` for a claim that is given
  ///   twice, has another type than it should, or names a right that nobody knows.
  public func claims() throws(TokenError) -> TokenClaims { try TokenClaims(decoding: payload) }
}

/// The fields of a header that matter. Others (`kid`, `jku`, `jwk`) are not looked at.
private struct Header: JSONReadable {
  private var algorithm: String?
  private var type: String?
  private var isCritical = false

  static func decode(_ bytes: [UInt8]) throws(TokenError) -> Header {
    do throws(JSONMessageError) {
      return try JSONReader.decode(Header.self, from: bytes, limits: TokenClaims.limits)
    } catch {
      throw .malformed
    }
  }

  init(from reader: inout JSONReader) throws(JSONFault) {
    try reader.readMembers(countMax: TokenClaims.memberCountMax) { reader, name throws(JSONFault) in
      switch name {
      case "alg": algorithm = try reader.readString()
      case "typ": type = try reader.readString()
      case "crit":
        isCritical = true
        try reader.skipValue()
      default: try reader.skipValue()
      }
    }
  }

  func check() throws(TokenError) {
    guard algorithm == "EdDSA" else { throw .algorithm }
    guard type == nil || type == "JWT", !isCritical else { throw .header }
  }
}

extension SignedToken: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// Says only that there is one.
  public var description: String { "<redacted>" }
  /// Says only that there is one.
  public var debugDescription: String { description }
  /// Without children: `dump` would show them.
  public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Why a text is no token that could be accepted. Holds nothing of the token.
public enum TokenError: String, Error, Sendable, CaseIterable {
  /// More than ``SignedToken/byteCountMax`` bytes.
  case tooLong
  /// Not three parts in base64url, or no JSON objects in them.
  case malformed
  /// Signed with another algorithm than EdDSA, or not at all.
  case algorithm
  /// A header with a `typ` other than `JWT`, or with `crit`.
  case header
  /// A claim of the wrong type, given twice, or with a value that has no meaning.
  case claims
}
