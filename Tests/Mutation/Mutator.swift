package import TestSupport

/// Seeded changes of bytes that know what decoders look at: lengths, counts, varints, nesting, text, and pieces of their own
/// language. The same generator makes the same changes.
package struct Mutator: Sendable {
  /// Pieces that are put in as they are.
  private let tokens: [[UInt8]]
  /// Bytes between which pieces change places; none where the input has no such structure.
  private let separators: Set<UInt8>
  /// Share of changes at the start of an input, where keys and lengths are.
  private let favoursTheStart: Bool
  /// No input grows beyond this.
  private let byteCountMax: Int

  /// - Parameter tokens: what the decoder's language is made of.
  package init(
    tokens: [String], separators: String = "", favoursTheStart: Bool = false, byteCountMax: Int = 64 << 10
  ) {
    self.tokens = tokens.map { Array($0.utf8) }
    self.separators = Set(separators.utf8)
    self.favoursTheStart = favoursTheStart
    self.byteCountMax = byteCountMax
  }

  /// One change of `bytes`.
  ///
  /// - Parameter other: an input of the same decoder, parts of which may come in.
  package func mutate(_ bytes: inout [UInt8], with other: [UInt8] = [], _ generator: inout SeededGenerator) {
    var random = Random(generator: generator)
    defer { generator = random.generator }
    let place = random.place(in: bytes, favoursTheStart: favoursTheStart)
    let end = min(bytes.count, place + random.number(1...12))
    switch random.number(0...15) {
    case 0 where !bytes.isEmpty, 1 where !bytes.isEmpty: bytes[place] ^= 1 << UInt8(random.number(0...7))
    case 2 where !bytes.isEmpty: bytes[place] = random.pick([0, 1, 0x7F, 0x80, 0xFE, 0xFF])
    case 3 where !bytes.isEmpty: bytes[place] = UInt8(random.number(0...255))
    case 4: bytes.removeSubrange(place..<end)
    case 5: bytes.removeSubrange(place...)
    case 6:
      bytes.insert(contentsOf: bytes[place..<min(place + random.number(1...40), bytes.count)], at: place)
    case 7: random.overwriteInteger(in: &bytes, at: place)
    case 8 where separators.isEmpty: bytes.insert(contentsOf: random.hugeVarint(), at: place)
    case 9: random.splice(&bytes, with: other)
    case 10 where random.isOneIn(4): repeatPiece(&bytes, at: place, &random)
    case 11: bytes.insert(contentsOf: random.pick(Self.invalidText), at: place)
    case 12 where !separators.isEmpty: swapPieces(&bytes, &random)
    case 13: bytes.insert(contentsOf: (0..<random.number(1...10)).map { _ in UInt8(random.number(0...255)) }, at: place)
    default: bytes.insert(contentsOf: random.pick(tokens), at: place)
    }
    if bytes.count > byteCountMax { bytes.removeLast(bytes.count - byteCountMax) }
  }

  /// A few changes, seldom many.
  package func mutated(_ input: [UInt8], with other: [UInt8] = [], _ generator: inout SeededGenerator) -> [UInt8] {
    var bytes = input
    let isWild = Int.random(in: 0..<24, using: &generator) == 0
    for _ in 0...Int.random(in: 0...(isWild ? 30 : 2), using: &generator) { mutate(&bytes, with: other, &generator) }
    return bytes
  }

  // MARK: - Changes

  /// Ends and beginnings of no character of UTF-8: a lone continuation, a cut sequence, an overlong one, a surrogate, and a
  /// number beyond Unicode.
  private static let invalidText: [[UInt8]] = [
    [0x80], [0xC3], [0xE2, 0x82], [0xC0, 0xAF], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xFF],
  ]

  /// Nesting and lists: one piece very often.
  private func repeatPiece(_ bytes: inout [UInt8], at place: Int, _ random: inout Random) {
    let own = bytes[place..<min(place + random.number(1...16), bytes.count)]
    let piece = tokens.isEmpty || random.isOneIn(2) ? Array(own) : random.pick(tokens)
    let count = random.pick([20, 200, 2000, 20_000])
    guard !piece.isEmpty else { return }
    let repetitions = repeatElement(piece, count: min(count, byteCountMax / piece.count))
    bytes.insert(contentsOf: repetitions.joined(), at: place)
  }

  /// Exchanges two pieces between separators.
  private func swapPieces(_ bytes: inout [UInt8], _ random: inout Random) {
    var pieces: [[UInt8]] = [[]]
    for byte in bytes {
      if separators.contains(byte) { pieces += [[byte], []] } else { pieces[pieces.count - 1].append(byte) }
    }
    pieces.swapAt(random.number(0...(pieces.count - 1)), random.number(0...(pieces.count - 1)))
    bytes = pieces.flatMap(\.self)
  }
}

extension Mutator {
  /// For protobuf, frames, pages and other formats with lengths in front.
  package static let binary = Mutator(tokens: ["\u{0}\u{0}\u{0}\u{0}"], favoursTheStart: true)

  /// For JSON of Hrana and of the synchronisation.
  package static let json = Mutator(
    tokens: [
      "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "\\ud800", "null", "true", "NaN", "1e999", "-", "-1", "1.5",
      "99999999999999999999", "\"type\":", "\"value\":1", "{\"type\":\"row\"}", "\u{0}", "\"CANARY\":", "\"CANARY\"",
    ], separators: "{}[],:")
}

/// Choices of one change.
private struct Random {
  var generator: SeededGenerator

  mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }
  mutating func isOneIn(_ count: Int) -> Bool { number(1...count) == 1 }

  mutating func pick<Element>(_ elements: [Element]) -> Element { elements[number(0...(elements.count - 1))] }

  /// A position in the bytes; 0 where there are none.
  mutating func place(in bytes: [UInt8], favoursTheStart: Bool) -> Int {
    guard !bytes.isEmpty else { return 0 }
    return number(0...(favoursTheStart && isOneIn(2) ? min(40, bytes.count - 1) : bytes.count - 1))
  }

  /// A number of 16, 32 or 64 bits becomes one that lies at a limit, or one more or less than it was.
  mutating func overwriteInteger(in bytes: inout [UInt8], at place: Int) {
    let width = pick([2, 4, 8])
    guard place + width <= bytes.count else { return }
    let isBigEndian = isOneIn(2)
    let range = place..<(place + width)
    let old = (isBigEndian ? Array(bytes[range]) : bytes[range].reversed()).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    let limit = UInt64.max >> UInt64(64 - 8 * width)
    let value = pick([0, 1, limit, limit >> 1, limit >> 1 + 1, old &+ 1, old &- 1, UInt64(bytes.count), 4096])
    let big = (0..<width).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * (width - 1 - $0))) }
    bytes.replaceSubrange(range, with: isBigEndian ? big : big.reversed())
  }

  /// A length or a count that nobody can have.
  mutating func hugeVarint() -> [UInt8] {
    pick([
      [0xFF, 0xFF, 0xFF, 0xFF, 0x0F], [0x80, 0x80, 0x80, 0x80, 0x08],
      [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F],
      [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
      [UInt8](repeating: 0x80, count: 12) + [0x01],
    ])
  }

  /// The start of one input goes on as another one.
  mutating func splice(_ bytes: inout [UInt8], with other: [UInt8]) {
    let source = other.isEmpty ? bytes : other
    guard !source.isEmpty else { return }
    let tail = source[number(0...(source.count - 1))...]
    bytes.removeSubrange(number(0...bytes.count)...)
    bytes += tail
  }
}
