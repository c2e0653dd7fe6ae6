/// What a token of libSQL and Turso says about its holder. Unknown claims are skipped; claims may be absent, but not null.
///
/// - Source: RFC 7519, section 4.1; tursodatabase/libsql, libsql-server/src/auth (`Token`, `Authorized`, `Permission`).
public struct TokenClaims: Sendable, Equatable {
  /// A right as tokens name it.
  public enum Right: String, Sendable, CaseIterable {
    /// Read.
    case readOnly = "ro"
    /// Read, and attach to another database. Attaching is not offered here.
    case readOnlyAttach = "roa"
    /// Everything.
    case readWrite = "rw"
    /// Everything, and attach to another database.
    case readWriteAttach = "rwa"

    /// Whether data may be changed.
    public var allowsWriting: Bool { self == .readWrite || self == .readWriteAttach }
  }

  /// `exp`: no longer valid at this time, in seconds since 1970, and after it.
  public private(set) var expiry: Double?
  /// `nbf`: not valid before this time, in seconds since 1970.
  public private(set) var notBefore: Double?
  /// `aud` is there: the token is meant for somebody, and who this server is was never agreed.
  public private(set) var hasAudience = false
  /// `sub`: who it was made for. No server of libSQL looks at it.
  public private(set) var subject: String?
  /// `id`: the one database it is for.
  public private(set) var database: String?
  /// `a`: the right to every database, or to ``database``.
  public private(set) var right: Right?
  /// `p`: rights by database. Replaces ``right`` and ``database`` where it is there, also when it is empty.
  public private(set) var rights: [Right: Set<String>]?

  static let memberCountMax = 64
  private static let databaseCountMax = 256

  /// A token is short; what it holds nests three deep.
  static let limits: Hrana.Limits = {
    var limits = Hrana.Limits()
    limits.byteCountMax = SignedToken.byteCountMax
    limits.nestingDepthMax = 16
    return limits
  }()

  init(decoding bytes: [UInt8]) throws(TokenError) {
    do throws(JSONMessageError) {
      self = try JSONReader.decode(TokenClaims.self, from: bytes, limits: Self.limits)
    } catch {
      switch error.code {
      case .malformed, .invalidText, .tooDeep, .tooLarge: throw .malformed
      default: throw .claims
      }
    }
  }
}

extension TokenClaims: JSONReadable {
  init(from reader: inout JSONReader) throws(JSONFault) {
    try reader.readMembers(countMax: Self.memberCountMax) { reader, name throws(JSONFault) in
      switch name {
      case "exp": expiry = try reader.readDouble()
      case "nbf": notBefore = try reader.readDouble()
      case "aud":
        hasAudience = true
        try reader.skipValue()
      case "sub": subject = try reader.readString()
      case "id": database = try reader.readString()
      case "a": right = try Self.readRight(&reader)
      case "p": rights = try Self.readRights(&reader)
      default: try reader.skipValue()
      }
    }
  }

  private static func readRight(_ reader: inout JSONReader) throws(JSONFault) -> Right {
    _ = reader.peek()
    let start = reader.position
    guard let right = Right(rawValue: try reader.readString()) else {
      throw JSONFault(.unknownType, at: start, "an unknown right")
    }
    return right
  }

  /// `{"rw":{"ns":["name"]}}`. What is not known gives no right.
  private static func readRights(_ reader: inout JSONReader) throws(JSONFault) -> [Right: Set<String>] {
    var rights: [Right: Set<String>] = [:]
    try reader.readMembers(countMax: memberCountMax) { reader, name throws(JSONFault) in
      guard let right = Right(rawValue: name) else { return try reader.skipValue() }
      try reader.readMembers(countMax: memberCountMax) { reader, name throws(JSONFault) in
        guard name == "ns" else { return try reader.skipValue() }
        let names = try reader.readArray(countMax: databaseCountMax) { reader throws(JSONFault) in
          try reader.readString()
        }
        rights[right] = Set(names)
      }
    }
    return rights
  }
}
