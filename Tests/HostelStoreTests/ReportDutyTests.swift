import HostelDomain
import HostelStore
import ReplicaSync
import TestSupport
import Testing

/// Which reports are late, and what others hear of changes.
@Suite("Reports that are due, and the outbox", .serialized)
struct ReportDutyTests {
  @Test(arguments: modes) func aStayWithoutAReportIsOverdueAfterADay(_ mode: ReplicaSettings.Mode) async throws {
    let inn = try await Inn(mode)
    let store = try await inn.open("one")
    let guest = try await store.register(Inn.person(), by: Inn.staff)
    var references: [BookingReference] = []
    for number: Int64 in 1...2 {
      let bed = try await inn.bed(number, in: store)
      var generator = SystemRandomNumberGenerator()
      let reference = BookingReference(using: &generator)
      let booking = NewBooking(pilgrimID: guest.id, bedID: bed.id, stay: try inn.stay(nights: 3))
      _ = try await store.book(booking, as: reference, by: Inn.staff)
      _ = try await store.move(reference, to: .confirmed, by: Inn.staff)
      references.append(reference)
    }
    // The second guest does not come.
    _ = try await store.move(references[0], to: .checkedIn, by: Inn.staff)
    inn.passDays(1)
    inn.now.withLock { $0 = $0.adding(seconds: 2 * 3600 - 1) }
    #expect(try await store.overdueReports().value.items.isEmpty)
    inn.now.withLock { $0 = $0.adding(seconds: 1) }
    let late = try #require(try await store.overdueReports().value.items.first)
    #expect(late.reference == references[0] && late.due == store.now && late.reportID == nil)
    #expect(try await store.reportCounts() == (waiting: 0, overdue: 1))

    let report = try await store.report(references[0], establishment: "0000000001", by: Inn.staff)
    let made = try #require(try await store.overdueReports().value.items.first)
    #expect(made.reportID == report.id && made.reportState == .pending)
    #expect(try await store.reportCounts() == (waiting: 1, overdue: 1))
    let code = String(repeating: "a", count: 36)
    let atWork = try ReportOutcome(lot: code, lotState: 4, communication: nil)
    _ = try await store.note(atWork, of: report.id, by: Inn.staff)
    #expect(try await store.reportCounts() == (waiting: 1, overdue: 1))
    let accepted = try ReportOutcome(lot: code, lotState: 1, communication: code)
    _ = try await store.note(accepted, of: report.id, by: Inn.staff)
    #expect(try await store.reportCounts() == (waiting: 0, overdue: 0))
    #expect(try await store.overdueReports().value.items.isEmpty)
    await store.database.close()
  }

  @Test(arguments: modes) func theOutboxTellsWhatHappenedInOrder(_ mode: ReplicaSettings.Mode) async throws {
    let inn = try await Inn(mode)
    let store = try await inn.open("one")
    let bed = try await inn.bed(1, in: store)
    let guest = try await store.register(Inn.person(), by: Inn.staff)
    // What did not happen is not told.
    #expect(await storeError { try await store.register(Inn.person(), by: Inn.staff) } == .conflict)
    let events = try await store.events().value.items
    #expect(events.map(\.topic) == ["albergue.v1.bed.added", "albergue.v1.pilgrim.registered"])
    #expect(events.map(\.recordID) == ["\(bed.id)", "\(guest.id)"])
    #expect(try await store.events(after: events[0].id).value.items == [events[1]])
    #expect(try await store.events(limit: 1).value.next == events[0].id)
    await store.database.close()
  }
}
