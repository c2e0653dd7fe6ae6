internal import EncryptedStorage
package import HostelDomain
internal import ReplicaSync

package struct Booking: Sendable, Hashable {
  package let id: Int64
  package let reference: BookingReference
  package let pilgrimID: Int64
  package let bedID: Int64?
  package let stay: Stay
  /// What the column holds.
  let storedState: BookingState
  package let expires: Instant
  package let personCount: Int64
  package let roomCount: Int64
  package let hasInternet: Bool
  package let total: Money
  /// Nil for records that other programs made without it.
  package let created: Instant?

  static let columns = """
    r.id, r.reference_number, r.pilgrim_id, r.bed_assignment_id, r.check_in_date, r.check_out_date, r.status,
    r.reservation_expires_at, r.number_of_persons, r.number_of_rooms, r.has_internet, r.total_amount, r.created_at
    """

  init(_ values: [Value]) throws(StoreError) {
    let reader = RecordReader("bookings", values)
    id = try reader.integer(0)
    reference = try reader.need(1) { $0.text.flatMap { BookingReference($0) } }
    pilgrimID = try reader.integer(2)
    bedID = values[3].integer
    let (checkIn, checkOut) = (try reader.day(4), try reader.day(5))
    do throws(FieldProblem) { stay = try Stay(checkIn: checkIn, checkOut: checkOut) } catch {
      throw StoreError(.damaged, "a booking has a stay that is none")
    }
    storedState = try reader.code(6, default: .reserved)
    expires = try reader.need(7) { $0.text.flatMap { Instant($0) } }
    personCount = values[8].integer ?? 1
    roomCount = values[9].integer ?? 1
    hasInternet = values[10].integer == 1
    total = try reader.money(11)
    created = reader.instant(12)
  }

  /// What it is at a moment: a reservation whose time has passed is expired, whether that was written down yet or not.
  package func state(at now: Instant) -> BookingState {
    storedState == .reserved && expires <= now ? .expired : storedState
  }
}

package struct NewBooking: Sendable, Hashable {
  package var pilgrimID: Int64
  package var bedID: Int64
  package var stay: Stay
  package var hasInternet: Bool

  package init(pilgrimID: Int64, bedID: Int64, stay: Stay, hasInternet: Bool = false) {
    self.pilgrimID = pilgrimID
    self.bedID = bedID
    self.stay = stay
    self.hasInternet = hasInternet
  }
}

extension HostelStore {
  /// - Parameter state: as the column holds it; nil for all.
  package func bookings(
    in state: BookingState? = nil, after id: Int64 = 0, limit: Int = 50
  ) async throws -> HostelDatabase.Reading<Page<Booking>> {
    try await database.read { session in
      let state = Value.optional(state?.rawValue)
      let bookings = try session.query(
        """
        SELECT \(Booking.columns) FROM bookings r WHERE r.id > ? AND (? IS NULL OR r.status = ?) ORDER BY r.id LIMIT ?
        """, [.integer(id), state, state, .integer(Int64(limit) + 1)]
      ) { try Booking($0.values) }
      return Page(bookings, limit: limit, id: \.id)
    }
  }

  /// - Throws: ``StoreError`` `.notFound`.
  package func booking(_ reference: BookingReference) async throws -> HostelDatabase.Reading<Booking> {
    try await database.read { session in try Self.booking(reference, session) }
  }

  static func booking(_ reference: BookingReference, _ session: Session) throws -> Booking {
    let bookings = try session.query(
      "SELECT \(Booking.columns) FROM bookings r WHERE r.reference_number = ?", [.text(reference.description)]
    ) { try Booking($0.values) }
    guard let booking = bookings.first else { throw StoreError(.notFound, "there is no booking with this reference") }
    return booking
  }

  /// Books a bed: one conditional write, so that of all who want a night of a bed at a time one gets it.
  ///
  /// - Parameter reference: chosen before, so that whoever loses the answer can look for it.
  /// - Throws: ``StoreError`` `.conflict` when somebody has the bed for one of the nights; `.notFound` when there is no such bed
  ///   or pilgrim.
  package func book(
    _ booking: NewBooking, as reference: BookingReference, by actor: Actor
  ) async throws -> Booking {
    let now = now
    let name = Value.text(reference.description)
    let nights = Value.integer(Int64(booking.stay.nightCount))
    let expires = Value.text(now.adding(seconds: BookingState.reservationSeconds).stored)
    let change = Change(
      .bookingReserved, in: "bookings", record: ("SELECT id FROM bookings WHERE reference_number = ?", [name]),
      columns: Booking.columns, by: actor, at: now,
      deciding: RemoteStatement(
        """
        INSERT INTO bookings (pilgrim_id, reference_number, check_in_date, check_out_date, number_of_nights,
          number_of_persons, number_of_rooms, has_internet, status, bed_assignment_id, total_amount,
          reservation_expires_at, payment_deadline, auto_cleanup_processed, created_at, updated_at)
        SELECT p.id, ?, ?, ?, ?, 1, 1, ?, 'reserved', r.id,
          CAST(round(r.price_per_night * 100) AS INTEGER) * ? / 100.0, ?, ?, 0, ?, ?
        FROM beds r JOIN pilgrims p ON p.id = ? AND p.first_name_encrypted <> ?
        WHERE r.id = ? AND \(Self.isBookable) AND NOT EXISTS (\(Self.bookingInTheWay))
        """,
        [
          name, .text("\(booking.stay.checkIn)"), .text("\(booking.stay.checkOut)"), nights,
          .flag(booking.hasInternet), nights, expires, expires, .text(now.stored), .text(now.stored),
          .integer(booking.pilgrimID), .text(Retention.erasedText), .integer(booking.bedID),
        ] + Self.inTheWay(booking.stay, now)),
      new: [
        "status": "reserved", "bed_assignment_id": "\(booking.bedID)", "check_in_date": "\(booking.stay.checkIn)",
        "check_out_date": "\(booking.stay.checkOut)",
      ])
    guard let record = try await database.apply(change) else { throw try await refusal(of: booking) }
    return try Booking(record)
  }

  /// Why a bed could not be booked.
  private func refusal(of booking: NewBooking) async throws -> StoreError {
    guard try await bed(booking.bedID).value.state.isBookable else {
      return StoreError(.conflict, "the bed cannot be booked now")
    }
    let isKnown = try await database.read { session in
      try session.value(
        "SELECT count(*) FROM pilgrims WHERE id = ? AND first_name_encrypted <> ?",
        [.integer(booking.pilgrimID), .text(Retention.erasedText)]
      ).integer == 1
    }.value
    guard isKnown else { return StoreError(.notFound, "there is no pilgrim with this id") }
    return StoreError(.conflict, "somebody else has the bed for one of these nights")
  }

  // MARK: - The way of a booking

  /// Brings a booking to another state, and its bed with it.
  ///
  /// - Throws: ``StoreError`` `.notFound`; `.conflict` when it cannot become that, or not now.
  package func move(_ reference: BookingReference, to state: BookingState, by actor: Actor) async throws -> Booking {
    let now = now
    let booking = try await booking(reference).value
    // A reservation whose time has passed may still be written down as expired.
    let former = state == .expired ? booking.storedState : booking.state(at: now)
    guard former.canBecome(state), let event = HostelEvent(becoming: state) else {
      throw StoreError(.conflict, "a booking that is \(former.rawValue) cannot become \(state.rawValue)")
    }
    var (condition, values) = ("", [Value]())
    switch state {
    case .confirmed: (condition, values) = ("AND reservation_expires_at > ?", [.text(now.stored)])
    case .expired: (condition, values) = ("AND reservation_expires_at <= ?", [.text(now.stored)])
    case .checkedIn:
      guard booking.stay.contains(nightOf: now.day) else {
        throw StoreError(.conflict, "a guest is checked in between the day of arrival and the last night")
      }
      condition = """
        AND EXISTS (SELECT 1 FROM beds b WHERE b.id = bookings.bed_assignment_id
          AND coalesce(b.status, 'available') IN ('available', 'reserved'))
        """
    default: break
    }
    let change = Change(
      event, in: "bookings", record: ("SELECT ?", [.integer(booking.id)]), columns: Booking.columns, by: actor, at: now,
      deciding: RemoteStatement(
        """
        UPDATE bookings SET status = ?, updated_at = ?, auto_cleanup_processed = ?
        WHERE id = ? AND coalesce(status, 'reserved') = ? \(condition)
        """,
        [
          .text(state.rawValue), .text(now.stored), .flag(state == .expired), .integer(booking.id),
          .text(former.rawValue),
        ] + values),
      old: ["status": former.rawValue], new: ["status": state.rawValue],
      further: consequences(of: former, state, for: booking, now))
    guard let record = try await database.apply(change) else {
      throw StoreError(
        .conflict,
        state == .checkedIn ? "the bed is not ready for the guest" : "the booking has another state meanwhile")
    }
    return try Booking(record)
  }

  /// What a change of a booking means for its bed and its guests.
  private func consequences(
    of former: BookingState, _ state: BookingState, for booking: Booking, _ now: Instant
  ) -> [RemoteStatement] {
    guard let bedID = booking.bedID else { return [] }
    func bed(_ state: BedState) -> RemoteStatement {
      RemoteStatement(
        "UPDATE beds SET status = ?, is_available = 0, updated_at = ? WHERE id = ?",
        [.text(state.rawValue), .text(now.stored), .integer(bedID)])
    }
    switch (former, state) {
    case (_, .checkedIn): return [bed(.occupied)]
    case (.checkedIn, .checkedOut):
      let end = Retention.end(lastDeparture: booking.stay.checkOut, registered: now.day)
      let until = Instant(seconds: Int64(end.number) * 86_400)
      return [
        bed(.cleaning),
        RemoteStatement(
          """
          UPDATE pilgrims SET data_retention_until = max(coalesce(data_retention_until, ''), ?), updated_at = ?
          WHERE (id = ? OR id IN (SELECT pilgrim_id FROM booking_companions WHERE booking_id = ?))
          """, [.text(until.stored), .text(now.stored), .integer(booking.pilgrimID), .integer(booking.id)]),
      ]
    case (.checkedIn, .cancelled): return [bed(.cleaning)]
    default: return []
    }
  }

  /// Writes down that reservations have expired, at most a hundred at a time. What several instances find at once, one of them
  /// writes.
  ///
  /// - Returns: how many.
  package func expireReservations() async throws -> Int {
    let now = now
    let overdue = try await database.read { session in
      try session.query(
        """
        SELECT \(Booking.columns) FROM bookings r WHERE r.status = 'reserved' AND r.reservation_expires_at <= ?
        ORDER BY r.reservation_expires_at LIMIT 100
        """, [.text(now.stored)]
      ) { try Booking($0.values).reference }
    }.value
    var count = 0
    for reference in overdue {
      do {
        _ = try await move(reference, to: .expired, by: .service)
        count += 1
      } catch let error as StoreError where error.code == .conflict { continue }
    }
    return count
  }

  /// Adds somebody who shares the booking: a child, or the second person of a room.
  ///
  /// - Throws: ``StoreError`` `.notFound`; `.conflict` for somebody who is in it already, and for a booking that is closed.
  package func addCompanion(
    _ pilgrimID: Int64, kinship: Kinship?, to reference: BookingReference, by actor: Actor
  ) async throws -> Booking {
    let now = now
    let booking = try await booking(reference).value
    _ = try await pilgrim(pilgrimID)
    let change = Change(
      .companionAdded, in: "bookings", record: ("SELECT ?", [.integer(booking.id)]), columns: Booking.columns,
      by: actor, at: now,
      deciding: RemoteStatement(
        """
        INSERT INTO booking_companions (booking_id, pilgrim_id, kinship, created_at)
        SELECT b.id, p.id, ?, ? FROM bookings b JOIN pilgrims p ON p.id = ?
        WHERE b.id = ? AND b.pilgrim_id <> p.id AND b.status IN ('reserved', 'confirmed', 'checked_in')
          AND NOT EXISTS (SELECT 1 FROM booking_companions c WHERE c.booking_id = b.id AND c.pilgrim_id = p.id)
        """, [.optional(kinship?.rawValue), .text(now.stored), .integer(pilgrimID), .integer(booking.id)]),
      old: ["number_of_persons": "\(booking.personCount)"], new: ["number_of_persons": "\(booking.personCount + 1)"],
      further: [
        RemoteStatement(
          """
          UPDATE bookings SET updated_at = ?,
            number_of_persons = 1 + (SELECT count(*) FROM booking_companions c WHERE c.booking_id = bookings.id)
          WHERE id = ?
          """, [.text(now.stored), .integer(booking.id)])
      ])
    guard let record = try await database.apply(change) else {
      throw StoreError(.conflict, "the booking is closed, or the pilgrim belongs to it already")
    }
    return try Booking(record)
  }
}
