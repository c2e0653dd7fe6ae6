/// The nights of a stay, as a half-open interval: the day of departure is free for the next guest.
package struct Stay: Sendable, Hashable {
  package let checkIn: Day
  package let checkOut: Day

  /// Nights of the longest stay that can be booked.
  package static let nightCountMax = 365

  /// - Throws: ``FieldProblem`` at `/check_out` unless it is 1 to ``nightCountMax`` nights after `checkIn`.
  package init(checkIn: Day, checkOut: Day) throws(FieldProblem) {
    let nights = checkOut.number - checkIn.number
    guard nights > 0 else { throw FieldProblem("/check_out", "order", "the day of departure is after that of arrival") }
    guard nights <= Self.nightCountMax else {
      throw FieldProblem("/check_out", "range", "a stay has at most \(Self.nightCountMax) nights")
    }
    self.checkIn = checkIn
    self.checkOut = checkOut
  }

  /// Number of nights, at least 1.
  package var nightCount: Int { checkOut.number - checkIn.number }

  /// Whether there is a night that belongs to both.
  package func overlaps(_ other: Stay) -> Bool { checkIn < other.checkOut && other.checkIn < checkOut }

  /// Whether somebody sleeps here in the night after this day.
  package func contains(nightOf day: Day) -> Bool { checkIn <= day && day < checkOut }

  /// Whether a booking for this stay can be taken on `today`.
  ///
  /// - Throws: ``FieldProblem`` at `/check_in` when it has begun before.
  package func checkBookable(on today: Day) throws(FieldProblem) {
    guard checkIn >= today else { throw FieldProblem("/check_in", "past", "the day of arrival has not passed") }
  }

  /// What it costs at a price for one night.
  ///
  /// - Returns: nil when that is more than an amount can be.
  package func price(perNight price: Money) -> Money? { price.times(nightCount) }
}
