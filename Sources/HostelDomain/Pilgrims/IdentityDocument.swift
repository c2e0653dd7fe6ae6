/// An identity document that a traveller shows. No copy of it is ever kept (AEPD, note of 17 June 2025).
package struct IdentityDocument: Sendable, Hashable {
  /// Kinds of documents, by their codes in SES.Hospedajes.
  package enum Kind: String, Sendable, CaseIterable {
    /// Spanish identity card.
    case nif = "NIF"
    /// Identity number of foreigners in Spain.
    case nie = "NIE"
    case passport = "PAS"
    case other = "OTRO"
  }

  package let kind: Kind
  /// In capitals, without blanks and hyphens; 1 to 15 characters.
  package let number: String
  /// The number of the card itself; demanded with NIF and NIE.
  package let support: String?

  /// - Throws: ``FieldProblem`` at `/number` or `/support`.
  package init(_ kind: Kind, number: String, support: String? = nil) throws(FieldProblem) {
    let number = Self.normalised(number)
    guard (1...15).contains(number.utf8.count), number.utf8.allSatisfy(Self.isAlphanumeric) else {
      throw FieldProblem("/number", "format", "a document number has 1 to 15 letters and digits")
    }
    switch kind {
    case .nif, .nie:
      guard let letter = Self.checkLetter(kind, number) else {
        throw FieldProblem(
          "/number", "format",
          kind == .nif ? "a NIF has eight digits and a letter" : "a NIE has X, Y or Z, seven digits and a letter")
      }
      guard number.last == letter else {
        throw FieldProblem("/number", "check-letter", "the letter at the end does not fit the digits")
      }
    case .passport:
      guard (5...15).contains(number.utf8.count) else {
        throw FieldProblem("/number", "format", "a passport number has 5 to 15 letters and digits")
      }
    case .other: break
    }
    let support = support.map(Self.normalised).flatMap { $0.isEmpty ? nil : $0 }
    if let support {
      guard support.utf8.count <= 9, support.utf8.allSatisfy(Self.isAlphanumeric) else {
        throw FieldProblem("/support", "format", "a support number has at most nine letters and digits")
      }
    } else if kind == .nif || kind == .nie {
      throw FieldProblem("/support", "required", "the support number is demanded with a NIF or NIE")
    }
    self.kind = kind
    self.number = number
    self.support = support
  }

  /// Capitals, without blanks, hyphens and points.
  package static func normalised(_ text: String) -> String {
    String(text.uppercased().filter { !" -.\t".contains($0) })
  }

  private static let letters = Array("TRWAGMYFPDXBNJZSQVHLCKE")

  /// The letter that the digits of a NIF or NIE demand; nil when it has not their form.
  ///
  /// - Source: Real Decreto 1553/2005, article 11; Orden INT/2058/2008 (X, Y, Z stand for 0, 1, 2).
  private static func checkLetter(_ kind: Kind, _ number: String) -> Character? {
    var digits = Array(number.utf8)
    guard digits.count == 9 else { return nil }
    digits.removeLast()
    if kind == .nie {
      guard let first = "XYZ".utf8.firstIndex(of: digits[0]) else { return nil }
      digits[0] = UInt8(ascii: "0") + UInt8("XYZ".utf8.distance(from: "XYZ".utf8.startIndex, to: first))
    }
    return Digits.number(digits).map { letters[$0 % letters.count] }
  }

  static func isAlphanumeric(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte)
  }
}
