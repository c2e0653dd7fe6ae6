/// What became of a report at the ministry. Only lot state 1 is a success, and what proves it is the code of the
/// communication, which the service cannot list later: both are kept.
package struct ReportOutcome: Sendable, Hashable {
  /// The lot in which it was sent: 36 characters.
  package let lot: String
  /// 1 done, 2 errors of header or format, 3 unexpected, 4 in process, 5 pending, 6 done with some errors.
  package let lotState: Int
  /// The code of the communication, 36 characters, where it was accepted.
  package let communication: String?

  /// - Throws: ``FieldProblem``.
  package init(lot: String, lotState: Int, communication: String?) throws(FieldProblem) {
    guard Self.isCode(lot) else {
      throw FieldProblem("/lot", "format", "36 characters: small letters, digits, hyphens")
    }
    guard (1...6).contains(lotState) else { throw FieldProblem("/lot_state", "range", "1 to 6") }
    if let communication {
      guard Self.isCode(communication) else {
        throw FieldProblem("/communication", "format", "36 characters: small letters, digits, hyphens")
      }
    } else if lotState == 1 {
      throw FieldProblem("/communication", "required", "a report that was accepted has a code")
    }
    self.lot = lot
    self.lotState = lotState
    self.communication = communication
  }

  /// Whether the ministry has it; nil while it is at work.
  package var isAccepted: Bool? {
    switch lotState {
    case 1: true
    case 4, 5: nil
    default: false
    }
  }

  private static func isCode(_ text: String) -> Bool {
    text.utf8.count == 36
      && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x7A).contains($0) || $0 == UInt8(ascii: "-") }
  }
}
