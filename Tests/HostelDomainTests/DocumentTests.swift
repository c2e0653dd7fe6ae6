import HostelDomain
import TestSupport
import Testing

@Suite("Identity documents")
struct DocumentTests {
  private static func rule(_ kind: IdentityDocument.Kind, _ number: String, support: String? = "AAA000001") -> String? {
    do throws(FieldProblem) {
      _ = try IdentityDocument(kind, number: number, support: support)
      return nil
    } catch { return error.rule }
  }

  /// Numbers that are printed on specimens of the cards, and in the ministry's description of the algorithm.
  @Test(arguments: ["12345678Z", "00000000T", "99999999R", "12.345.678-z", " 00000001 R"])
  func numbersOfSpanishCardsAreTaken(_ number: String) { #expect(Self.rule(.nif, number) == nil) }

  @Test(arguments: ["X1234567L", "x-1234567-l", "Y0000000Z", "Z0000000M", "X0000000T"])
  func numbersOfForeignersAreTaken(_ number: String) { #expect(Self.rule(.nie, number) == nil) }

  @Test func aLetterThatDoesNotFitIsFound() {
    #expect(Self.rule(.nif, "12345678A") == "check-letter")
    #expect(Self.rule(.nie, "X1234567A") == "check-letter")
  }

  @Test(arguments: ["", "1234567Z", "123456789Z", "12345678", "Ñ2345678Z", "A2345678Z", "１2345678Z"])
  func whatHasNotTheFormOfANumberIsRefused(_ number: String) { #expect(Self.rule(.nif, number) == "format") }

  /// Any single wrong digit is found: 23 is prime and no multiple of it differs from another number in one digit.
  @Test func everySingleWrongDigitIsFound() {
    var generator = SeededGenerator(seed: 7)
    let letters = Array("TRWAGMYFPDXBNJZSQVHLCKE")
    for _ in 0..<500 {
      let value = Int.random(in: 0...99_999_999, using: &generator)
      var digits = Array(String(100_000_000 + value).dropFirst())
      let letter = letters[value % 23]
      #expect(Self.rule(.nif, String(digits) + [letter]) == nil)
      let place = Int.random(in: 0..<8, using: &generator)
      let former = digits[place]
      for digit in "0123456789" where digit != former {
        digits[place] = digit
        #expect(Self.rule(.nif, String(digits) + [letter]) == "check-letter")
      }
    }
  }

  @Test func theSupportNumberIsDemandedWithSpanishNumbersOnly() {
    #expect(Self.rule(.nif, "12345678Z", support: nil) == "required")
    #expect(Self.rule(.nie, "X1234567L", support: "") == "required")
    #expect(Self.rule(.passport, "L898902C3", support: nil) == nil)
    #expect(Self.rule(.nif, "12345678Z", support: "AAA0000012") == "format")
  }

  // MARK: - Machine-readable zones

  private static let today = Day("2026-11-21") ?? .range.lowerBound

  private static func read(_ lines: [String]) throws -> MachineReadableZone {
    try MachineReadableZone(lines: lines, today: today)
  }

  /// The specimen of ICAO Doc 9303, part 4, appendix A.
  private static let passport = [
    "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10",
  ]
  /// The specimen of ICAO Doc 9303, part 5, appendix A.
  private static let card = [
    "I<UTOD231458907<<<<<<<<<<<<<<<", "7408122F1204159UTO<<<<<<<<<<<6", "ERIKSSON<<ANNA<MARIA<<<<<<<<<<",
  ]

  @Test func theSpecimenOfAPassportIsRead() throws {
    let zone = try Self.read(Self.passport)
    #expect(zone.code == "P" && zone.issuer == "UTO" && zone.nationality == "UTO")
    #expect(zone.number == "L898902C3" && zone.optionalData == "ZE184226B")
    #expect(zone.surnames == "ERIKSSON" && zone.givenNames == "ANNA MARIA")
    #expect("\(zone.birthDate)" == "1974-08-12" && "\(zone.expiry)" == "2012-04-15" && zone.sex == .woman)
  }

  @Test func theSpecimenOfACardIsRead() throws {
    let zone = try Self.read(Self.card)
    #expect(zone.code == "I" && zone.number == "D23145890" && zone.optionalData == "")
    #expect(zone.surnames == "ERIKSSON" && zone.givenNames == "ANNA MARIA" && "\(zone.birthDate)" == "1974-08-12")
  }

  /// The specimen of the Spanish card (DNI 3.0): the number is that of the card, the NIF is in the optional data.
  @Test func theSpanishCardHasTheNIFInItsOptionalData() throws {
    let first = "IDESPBAA000589599999999R<<<<<<"
    let second = "8001014F2506012ESP<<<<<<<<<<<"
    let check = MachineReadableZone.checkDigit(
      of: Array(first.utf8)[5...] + Array(second.utf8)[0..<7] + Array(second.utf8)[8..<15] + Array(second.utf8)[18...])
    let zone = try Self.read([
      first, second + String(UnicodeScalar(check)), "ESPANOLA<ESPANOLA<<CARMEN<<<<<",
    ])
    #expect(zone.number == "BAA000589" && zone.optionalData == "99999999R" && zone.surnames == "ESPANOLA ESPANOLA")
    #expect(throws: Never.self) {
      try IdentityDocument(.nif, number: zone.optionalData, support: zone.number)
    }
  }

  /// Children and centenarians: two digits of a year are those of the last hundred years.
  @Test func nobodyIsBornInTheFuture() throws {
    for (digits, year) in [("260101", 2026), ("270101", 1927), ("991231", 1999)] {
      var second = Array("L898902C36UTO7408122F1204159ZE184226B<<<<<10".utf8)
      second.replaceSubrange(13..<19, with: digits.utf8)
      second[19] = MachineReadableZone.checkDigit(of: digits.utf8)
      second[43] = MachineReadableZone.checkDigit(of: second[0..<10] + second[13..<20] + second[21..<43])
      let zone = try Self.read([Self.passport[0], String(decoding: second, as: UTF8.self)])
      #expect(zone.birthDate.parts.year == year)
    }
  }

  /// Every character of the second line that is replaced by one that weighs something else is noticed.
  @Test func everySingleWrongCharacterOfTheNumbersIsFound() throws {
    let line = Array(Self.passport[1].utf8)
    // Nationality and sex have no check digit.
    for place in line.indices where !(10..<13).contains(place) && place != 20 {
      for other in [UInt8(ascii: "0"), UInt8(ascii: "3"), UInt8(ascii: "7"), UInt8(ascii: "B")] {
        var changed = line
        changed[place] = other
        let weight = { (byte: UInt8) in Int(MachineReadableZone.checkDigit(of: [0x30, 0x30, byte])) }
        guard weight(other) != weight(line[place]) else { continue }
        #expect(throws: MachineReadableZone.Problem.self) {
          try Self.read([Self.passport[0], String(decoding: changed, as: UTF8.self)])
        }
      }
    }
  }

  @Test func whatIsNoZoneIsRefused() {
    for lines in [
      [], [""], [Self.passport[0]], Self.passport + Self.passport, [Self.passport[0], "é" + Self.passport[1]],
    ] {
      #expect(throws: MachineReadableZone.Problem.self) { try Self.read(lines) }
    }
    var generator = SeededGenerator(seed: 8)
    let alphabet = Array("ABCXYZ0123456789<".utf8)
    for _ in 0..<3000 {
      let (count, length) = Bool.random(using: &generator) ? (2, 44) : (3, 30)
      let lines = (0..<count).map { _ in
        String(decoding: (0..<length).map { _ in alphabet.randomElement(using: &generator) ?? 0x3C }, as: UTF8.self)
      }
      _ = try? Self.read(lines)
    }
  }
}
