import HostelDomain
import TestSupport
import Testing

@Suite("Booking rules")
struct BookingRuleTests {
  private static func stay(_ from: Int, _ nights: Int) throws -> Stay {
    let day = try #require(Day(number: 20_000 + from))
    return try Stay(checkIn: day, checkOut: day.adding(days: nights))
  }

  /// Two stays overlap exactly when they share a night, counted one by one.
  @Test func staysOverlapWhenTheyShareANight() throws {
    var generator = SeededGenerator(seed: 4)
    for _ in 0..<5000 {
      let one = try Self.stay(.random(in: 0...12, using: &generator), .random(in: 1...6, using: &generator))
      let other = try Self.stay(.random(in: 0...12, using: &generator), .random(in: 1...6, using: &generator))
      let nights = (0..<24).compactMap { Day(number: 20_000 + $0) }
      let shared = nights.contains { one.contains(nightOf: $0) && other.contains(nightOf: $0) }
      #expect(one.overlaps(other) == shared && other.overlaps(one) == shared, "\(one) \(other)")
      #expect(nights.count { one.contains(nightOf: $0) } == one.nightCount)
    }
  }

  @Test func theDayOfDepartureIsFree() throws {
    #expect(try !Self.stay(0, 3).overlaps(Self.stay(3, 1)))
    #expect(try !Self.stay(3, 1).overlaps(Self.stay(0, 3)))
    #expect(try Self.stay(0, 3).overlaps(Self.stay(2, 1)))
  }

  @Test(arguments: [0, -1, 366]) func aStayHasAtLeastOneNightAndAtMostAYear(_ nights: Int) throws {
    #expect(throws: FieldProblem.self) { try Self.stay(0, nights) }
  }

  @Test func aStayThatHasBegunCannotBeBooked() throws {
    let stay = try Self.stay(5, 2)
    try stay.checkBookable(on: stay.checkIn)
    #expect(throws: FieldProblem.self) { try stay.checkBookable(on: stay.checkIn.adding(days: 1)) }
    #expect(stay.price(perNight: try #require(Money(cents: 1500)))?.cents == 3000)
  }

  @Test func bookingsGoTheWayThatTheyMay() {
    let allowed: [(BookingState, BookingState)] = [
      (.reserved, .confirmed), (.reserved, .expired), (.reserved, .cancelled), (.confirmed, .checkedIn),
      (.confirmed, .cancelled), (.checkedIn, .checkedOut), (.checkedIn, .cancelled), (.checkedOut, .completed),
    ]
    for from in BookingState.allCases {
      for to in BookingState.allCases {
        #expect(from.canBecome(to) == allowed.contains { $0 == (from, to) }, "\(from) \(to)")
      }
    }
  }

  /// Random walks: a bed that was given back is never taken again by the same booking, and every walk ends.
  @Test func aClosedBookingStaysClosed() {
    var generator = SeededGenerator(seed: 5)
    for _ in 0..<500 {
      var (state, steps) = (BookingState.reserved, 0)
      while let next = state.successors.sorted(by: { $0.rawValue < $1.rawValue }).randomElement(using: &generator) {
        if !state.isOpen { #expect(!next.isOpen) }
        (state, steps) = (next, steps + 1)
        #expect(steps <= BookingState.allCases.count)
      }
      #expect(!state.isOpen)
    }
  }

  @Test func aBedIsCleanedBetweenTwoGuests() {
    #expect(BedState.predecessors(of: .occupied) == [.available, .reserved])
    #expect(BedState.occupied.successors == [.cleaning])
    for state in BedState.allCases where state.isReady { #expect(state.canBecome(.occupied)) }
    #expect(!BedState.maintenance.isBookable && !BedState.unavailable.isBookable && BedState.occupied.isBookable)
  }

  @Test func aReportIsTriedThreeTimes() {
    #expect((1...4).map { SubmissionState.afterFailure($0) } == [.pendingRetry, .pendingRetry, .failed, .failed])
    #expect((1...3).map { SubmissionState.pauseSeconds(afterAttempt: $0) } == [300, 600, 1200])
    #expect(PaymentState.paid.successors == [.refunded] && PaymentState.refunded.successors.isEmpty)
  }

  @Test func referencesAreReadAsTheyAreTyped() throws {
    var generator = SeededGenerator(seed: 6)
    var seen: Set<String> = []
    for _ in 0..<1000 {
      let reference = BookingReference(using: &generator)
      #expect(BookingReference(reference.description.lowercased()) == reference)
      #expect(seen.insert(reference.description).inserted)
    }
    // Those of the hostel's other programs are left as they are.
    for text in ["AC-", "ac-aaaaa-aaaa0", "REF_2026.01"] { #expect(BookingReference(text)?.description == text) }
    for text in ["", " AC-22222-33333", "AC/22222", "ñ", String(repeating: "a", count: 51)] {
      #expect(BookingReference(text) == nil, "\(text)")
    }
  }

  @Test func topicsAreThoseOfTheHostel() {
    #expect(HostelEvent.bookingReserved.topic == "albergue.v1.booking.reserved")
    #expect(BookingState.allCases.count { HostelEvent(becoming: $0) != nil } == 6)
  }
}

@Suite("Retention")
struct RetentionTests {
  @Test func theRegisterIsKeptForThreeYearsAfterTheStay() throws {
    let (left, registered) = (try #require(Day("2024-02-29")), try #require(Day("2024-01-01")))
    let end = Retention.end(lastDeparture: left, registered: registered)
    #expect("\(end)" == "2027-03-01")
    #expect(Retention.answer(end: end, hasOpenBooking: false, on: end.adding(days: -1)) == .after(end))
    #expect(Retention.answer(end: end, hasOpenBooking: false, on: end) == .now)
  }

  @Test func whoNeverStayedIsForgottenAtOnceAndWhoIsExpectedIsNot() throws {
    let today = try #require(Day("2026-11-21"))
    let end = Retention.end(lastDeparture: nil, registered: today)
    #expect(Retention.answer(end: end, hasOpenBooking: false, on: today) == .now)
    #expect(Retention.answer(end: end, hasOpenBooking: true, on: today) != .now)
  }
}
