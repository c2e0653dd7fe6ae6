/// Base 64 as Hrana writes blobs: standard alphabet, without padding when written, with or without it when read.
///
/// For data that is no secret: it looks up tables by content. Keys have a decoder of their own, without tables.
///
/// - Source: RFC 4648, section 4; HRANA_3_SPEC.md, Values; what clients send and accept: wire-libsql.md, section 1.1.
enum Base64Text {
  private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  /// The value of each byte as a character; 0xff for what is none.
  private static let values: [UInt8] = {
    var values = [UInt8](repeating: 0xff, count: 256)
    for (value, character) in alphabet.enumerated() { values[Int(character)] = UInt8(value) }
    return values
  }()

  /// The bytes that `text` stands for; nil for a character outside the alphabet, wrong padding, a length that cannot be,
  /// or unused bits that are set, so that each blob has one spelling.
  static func decode(_ text: ArraySlice<UInt8>) -> [UInt8]? {
    var end = text.endIndex
    if end > text.startIndex, text[end - 1] == UInt8(ascii: "=") {
      guard text.count % 4 == 0 else { return nil }
      end -= text[end - 2] == UInt8(ascii: "=") ? 2 : 1
    }
    let characterCount = end - text.startIndex
    let restCount = characterCount % 4
    guard restCount != 1 else { return nil }
    let values = values
    var decoded = [UInt8](repeating: 0, count: characterCount / 4 * 3 + max(restCount - 1, 0))
    var index = text.startIndex
    var filled = 0
    while index + 4 <= end {
      let (a, b) = (values[Int(text[index])], values[Int(text[index + 1])])
      let (c, d) = (values[Int(text[index + 2])], values[Int(text[index + 3])])
      guard a | b | c | d < 64 else { return nil }
      decoded[filled] = a << 2 | b >> 4
      decoded[filled + 1] = b << 4 | c >> 2
      decoded[filled + 2] = c << 6 | d
      index += 4
      filled += 3
    }
    guard restCount > 0 else { return decoded }
    let (a, b) = (values[Int(text[index])], values[Int(text[index + 1])])
    let c = restCount == 3 ? values[Int(text[index + 2])] : 0
    guard a | b | c < 64 else { return nil }
    decoded[filled] = a << 2 | b >> 4
    if restCount == 2 { return b & 0b1111 == 0 ? decoded : nil }
    decoded[filled + 1] = b << 4 | c >> 2
    return c & 0b11 == 0 ? decoded : nil
  }

  /// Appends `bytes` to `text`, without padding.
  static func encode(_ bytes: [UInt8], into text: inout [UInt8]) {
    let alphabet = alphabet
    var filled = text.count
    text.append(contentsOf: repeatElement(0, count: (bytes.count * 8 + 5) / 6))
    var index = 0
    while index + 3 <= bytes.count {
      let group = UInt32(bytes[index]) << 16 | UInt32(bytes[index + 1]) << 8 | UInt32(bytes[index + 2])
      text[filled] = alphabet[Int(group >> 18)]
      text[filled + 1] = alphabet[Int(group >> 12 & 63)]
      text[filled + 2] = alphabet[Int(group >> 6 & 63)]
      text[filled + 3] = alphabet[Int(group & 63)]
      index += 3
      filled += 4
    }
    guard index < bytes.count else { return }
    let isTwo = index + 2 == bytes.count
    let group = UInt32(bytes[index]) << 16 | (isTwo ? UInt32(bytes[index + 1]) << 8 : 0)
    text[filled] = alphabet[Int(group >> 18)]
    text[filled + 1] = alphabet[Int(group >> 12 & 63)]
    if isTwo { text[filled + 2] = alphabet[Int(group >> 6 & 63)] }
  }
}
