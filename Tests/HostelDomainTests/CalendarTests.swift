import Foundation
import HostelDomain
import TestSupport
import Testing

@Suite("Days and moments")
struct CalendarTests {
  /// Foundation's proleptic Gregorian calendar, in UTC.
  private static let calendar: Calendar = {
    var calendar = Calendar(identifier: .iso8601)
    calendar.timeZone = .gmt
    return calendar
  }()

  @Test func daysAreThoseOfAnotherCalendar() throws {
    var generator = SeededGenerator(seed: 1)
    for _ in 0..<5000 {
      // From 1583 on: Foundation's calendar is the Julian one before.
      let number = Int.random(in: -141_000...2_932_896, using: &generator)
      let date = Date(timeIntervalSince1970: Double(number) * 86_400)
      let parts = Self.calendar.dateComponents([.year, .month, .day], from: date)
      let day = try #require(Day(number: number))
      #expect(day.parts.year == parts.year && day.parts.month == parts.month && day.parts.day == parts.day)
    }
  }

  @Test func everyDayIsReadAsItIsWritten() {
    var previous: Day?
    for number in stride(from: Day.range.lowerBound.number, through: Day.range.upperBound.number, by: 97) {
      guard let day = Day(number: number) else { return }
      #expect(Day("\(day)") == day)
      if let previous { #expect(previous < day && "\(previous)" < "\(day)") }
      previous = day
    }
    #expect("\(Day.range.lowerBound)" == "0001-01-01" && "\(Day.range.upperBound)" == "9999-12-31")
  }

  @Test(arguments: [
    "2025-02-29", "1900-02-29", "2026-13-01", "2026-00-10", "2026-04-31", "2026-1-01", "26-01-01", "2026/01/01", "",
    "2026-01-01 ", "+026-01-01", "0000-01-01", "２026-01-0",
  ]) func whatIsNoDayIsNotRead(_ text: String) { #expect(Day(text) == nil) }

  @Test func birthdaysAreOnTheDay() throws {
    let born = try #require(Day("2008-02-29"))
    for (day, age) in [("2026-02-28", 17), ("2026-03-01", 18), ("2008-02-29", 0), ("2008-02-28", -1)] {
      #expect(born.wholeYears(until: try #require(Day(day))) == age, "\(day)")
    }
    #expect("\(born.adding(years: 3))" == "2011-03-01")
    #expect("\(born.adding(years: 4))" == "2012-02-29")
    #expect(Day.range.upperBound.adding(days: .max) == Day.range.upperBound)
  }

  @Test func momentsAreStoredAsSeaORMDoes() throws {
    for (text, stored) in [
      ("2026-01-11T12:00:00Z", "2026-01-11T12:00:00+00:00"),
      ("2026-01-11T13:30:00.5+01:30", "2026-01-11T12:00:00.500+00:00"),
      ("2026-01-11T00:00:00.000001Z", "2026-01-11T00:00:00.000001+00:00"),
      ("1969-12-31T23:59:59.000000001Z", "1969-12-31T23:59:59.000000001+00:00"),
      ("2026-01-01T00:30:00+01:00", "2025-12-31T23:30:00+00:00"),
    ] {
      let moment = try #require(Instant(text), "\(text)")
      #expect(moment.stored == stored)
      #expect(Instant(moment.stored) == moment && Instant("\(moment)") == moment)
    }
  }

  @Test func storedMomentsSortAsMoments() {
    var generator = SeededGenerator(seed: 2)
    let moments = (0..<400).map { _ in
      let fractions = [0, 1, 500_000_000, 123_000, 999_999_999]
      return Instant(
        seconds: Int64.random(in: -5...5, using: &generator),
        nanoseconds: fractions.randomElement(using: &generator) ?? 0)
    }
    for (one, other) in zip(moments, moments.dropFirst()) {
      #expect((one < other) == (one.stored < other.stored), "\(one) \(other)")
    }
  }

  @Test(arguments: [
    "2026-01-11", "2026-01-11T12:00Z", "2026-01-11T12:00:00", "2026-01-11T24:00:00Z", "2026-01-11T12:00:60Z",
    "2026-01-11T12:00:00.Z", "2026-01-11T12:00:00.1234567890Z", "2026-01-11T12:00:00+1:00", "1768132800",
    "0001-01-01T00:00:00+01:00", "2026-02-30T00:00:00Z",
  ]) func whatIsNoMomentIsNotRead(_ text: String) { #expect(Instant(text) == nil) }
}

@Suite("Money")
struct MoneyTests {
  @Test func centsSurviveTheColumn() throws {
    var generator = SeededGenerator(seed: 3)
    for cents in [0, 1, 1500, Money.centsMax]
      + (0..<20_000).map({ _ in .random(in: 0...Money.centsMax, using: &generator) })
    {
      let money = try #require(Money(cents: cents))
      #expect(Money(stored: money.stored) == money)
    }
    #expect(Money(stored: 0.1 + 0.2)?.cents == 30)
    #expect(Money(cents: 1505)?.description == "15.05")
  }

  @Test func whatIsNoAmountIsNone() {
    for euros in [Double.nan, .infinity, -.infinity, -0.01, 1e12] { #expect(Money(stored: euros) == nil) }
    #expect(Money(cents: -1) == nil && Money(cents: Money.centsMax + 1) == nil)
    #expect(Money(cents: Money.centsMax)?.times(2) == nil)
    #expect(Money(cents: 1500)?.times(3)?.cents == 4500)
    #expect(Money(cents: 5)?.minus(Money(cents: 7) ?? .zero) == .zero)
  }
}
