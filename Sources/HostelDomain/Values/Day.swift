/// A day of the Gregorian calendar, from 0001-01-01 to 9999-12-31.
package struct Day: Sendable, Hashable, Comparable {
  /// Days since 1970-01-01.
  package let number: Int

  /// The first and the last day that can be written as `YYYY-MM-DD`.
  package static let range = Day(unchecked: -719_162)...Day(unchecked: 2_932_896)

  private init(unchecked number: Int) { self.number = number }

  /// - Returns: nil outside of ``range``.
  package init?(number: Int) {
    guard (Self.range.lowerBound.number...Self.range.upperBound.number).contains(number) else { return nil }
    self.number = number
  }

  /// - Returns: nil for a day that the calendar does not have.
  package init?(year: Int, month: Int, day: Int) {
    guard (1...9999).contains(year), (1...12).contains(month), day >= 1, day <= Self.dayCount(month, of: year) else {
      return nil
    }
    // Years begin in March, so that the leap day is a year's last.
    // Source: Howard Hinnant, chrono-Compatible Low-Level Date Algorithms, days_from_civil.
    let shifted = month > 2 ? year : year - 1
    let era = shifted / 400
    let yearOfEra = shifted % 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    number = era * 146_097 + dayOfEra - 719_468
  }

  /// Reads `YYYY-MM-DD`, and nothing else.
  package init?(_ text: some StringProtocol) {
    let bytes = Array(text.utf8)
    guard bytes.count == 10, bytes[4] == UInt8(ascii: "-"), bytes[7] == UInt8(ascii: "-"),
      let year = Digits.number(bytes[0..<4]), let month = Digits.number(bytes[5..<7]),
      let day = Digits.number(bytes[8..<10])
    else { return nil }
    self.init(year: year, month: month, day: day)
  }

  package static func < (one: Day, other: Day) -> Bool { one.number < other.number }

  private static func isLeap(_ year: Int) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

  private static func dayCount(_ month: Int, of year: Int) -> Int {
    switch month {
    case 2: isLeap(year) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  /// Year, month and day.
  package var parts: (year: Int, month: Int, day: Int) {
    // Source: as above, civil_from_days.
    let shifted = number + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    return (year, month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
  }

  /// The day that many days later; the last or first day that there is, where it would be outside.
  package func adding(days: Int) -> Day {
    let (sum, overflow) = number.addingReportingOverflow(days)
    let limit = days > 0 ? Self.range.upperBound : Self.range.lowerBound
    return overflow ? limit : Day(number: sum) ?? limit
  }

  /// The same day of a later year; 1 March where that year has no 29 February, so that no term ends too early.
  package func adding(years: Int) -> Day {
    let (year, month, day) = parts
    return Day(year: year + years, month: month, day: day) ?? Day(year: year + years, month: 3, day: 1)
      ?? Self.range.upperBound
  }

  /// Whole years from this day to another one: the age of somebody who was born on this day. Negative before it.
  package func wholeYears(until day: Day) -> Int {
    let (from, to) = (parts, day.parts)
    return to.year - from.year - ((to.month, to.day) < (from.month, from.day) ? 1 : 0)
  }
}

extension Day: CustomStringConvertible {
  /// `YYYY-MM-DD`
  package var description: String {
    let (year, month, day) = parts
    return "\(Digits.text(year, 4))-\(Digits.text(month, 2))-\(Digits.text(day, 2))"
  }
}

/// Decimal digits of ASCII.
enum Digits {
  /// The number that the bytes write; nil for none, for other bytes, and for more than nine.
  static func number(_ bytes: some Collection<UInt8>) -> Int? {
    guard (1...9).contains(bytes.count), bytes.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return bytes.reduce(0) { $0 * 10 + Int($1 - 0x30) }
  }

  /// With zeros in front, at least `count` digits.
  static func text(_ number: Int, _ count: Int) -> String {
    let text = String(number)
    return String(repeating: "0", count: max(0, count - text.utf8.count)) + text
  }
}
