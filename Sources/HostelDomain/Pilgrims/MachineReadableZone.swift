/// What the machine-readable lines of a travel document say: passports (TD3, two lines of 44) and cards (TD1, three of 30).
///
/// Every field that has a check digit is checked by itself, then the whole.
///
/// - Source: ICAO Doc 9303, part 3, sections 4.2 to 4.9; part 4, section 4.2 (TD3); part 5, section 4.2 (TD1).
package struct MachineReadableZone: Sendable, Hashable {
  /// `P`, `ID`: what the document says it is.
  package let code: String
  /// Who issued it, three letters.
  package let issuer: String
  /// Number of the document; on a Spanish card that of the card itself.
  package let number: String
  package let surnames: String
  package let givenNames: String
  package let nationality: String
  package let birthDate: Day
  /// Nil where it is not said.
  package let sex: Sex?
  package let expiry: Day
  /// What the issuer adds: on a Spanish card the NIF.
  package let optionalData: String

  /// Why lines cannot be taken. Never repeats them.
  package enum Problem: String, Error, Sendable {
    /// Neither two lines of 44 nor three of 30 characters.
    case format
    /// Another character than A to Z, 0 to 9 and `<`.
    case character
    case numberCheck, birthDateCheck, expiryCheck, optionalDataCheck, compositeCheck
    /// A date that the calendar does not have.
    case date
    /// Neither M, F nor `<`.
    case sex
  }

  /// - Parameters:
  ///   - lines: capitals; blanks around them do no harm.
  ///   - today: decides the century: nobody was born after it.
  package init(lines: [String], today: Day) throws(Problem) {
    let lines = lines.map { Array($0.utf8.drop { $0 == 0x20 }.reversed().drop { $0 == 0x20 }.reversed()) }
    guard lines.joined().allSatisfy({ Self.weight(of: $0) != nil }) else { throw .character }
    let composite: [ArraySlice<UInt8>]
    let (first, second): ([UInt8], [UInt8])
    let names: ArraySlice<UInt8>
    let dates: Int
    if lines.count == 2, lines.allSatisfy({ $0.count == 44 }) {
      (first, second) = (lines[0], lines[1])
      (names, dates) = (first[5...], 13)
      composite = [second[0..<10], second[13..<20], second[21..<43]]
      number = try Self.number(second[0..<9], check: second[9])
      optionalData = Self.text(second[28..<42])
      let isEmpty = second[28..<42].allSatisfy { $0 == Self.filler }
      guard Self.isChecked(second[28..<42], by: second[42]) || (isEmpty && second[42] == Self.filler) else {
        throw .optionalDataCheck
      }
      nationality = Self.text(second[10..<13])
      guard Self.isChecked(composite.joined(), by: second[43]) else { throw .compositeCheck }
    } else if lines.count == 3, lines.allSatisfy({ $0.count == 30 }) {
      (first, second) = (lines[0], lines[1])
      (names, dates) = (lines[2][...], 0)
      composite = [first[5..<30], second[0..<7], second[8..<15], second[18..<29]]
      if first[14] == Self.filler {
        // A number of more than nine characters goes on in the optional data, with its check digit, up to a filler.
        let rest = first[15..<30].prefix { $0 != Self.filler }
        guard let check = rest.last else { throw .numberCheck }
        number = try Self.number(first[5..<14] + rest.dropLast(), check: check)
        optionalData = Self.text(first[(15 + rest.count)..<30] + second[18..<29])
      } else {
        number = try Self.number(first[5..<14], check: first[14])
        optionalData = Self.text(first[15..<30] + second[18..<29])
      }
      nationality = Self.text(second[15..<18])
      guard Self.isChecked(composite.joined(), by: second[29]) else { throw .compositeCheck }
    } else {
      throw .format
    }
    code = Self.text(first[0..<2])
    issuer = Self.text(first[2..<5])
    let birth = second[dates..<dates + 6]
    guard Self.isChecked(birth, by: second[dates + 6]) else { throw .birthDateCheck }
    let end = second[dates + 8..<dates + 14]
    guard Self.isChecked(end, by: second[dates + 14]) else { throw .expiryCheck }
    // Nobody was born after today; a document ends within fifty years from now, or has ended within the last fifty.
    guard let birthDate = Self.date(birth, notAfter: today),
      let expiry = Self.date(end, notAfter: today.adding(years: 50))
    else { throw .date }
    self.birthDate = birthDate
    self.expiry = expiry
    switch second[dates + 7] {
    case UInt8(ascii: "M"): sex = .man
    case UInt8(ascii: "F"): sex = .woman
    case Self.filler: sex = nil
    default: throw .sex
    }
    let parts = String(decoding: names, as: UTF8.self).split(separator: "<<", maxSplits: 1).map { Self.text($0.utf8) }
    surnames = parts.first ?? ""
    givenNames = parts.count > 1 ? parts[1] : ""
  }

  private static let filler = UInt8(ascii: "<")

  private static func weight(of byte: UInt8) -> Int? {
    switch byte {
    case 0x30...0x39: Int(byte) - 0x30
    case 0x41...0x5A: Int(byte) - 0x41 + 10
    case filler: 0
    default: nil
    }
  }

  /// The check digit of characters: weights 7, 3, 1, modulo 10.
  package static func checkDigit(of characters: some Sequence<UInt8>) -> UInt8 {
    let weights = [7, 3, 1]
    let sum = characters.enumerated().reduce(0) { $0 + (weight(of: $1.element) ?? 0) * weights[$1.offset % 3] }
    return UInt8(ascii: "0") + UInt8(sum % 10)
  }

  private static func isChecked(_ characters: some Sequence<UInt8>, by digit: UInt8) -> Bool {
    checkDigit(of: characters) == digit
  }

  private static func number(
    _ characters: some Collection<UInt8>, check: UInt8
  ) throws(Problem) -> String {
    guard isChecked(characters, by: check) else { throw .numberCheck }
    return text(characters)
  }

  /// Fillers become blanks, and none at the ends.
  private static func text(_ characters: some Collection<UInt8>) -> String {
    String(decoding: characters, as: UTF8.self).split(separator: "<").joined(separator: " ")
  }

  /// The latest date with these six digits that is not after `limit`.
  private static func date(_ digits: ArraySlice<UInt8>, notAfter limit: Day) -> Day? {
    let start = digits.startIndex
    guard let year = Digits.number(digits[start..<start + 2]), let month = Digits.number(digits[start + 2..<start + 4]),
      let day = Digits.number(digits[start + 4..<start + 6])
    else { return nil }
    let century = limit.parts.year / 100 * 100
    return [century + year, century - 100 + year].compactMap { Day(year: $0, month: month, day: day) }
      .first { $0 <= limit }
  }
}
