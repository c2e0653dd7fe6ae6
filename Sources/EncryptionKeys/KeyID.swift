/// The public name of a key: in keyrings, logs and errors.
///
/// - Shape: 1 to 64 of `A-Z a-z 0-9 . _ : / -`.
public struct KeyID: Hashable, Sendable, CustomStringConvertible {
  /// The name.
  public let name: String

  /// Checks `name`.
  ///
  /// - Throws: ``KeyError`` `.usage` for a wrong length or character, and for what looks like a key (64 hex digits, or
  ///   the prefix of a key). The refused name is not repeated, because it may be a key in the wrong place.
  public init(_ name: String) throws(KeyError) {
    let bytes = Array(name.utf8)
    guard (1...Self.byteCountMax).contains(bytes.count) else {
      throw KeyError(.usage, "a key id has 1 to \(Self.byteCountMax) characters, this one has \(bytes.count)")
    }
    if let position = bytes.firstIndex(where: { !Self.isAllowed($0) }) {
      throw KeyError(
        .usage, "character \(position + 1) of the key id is not allowed",
        hint: "a key id consists of letters, digits and . _ : / -")
    }
    let isHexKey = bytes.count == 2 * EncryptionKey.byteCount && bytes.allSatisfy { Hexadecimal.value(of: $0) != nil }
    guard !isHexKey, !KeySyntax.prefixes.contains(where: name.hasPrefix) else {
      throw KeyError(.usage, "the key id looks like a key", hint: "a key id is a public name, it is written to logs")
    }
    self.name = name
  }

  /// The name.
  public var description: String { name }

  /// A name that is known to follow the rules; for the identifiers of this module.
  init(checked name: StaticString) {
    self.name = "\(name)"
  }

  private static let byteCountMax = 64

  private static func isAllowed(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
      UInt8(ascii: "-")...UInt8(ascii: ":"), UInt8(ascii: "_"):
      // The range from "-" to ":" is - . / 0-9 :
      true
    default: false
    }
  }
}
