import Foundation
import HostelDomain
import HostelStore
import ReplicaSync
import TestSupport
import Testing

/// What the hostel does on a day, the same in both modes.
@Suite("The hostel's records")
struct HostelStoreTests {
  @Test(arguments: modes) func pilgrimsAreEnteredOnceAndFound(_ mode: ReplicaSettings.Mode) async throws {
    let inn = try await Inn(mode)
    let store = try await inn.open("one")
    var person = try Inn.person()
    person.phone2 = "+34 600 111 222"
    let registered = try await store.register(person, by: Inn.staff)
    #expect(registered.person == person && registered.retentionUntil == nil)
    #expect(try await store.pilgrim(registered.id).value == registered)
    #expect(try await store.pilgrim(with: .nif, " 12.345.678-z").value == registered)
    #expect(await storeError { try await store.register(person, by: Inn.staff) } == .conflict)
    #expect(await storeError { try await store.pilgrim(99) } == .notFound)
    #expect(await storeError { try await store.pilgrim(with: .nif, "00000000T") } == .notFound)
    await store.database.close()
    // Another key reads nothing, and says so.
    let stranger = try await inn.open("stranger", key: 0x55)
    #expect(await storeError { try await stranger.pilgrim(registered.id) } == .damaged)
    await stranger.database.close()
    try inn.expectNoPlaintext()
  }

  @Test(arguments: modes) func bedsAreFreeOnTheDayOfDeparture(_ mode: ReplicaSettings.Mode) async throws {
    let inn = try await Inn(mode)
    let store = try await inn.open("one")
    let bed = try await inn.bed(1, in: store)
    #expect(await storeError { try await inn.bed(1, in: store) } == .conflict)
    let guest = try await store.register(Inn.person(), by: Inn.staff)
    func book(in days: Int, _ nights: Int) async throws -> Booking {
      var generator = SystemRandomNumberGenerator()
      return try await store.book(
        NewBooking(pilgrimID: guest.id, bedID: bed.id, stay: try inn.stay(in: days, nights: nights)),
        as: BookingReference(using: &generator), by: Inn.staff)
    }
    let middle = try await book(in: 10, 3)
    #expect(middle.total.cents == 4500 && middle.state(at: store.now) == .reserved)
    for (days, nights) in [(10, 3), (8, 3), (12, 1), (11, 1), (5, 20)] {
      #expect(await storeError { try await book(in: days, nights) } == .conflict, "\(days) \(nights)")
      #expect(try await store.freeBeds(for: inn.stay(in: days, nights: nights)).value.items.isEmpty)
    }
    #expect(try await store.freeBeds(for: inn.stay(in: 13, nights: 2)).value.items == [bed])
    _ = try await book(in: 13, 2)
    _ = try await book(in: 8, 2)
    #expect(await storeError { try await book(in: 9, 5) } == .conflict)
    var generator = SystemRandomNumberGenerator()
    let reference = BookingReference(using: &generator)
    for (pilgrim, bedID) in [(99, bed.id), (guest.id, 99)] {
      let booking = NewBooking(pilgrimID: pilgrim, bedID: bedID, stay: try inn.stay(in: 20, nights: 1))
      #expect(await storeError { try await store.book(booking, as: reference, by: Inn.staff) } == .notFound)
    }
    _ = try await store.setBed(bed.id, to: .maintenance, by: Inn.staff)
    #expect(await storeError { try await book(in: 30, 1) } == .conflict)
    await store.database.close()
  }

  @Test(arguments: modes) func aStayGoesFromReservationToReport(_ mode: ReplicaSettings.Mode) async throws {
    let inn = try await Inn(mode)
    let store = try await inn.open("one")
    let bed = try await inn.bed(1, in: store)
    let guest = try await store.register(Inn.person(), by: Inn.staff)
    let child = try await store.register(Inn.person(1, born: "2020-02-02"), by: Inn.staff)
    var generator = SystemRandomNumberGenerator()
    let reference = BookingReference(using: &generator)
    _ = try await store.book(
      NewBooking(pilgrimID: guest.id, bedID: bed.id, stay: try inn.stay(nights: 2)), as: reference, by: Inn.staff)
    #expect(await storeError { try await store.move(reference, to: .checkedIn, by: Inn.staff) } == .conflict)
    #expect(try await store.move(reference, to: .confirmed, by: Inn.staff).state(at: store.now) == .confirmed)
    #expect(try await store.addCompanion(child.id, kinship: nil, to: reference, by: Inn.staff).personCount == 2)
    #expect(
      await storeError { try await store.addCompanion(child.id, kinship: .hj, to: reference, by: Inn.staff) }
        == .conflict)
    #expect(
      await storeError { try await store.addCompanion(guest.id, kinship: .hj, to: reference, by: Inn.staff) }
        == .conflict)

    // The ministry wants to know what the adult is to the child.
    let refused = await #expect(throws: InvalidReport.self) {
      try await store.report(reference, establishment: "0000000001", by: Inn.staff)
    }
    #expect(refused?.problems.map(\.pointer) == ["/travellers/1/kinship"])

    #expect(try await store.move(reference, to: .checkedIn, by: Inn.staff).state(at: store.now) == .checkedIn)
    #expect(try await store.bed(bed.id).value.state == .occupied)
    #expect(try await store.occupancy().value.takenTonight == 1)
    inn.passDays(2)
    #expect(try await store.move(reference, to: .checkedOut, by: Inn.staff).state(at: store.now) == .checkedOut)
    #expect(try await store.bed(bed.id).value.state == .cleaning)
    #expect(await storeError { try await store.setBed(bed.id, to: .occupied, by: Inn.staff) } == .conflict)
    #expect(try await store.setBed(bed.id, to: .available, by: Inn.staff).state == .available)
    #expect(await storeError { try await store.move(reference, to: .cancelled, by: Inn.staff) } == .conflict)
    #expect(try await store.pilgrim(guest.id).value.retentionUntil?.stored == "2029-11-23T00:00:00+00:00")
    await store.database.close()
    try inn.expectNoPlaintext()
  }

  @Test(arguments: modes) func aReportIsMadeOnceAndItsAnswerKept(_ mode: ReplicaSettings.Mode) async throws {
    let inn = try await Inn(mode)
    let store = try await inn.open("one")
    let bed = try await inn.bed(1, in: store)
    let guest = try await store.register(Inn.person(), by: Inn.staff)
    var generator = SystemRandomNumberGenerator()
    let reference = BookingReference(using: &generator)
    _ = try await store.book(
      NewBooking(pilgrimID: guest.id, bedID: bed.id, stay: try inn.stay(nights: 1)), as: reference, by: Inn.staff)
    let report = try await store.report(reference, establishment: "0000000001", by: Inn.staff)
    #expect(report.state == .pending && report.attemptCount == 0)
    #expect(try await store.xml(of: report.id).contains("<nombre>Canaria-7f3a</nombre>"))
    #expect(await storeError { try await store.report(reference, establishment: "1", by: Inn.staff) } == .conflict)
    let failed = try await store.note(nil, of: report.id, by: .service)
    #expect(failed.state == .pendingRetry && failed.nextAttempt == store.now.adding(seconds: 300))
    let code = "01234567-89ab-cdef-0123-456789abcdef"
    let outcome = try ReportOutcome(lot: code, lotState: 1, communication: code)
    #expect(try await store.note(outcome, of: report.id, by: .service).state == .success)
    #expect(await storeError { try await store.note(outcome, of: report.id, by: .service) } == .conflict)
    #expect(try await store.submissions().value.items.map(\.attemptCount) == [2])
    await store.database.close()
    try inn.expectNoPlaintext()
  }

  @Test(arguments: modes) func nobodyPaysMoreThanThePrice(_ mode: ReplicaSettings.Mode) async throws {
    let inn = try await Inn(mode)
    let store = try await inn.open("one")
    let bed = try await inn.bed(1, in: store)
    let guest = try await store.register(Inn.person(), by: Inn.staff)
    var generator = SystemRandomNumberGenerator()
    let reference = BookingReference(using: &generator)
    _ = try await store.book(
      NewBooking(pilgrimID: guest.id, bedID: bed.id, stay: try inn.stay(nights: 3)), as: reference, by: Inn.staff)
    let amount = try #require(Money(cents: 1000))
    // Ten at once pay ten euros of forty-five.
    let paid = try await withThrowingTaskGroup(of: Bool.self) { group in
      for _ in 0..<10 {
        group.addTask {
          do { return try await store.pay(amount, .cash, for: reference, by: Inn.staff).state == .paid } catch let error
            as StoreError where error.code == .conflict
          { return false }
        }
      }
      return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
    }
    #expect(paid == 4)
    let payments = try await store.payments(of: reference).value
    #expect(payments.count == 4 && Set(payments.map(\.receipt)).count == 4)
    #expect(try await store.refund(payments[0].id, of: reference, by: Inn.staff).state == .refunded)
    #expect(await storeError { try await store.refund(payments[0].id, of: reference, by: Inn.staff) } == .conflict)
    #expect(await storeError { try await store.refund(99, of: reference, by: Inn.staff) } == .notFound)
    _ = try await store.pay(amount, .card, for: reference, by: Inn.staff)
    #expect(await storeError { try await store.pay(amount, .card, for: reference, by: Inn.staff) } == .conflict)
    await store.database.close()
  }

  @Test(arguments: modes) func aReservationLapsesAfterTwoHours(_ mode: ReplicaSettings.Mode) async throws {
    let inn = try await Inn(mode)
    let store = try await inn.open("one")
    let bed = try await inn.bed(1, in: store)
    let guest = try await store.register(Inn.person(), by: Inn.staff)
    var generator = SystemRandomNumberGenerator()
    let (first, second) = (BookingReference(using: &generator), BookingReference(using: &generator))
    let booking = NewBooking(pilgrimID: guest.id, bedID: bed.id, stay: try inn.stay(in: 3, nights: 1))
    _ = try await store.book(booking, as: first, by: Inn.staff)
    inn.now.withLock { $0 = $0.adding(seconds: 2 * 3600 - 1) }
    #expect(await storeError { try await store.book(booking, as: second, by: Inn.staff) } == .conflict)
    #expect(try await store.expireReservations() == 0)
    inn.now.withLock { $0 = $0.adding(seconds: 1) }
    // Nobody has written it down yet; the bed is free all the same, and the lapsed reservation cannot be confirmed.
    #expect(await storeError { try await store.move(first, to: .confirmed, by: Inn.staff) } == .conflict)
    _ = try await store.book(booking, as: second, by: Inn.staff)
    #expect(try await store.expireReservations() == 1)
    #expect(try await store.expireReservations() == 0)
    #expect(try await store.bookings(in: .expired).value.items.map(\.reference) == [first])
    #expect(try await store.move(second, to: .confirmed, by: Inn.staff).state(at: store.now) == .confirmed)
    await store.database.close()
  }

  @Test(arguments: modes) func aPilgrimIsForgottenWhenTheLawAllowsIt(_ mode: ReplicaSettings.Mode) async throws {
    let inn = try await Inn(mode)
    let store = try await inn.open("one")
    let bed = try await inn.bed(1, in: store)
    let guest = try await store.register(Inn.person(), by: Inn.staff)
    var generator = SystemRandomNumberGenerator()
    let reference = BookingReference(using: &generator)
    _ = try await store.book(
      NewBooking(pilgrimID: guest.id, bedID: bed.id, stay: try inn.stay(nights: 1)), as: reference, by: Inn.staff)
    // Who is expected cannot be forgotten.
    #expect(try await store.forget(guest.id, by: Inn.staff) == .after(store.today.adding(days: 1)))
    _ = try await store.move(reference, to: .confirmed, by: Inn.staff)
    _ = try await store.move(reference, to: .checkedIn, by: Inn.staff)
    let report = try await store.report(reference, establishment: "0000000001", by: Inn.staff)
    inn.passDays(1)
    _ = try await store.move(reference, to: .checkedOut, by: Inn.staff)
    let end = try #require(Day("2029-11-22"))
    #expect(try await store.forget(guest.id, by: Inn.staff) == .after(end))
    inn.now.withLock { $0 = Instant(seconds: Int64(end.number) * 86_400 - 1) }
    #expect(try await store.forgetWhatIsDue() == 0)
    inn.now.withLock { $0 = $0.adding(seconds: 1) }
    #expect(try await store.forgetWhatIsDue() == 1)
    #expect(try await store.forgetWhatIsDue() == 0)
    #expect(await storeError { try await store.pilgrim(guest.id) } == .notFound)
    #expect(await storeError { try await store.pilgrim(with: .nif, "12345678Z") } == .notFound)
    #expect(await storeError { try await store.xml(of: report.id) } == .notFound)
    // The stay itself stays, without its guest; and the document can be entered anew.
    #expect(try await store.booking(reference).value.pilgrimID == guest.id)
    #expect(try await store.register(Inn.person(), by: Inn.staff).id != guest.id)
    await store.database.close()
  }

  @Test(arguments: modes) func theAuditLogSaysWhoDidWhatAndNothingPersonal(_ mode: ReplicaSettings.Mode) async throws {
    let inn = try await Inn(mode)
    let store = try await inn.open("one")
    let guest = try await store.register(Inn.person(), by: Inn.staff)
    _ = try await inn.bed(1, in: store)
    try await store.noteReading(of: "pilgrims", guest.id, by: Actor("nobody"))
    let entries = try await store.audit().value.items
    #expect(entries.map(\.action) == ["CREATE", "CREATE", "READ"])
    #expect(entries.map(\.table) == ["pilgrims", "beds", "pilgrims"])
    #expect(entries[0].userID == 1 && entries[2].userID == nil && entries[0].recordID == "\(guest.id)")
    for entry in entries {
      for canary in Inn.canaries { #expect("\(entry.old ?? "") \(entry.new ?? "")".contains(canary) == false) }
    }
    let page = try await store.audit(limit: 2).value
    #expect(page.next == entries[1].id)
    #expect(try await store.audit(after: entries[1].id, limit: 2).value.items == [entries[2]])
    await store.database.close()
  }
}
