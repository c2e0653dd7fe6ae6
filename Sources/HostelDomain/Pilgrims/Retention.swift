/// How long what a traveller has told is kept, and what is left of it afterwards.
///
/// RD 933/2021, article 5, demands the register for three years from the end of the service; the right to erasure (GDPR,
/// article 17) begins when that duty ends.
package enum Retention {
  package static let registerYears = 3

  /// The first day on which the register of somebody is not needed any more.
  ///
  /// - Parameters:
  ///   - lastDeparture: of the last stay that was not cancelled; nil for somebody who never stayed.
  ///   - registered: the day on which the person was entered.
  package static func end(lastDeparture: Day?, registered: Day) -> Day {
    guard let lastDeparture else { return registered }
    return lastDeparture.adding(years: registerYears)
  }

  /// What happens to a wish to be forgotten.
  package enum Answer: Sendable, Hashable {
    /// Everything goes now.
    case now
    /// The law wants it until then; until then nobody sees it but the authorities.
    case after(Day)
  }

  /// - Parameter hasOpenBooking: somebody who is expected or here cannot be forgotten yet.
  package static func answer(end: Day, hasOpenBooking: Bool, on today: Day) -> Answer {
    end > today ? .after(end) : hasOpenBooking ? .after(today.adding(days: 1)) : .now
  }

  /// What a column holds that must hold something, after its content was erased.
  package static let erasedText = "(DELETED)"
  package static let erasedPostalCode = "00000"
}
