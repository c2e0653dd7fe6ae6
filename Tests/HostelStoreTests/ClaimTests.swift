import Foundation
import HostelDomain
import HostelStore
import ReplicaSync
import TestSupport
import Testing

/// Many want one bed, and the network is what it is.
@Suite("Claims of beds", .serialized)
struct ClaimTests {
  /// Fifty ask at once, at two instances, of which each has a replica of its own: one gets the bed.
  @Test(arguments: modes) func ofFiftyWhoWantOneBedOneGetsIt(_ mode: ReplicaSettings.Mode) async throws {
    let inn = try await Inn(mode)
    let stores = [try await inn.open("one"), try await inn.open("two")]
    let bed = try await inn.bed(1, in: stores[0])
    let guest = try await stores[0].register(Inn.person(), by: Inn.staff)
    let stay = try inn.stay(in: 1, nights: 2)
    let outcomes = await withTaskGroup(of: (BookingReference, StoreError.Code?).self) { group in
      for number in 0..<50 {
        group.addTask {
          var generator = SystemRandomNumberGenerator()
          let reference = BookingReference(using: &generator)
          let booking = NewBooking(pilgrimID: guest.id, bedID: bed.id, stay: stay)
          return (
            reference, await storeError { try await stores[number % 2].book(booking, as: reference, by: Inn.staff) }
          )
        }
      }
      return await group.reduce(into: []) { $0.append($1) }
    }
    let winners = outcomes.filter { $0.1 == nil }
    #expect(winners.count == 1)
    #expect(outcomes.count { $0.1 == .conflict } == 49)
    for store in stores {
      try await store.database.replica?.sync()
      #expect(try await store.bookings().value.items.map(\.reference) == winners.map(\.0))
      // Of what lost, nothing is left: neither an event nor an entry of the audit log.
      #expect(try await store.audit(limit: 200).value.items.count { $0.table == "bookings" } == 1)
      await store.database.close()
    }
  }

  private struct Scene {
    let inn: Inn
    let proxy: FaultProxy
    let store: HostelStore
    let booking: NewBooking
    let reference: BookingReference
  }

  private func scene() async throws -> Scene {
    let inn = try await Inn(.embeddedReplica, proxied: true)
    let store = try await inn.open("one")
    let bed = try await inn.bed(1, in: store)
    let guest = try await store.register(Inn.person(), by: Inn.staff)
    var generator = SystemRandomNumberGenerator()
    return Scene(
      inn: inn, proxy: try #require(inn.proxy), store: store,
      booking: NewBooking(pilgrimID: guest.id, bedID: bed.id, stay: try inn.stay(in: 1, nights: 1)),
      reference: BookingReference(using: &generator))
  }

  @Test func aLostAnswerIsFoundOutAndTheBedIsBookedOnce() async throws {
    let scene = try await scene()
    try scene.proxy.set(#"{"path": "/v3/pipeline", "drop": "after", "times": 1}"#)
    let booking = try await scene.store.book(scene.booking, as: scene.reference, by: Inn.staff)
    #expect(booking.reference == scene.reference)
    #expect(try await scene.store.bookings().value.items == [booking])
    await scene.store.database.close()
  }

  /// The answer that was lost said that somebody else was first.
  @Test func aLostRefusalIsFoundOutToo() async throws {
    let scene = try await scene()
    _ = try await scene.store.book(scene.booking, as: scene.reference, by: Inn.staff)
    var generator = SystemRandomNumberGenerator()
    let other = BookingReference(using: &generator)
    try scene.proxy.set(#"{"path": "/v3/pipeline", "drop": "after", "times": 1}"#)
    #expect(await storeError { try await scene.store.book(scene.booking, as: other, by: Inn.staff) } == .conflict)
    #expect(try await scene.store.bookings().value.items.map(\.reference) == [scene.reference])
    await scene.store.database.close()
  }

  @Test func aRequestThatIsLostChangesNothingNowOrLater() async throws {
    let scene = try await scene()
    try scene.proxy.set(#"{"path": "/v3/pipeline", "drop": "late", "times": 1}"#)
    #expect(
      await storeError { try await scene.store.book(scene.booking, as: scene.reference, by: Inn.staff) } == .unavailable
    )
    #expect(try scene.proxy.release().count == 1)
    try await scene.store.database.replica?.sync()
    #expect(try await scene.store.bookings().value.items.isEmpty)
    await scene.store.database.close()
  }

  @Test func anOutcomeThatNobodyKnowsCanBeAskedForLater() async throws {
    let scene = try await scene()
    try scene.proxy.set(
      #"{"path": "/v3/pipeline", "drop": "after", "times": 1}"#, #"{"path": "/v3/pipeline", "status": 503}"#)
    var change: String?
    do { _ = try await scene.store.book(scene.booking, as: scene.reference, by: Inn.staff) } catch let error
      as StoreError
    {
      #expect(error.code == .outcomeUnknown)
      change = error.change
    }
    let name = try #require(change)
    #expect(try await scene.store.database.outcome(of: name) == .unknown)
    try scene.proxy.set()
    #expect(try await scene.store.database.outcome(of: name) == .committed)
    #expect(try await scene.store.database.outcome(of: name) == .committed)
    #expect(try await scene.store.bookings().value.items.map(\.reference) == [scene.reference])
    #expect(try await scene.store.database.outcome(of: "no such change") == .unknown)
    await scene.store.database.close()
  }

  /// The remote is killed while requests are under way: what was confirmed is there, what was refused is not, and nothing is
  /// there twice.
  @Test func aRemoteThatIsKilledLosesNothingThatItConfirmed() async throws {
    let inn = try await Inn(.embeddedReplica)
    let store = try await inn.open("one")
    let guest = try await store.register(Inn.person(), by: Inn.staff)
    var beds: [Int64] = []
    for number in 1...12 { beds.append(try await inn.bed(Int64(number), in: store).id) }
    let stay = try inn.stay(in: 1, nights: 1)
    let server = try #require(inn.server)
    let (first, confirmed) = (Locked(false), Locked<Set<BookingReference>>([]))
    let refused = Locked<Set<BookingReference>>([])
    await withTaskGroup { group in
      for bed in beds {
        group.addTask {
          var generator = SystemRandomNumberGenerator()
          let reference = BookingReference(using: &generator)
          let booking = NewBooking(pilgrimID: guest.id, bedID: bed, stay: stay)
          switch await storeError({ try await store.book(booking, as: reference, by: Inn.staff) }) {
          case nil: confirmed.withLock { _ = $0.insert(reference) }
          case .unavailable: refused.withLock { _ = $0.insert(reference) }
          case .outcomeUnknown: break
          case let code: Issue.record("\(String(describing: code))")
          }
          let isFirst = first.withLock { former in
            defer { former = true }
            return !former
          }
          // In the middle of the others.
          if isFirst { await Task.detached { server.kill() }.value }
        }
      }
    }
    #expect(!confirmed.withLock(\.isEmpty))
    try inn.restart()
    let other = try await inn.open("two")
    let found = try await other.bookings().value.items.map(\.reference)
    #expect(Set(found).count == found.count)
    #expect(Set(found).isSuperset(of: confirmed.withLock { $0 }))
    #expect(Set(found).isDisjoint(with: refused.withLock { $0 }))
    await store.database.close()
    await other.database.close()
  }

  @Test func withoutTheRemoteReadsGoOnAndWritesSayWhy() async throws {
    let inn = try await Inn(.embeddedReplica)
    let first = try await inn.open("one")
    let bed = try await inn.bed(1, in: first)
    try await first.database.replica?.sync()
    await first.database.close()
    try #require(inn.server).stop()
    // Started while there is no network.
    let store = try await inn.open("one", synchronising: false)
    let reading = try await store.beds()
    #expect(reading.value.items == [bed])
    #expect(reading.age.seconds.map { $0 >= 0 } == true && !reading.age.lacksWrites)
    #expect(await storeError { try await inn.bed(2, in: store) } == .unavailable)
    #expect(try await store.beds().value.items == [bed])
    let never = try await inn.open("never", synchronising: false)
    #expect(await storeError { try await never.beds() } == .notSynchronised)
    await never.database.close()
    await store.database.close()
  }
}
