/// How a key is written: 64 hex digits, base64 of 32 bytes, or a passphrase marked as such.
///
/// Strict, because a typing error that is accepted encrypts data under a key nobody has. Works on bytes and never
/// makes a `String` of them; errors describe a malformed value by length, position and kind, and never repeat it.
enum KeySyntax {
  /// A key as its owner wrote it.
  enum Parsed: ~Copyable {
    case rawKey(EncryptionKey)
    case passphrase(SecretBytes)
  }

  /// Prefixes that say which form follows.
  static let prefixes = [hexPrefix, base64Prefix, passphrasePrefix]

  /// Reads a key.
  ///
  /// - Throws: ``KeyError`` `.unusable` if `text` is anything but one of the forms.
  static func parse(_ text: Span<UInt8>) throws(KeyError) -> Parsed {
    try refuseDelimiters(text)
    if let form = rest(of: text, after: hexPrefix) {
      return .rawKey(try hexKey(text.extracting(form)))
    }
    if let form = rest(of: text, after: base64Prefix) {
      return .rawKey(try EncryptionKey(try Base64.decodeKey(text.extracting(form))))
    }
    if let form = rest(of: text, after: passphrasePrefix) {
      return .passphrase(try passphrase(text.extracting(form)))
    }
    try refuseOtherPrefixes(text)
    try refuseInnerWhitespace(text)
    return .rawKey(try unmarkedKey(text))
  }

  /// True if `text` begins with the ASCII characters of `prefix`.
  static func starts(_ text: Span<UInt8>, with prefix: String) -> Bool {
    rest(of: text, after: prefix) != nil
  }

  private static let hexPrefix = "hex:"
  private static let base64Prefix = "base64:"
  private static let passphrasePrefix = "passphrase:"
  private static let hexDigitCount = 2 * EncryptionKey.byteCount
  private static let formsHint = "a key is 64 hex digits, base64 of 32 bytes, or passphrase: and a passphrase"

  // MARK: Forms

  /// Without a prefix the length decides: no two forms share one.
  private static func unmarkedKey(_ text: Span<UInt8>) throws(KeyError) -> EncryptionKey {
    let isHex = Hexadecimal.firstNonDigit(in: text) == nil
    if isHex || text.count == hexDigitCount { return try hexKey(text) }
    let unpadded = Base64.keyCharacterCount - 1
    if text.count == Base64.keyCharacterCount || text.count == unpadded {
      return try EncryptionKey(try Base64.decodeKey(text))
    }
    throw KeyError(.unusable, "\(text.count) bytes that are neither a key in hex nor in base64", hint: formsHint)
  }

  private static func hexKey(_ digits: Span<UInt8>) throws(KeyError) -> EncryptionKey {
    try refuseInnerWhitespace(digits)
    let isHex = Hexadecimal.firstNonDigit(in: digits) == nil
    // SQLCipher's PRAGMA key also takes the salt after the key, and newer versions an HMAC key between them.
    guard !isHex || (digits.count != 96 && digits.count != 160) else {
      throw KeyError(
        .unusable, "\(digits.count) hex digits: this is a SQLCipher raw key with its salt, not a key alone",
        hint: "give the first 64 digits; the salt is read from the file")
    }
    guard digits.count == hexDigitCount else {
      throw KeyError(.unusable, "\(digits.count) hex digits, a key has \(hexDigitCount)", hint: formsHint)
    }
    if let position = Hexadecimal.firstNonDigit(in: digits) {
      throw KeyError(.unusable, "character \(position + 1) of \(digits.count) is not a hex digit", hint: formsHint)
    }
    return try EncryptionKey(
      SecretBytes(count: EncryptionKey.byteCount) { (bytes: inout MutableSpan<UInt8>) in
        Hexadecimal.decode(digits, into: &bytes)
      })
  }

  private static func passphrase(_ text: Span<UInt8>) throws(KeyError) -> SecretBytes {
    guard !text.isEmpty else { throw KeyError(.unusable, "the passphrase is empty") }
    guard !isWhitespace(text[0]) else {
      throw KeyError(.unusable, "whitespace before the passphrase", hint: "write it directly after `passphrase:`")
    }
    if text.indices.contains(where: { isLineBreak(text[$0]) }) {
      throw KeyError(.unusable, "line break in the passphrase", hint: "a key is one line")
    }
    do {
      _ = try UTF8Span(validating: text)
    } catch {
      throw KeyError(.unusable, "the passphrase is not UTF-8 (byte \(error.byteOffsets.lowerBound + 1))")
    }
    return SecretBytes(count: text.count) { (bytes: inout MutableSpan<UInt8>) in
      for index in text.indices { bytes[index] = text[index] }
    }
  }

  // MARK: Refusals

  private static func refuseDelimiters(_ text: Span<UInt8>) throws(KeyError) {
    guard !text.isEmpty else { throw KeyError(.unusable, "the key is empty", hint: formsHint) }
    if let position = text.indices.first(where: { text[$0] == 0 }) {
      throw KeyError(.unusable, "NUL byte at position \(position + 1)", hint: "a key is text, not binary: \(formsHint)")
    }
    guard !isWhitespace(text[0]), !isWhitespace(text[text.count - 1]) else {
      throw KeyError(
        .unusable, "whitespace around the key", hint: "one line break at the end of a file is allowed, nothing else")
    }
    guard !isQuote(text[0]) else {
      throw KeyError(.unusable, "the key begins with a quotation mark", hint: "remove the quotes")
    }
    let isBlobLiteral = text.count >= 2 && text[0] | 0x20 == UInt8(ascii: "x") && isQuote(text[1])
    guard !isBlobLiteral else {
      throw KeyError(
        .unusable, "the key is written as an SQL blob literal x'...'", hint: "give the 64 hex digits alone")
    }
  }

  /// Names a prefix only if it is one of a fixed list: an unmarked passphrase may contain a colon.
  private static func refuseOtherPrefixes(_ text: Span<UInt8>) throws(KeyError) {
    guard text.indices.contains(where: { text[$0] == UInt8(ascii: ":") }) else { return }
    for source in ["raw:", "env:", "file:", "cred:", "command:"] where rest(of: text, after: source) != nil {
      throw KeyError(
        .unusable, "`\(source)` is a source in a keyring, not a key", hint: formsHint)
    }
    for prefix in prefixes where rest(of: text, after: prefix, ignoringCase: true) != nil {
      throw KeyError(.unusable, "the prefix `\(prefix)` is written in lower case")
    }
    throw KeyError(.unusable, "unknown prefix before a colon", hint: formsHint)
  }

  private static func refuseInnerWhitespace(_ text: Span<UInt8>) throws(KeyError) {
    if let position = text.indices.first(where: { isWhitespace(text[$0]) }) {
      throw KeyError(.unusable, "whitespace inside the key, at position \(position + 1)", hint: formsHint)
    }
  }

  // MARK: Bytes

  private static func rest(of text: Span<UInt8>, after prefix: String, ignoringCase: Bool = false) -> Range<Int>? {
    let expected = prefix.utf8
    guard text.count >= expected.count else { return nil }
    for (index, byte) in expected.enumerated() {
      // Prefixes are letters, digits and a colon; only letters change by this bit.
      let isLetter = (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
      let found = ignoringCase && isLetter ? text[index] | 0x20 : text[index]
      guard found == byte else { return nil }
    }
    return expected.count..<text.count
  }

  private static func isWhitespace(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: " ") || (0x09...0x0d).contains(byte)
  }

  private static func isLineBreak(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r")
  }

  private static func isQuote(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "`")
  }
}
