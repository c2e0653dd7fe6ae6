internal import EncryptedStorage
package import HostelDomain
internal import ReplicaSync

package struct Bed: Sendable, Hashable {
  package let id: Int64
  /// The number on the bed.
  package let number: Int64
  package let roomNumber: Int64
  package let roomName: String
  package let roomType: String
  package let price: Money
  package let state: BedState

  static let columns = "r.id, r.bed_number, r.room_number, r.room_name, r.room_type, r.price_per_night, r.status"

  init(_ values: [Value]) throws(StoreError) {
    let reader = RecordReader("beds", values)
    id = try reader.integer(0)
    number = try reader.integer(1)
    roomNumber = try reader.integer(2)
    roomName = reader.text(3) ?? ""
    roomType = reader.text(4) ?? "dormitory"
    price = try reader.money(5)
    state = try reader.code(6, default: .available)
  }
}

/// A bed that is to be added.
package struct NewBed: Sendable, Hashable {
  package var number: Int64
  package var roomNumber: Int64
  package var roomName: String
  package var roomType: String
  package var price: Money

  package init(number: Int64, roomNumber: Int64, roomName: String, roomType: String = "dormitory", price: Money) {
    self.number = number
    self.roomNumber = roomNumber
    self.roomName = roomName
    self.roomType = roomType
    self.price = price
  }
}

extension HostelStore {
  package func beds(after id: Int64 = 0, limit: Int = 50) async throws -> HostelDatabase.Reading<Page<Bed>> {
    try await database.read { session in
      let beds = try session.query(
        "SELECT \(Bed.columns) FROM beds r WHERE r.id > ? ORDER BY r.id LIMIT ?",
        [.integer(id), .integer(Int64(limit) + 1)]
      ) { try Bed($0.values) }
      return Page(beds, limit: limit, id: \.id)
    }
  }

  /// - Throws: ``StoreError`` `.notFound`.
  package func bed(_ id: Int64) async throws -> HostelDatabase.Reading<Bed> {
    try await database.read { session in
      let beds = try session.query("SELECT \(Bed.columns) FROM beds r WHERE r.id = ?", [.integer(id)]) {
        try Bed($0.values)
      }
      guard let bed = beds.first else { throw StoreError(.notFound, "there is no bed with this id") }
      return bed
    }
  }

  /// Beds that nobody has for any night of a stay.
  package func freeBeds(
    for stay: Stay, after id: Int64 = 0, limit: Int = 50
  ) async throws -> HostelDatabase.Reading<Page<Bed>> {
    let now = now
    return try await database.read { session in
      let beds = try session.query(
        """
        SELECT \(Bed.columns) FROM beds r
        WHERE r.id > ? AND \(Self.isBookable) AND NOT EXISTS (\(Self.bookingInTheWay)) ORDER BY r.id LIMIT ?
        """, [.integer(id)] + Self.inTheWay(stay, now) + [.integer(Int64(limit) + 1)]
      ) { try Bed($0.values) }
      return Page(beds, limit: limit, id: \.id)
    }
  }

  /// Whether bed `r` can be booked at all.
  static let isBookable = "coalesce(r.status, 'available') NOT IN ('maintenance', 'unavailable')"

  /// Bookings that take bed `r` for a night of a stay: half-open intervals, and only reservations whose time has not passed.
  static let bookingInTheWay = """
    SELECT 1 FROM bookings o WHERE o.bed_assignment_id = r.id AND o.check_in_date < ? AND o.check_out_date > ?
    AND (o.status IN ('confirmed', 'checked_in') OR (o.status = 'reserved' AND o.reservation_expires_at > ?))
    """

  /// The arguments of ``bookingInTheWay``.
  static func inTheWay(_ stay: Stay, _ now: Instant) -> [Value] {
    [.text("\(stay.checkOut)"), .text("\(stay.checkIn)"), .text(now.stored)]
  }

  /// - Throws: ``StoreError`` `.conflict` when there is a bed with that number.
  package func add(_ bed: NewBed, by actor: Actor) async throws -> Bed {
    let now = now
    let number = Value.integer(bed.number)
    let change = Change(
      .bedAdded, in: "beds", record: ("SELECT id FROM beds WHERE bed_number = ?", [number]), columns: Bed.columns,
      by: actor, at: now,
      deciding: RemoteStatement(
        """
        INSERT INTO beds (bed_number, room_number, room_name, room_type, price_per_night, currency, is_available, status,
          created_at, updated_at)
        SELECT ?, ?, ?, ?, ?, 'EUR', 1, 'available', ?, ? WHERE NOT EXISTS (SELECT 1 FROM beds WHERE bed_number = ?)
        """,
        [
          number, .integer(bed.roomNumber), .text(bed.roomName), .text(bed.roomType), .real(bed.price.stored),
          .text(now.stored), .text(now.stored), number,
        ]),
      new: ["bed_number": "\(bed.number)", "room_number": "\(bed.roomNumber)", "price_per_night": "\(bed.price)"])
    guard let record = try await database.apply(change) else {
      throw StoreError(.conflict, "there is a bed with this number")
    }
    return try Bed(record)
  }

  /// - Throws: ``StoreError`` `.notFound`; `.conflict` when the bed cannot become that now.
  package func setBed(_ id: Int64, to state: BedState, by actor: Actor) async throws -> Bed {
    let bed = try await bed(id).value
    guard bed.state.canBecome(state) else {
      throw StoreError(.conflict, "a bed that is \(bed.state.rawValue) cannot become \(state.rawValue)")
    }
    let now = now
    let change = Change(
      .bedStatusChanged, in: "beds", record: ("SELECT ?", [.integer(id)]), columns: Bed.columns, by: actor, at: now,
      deciding: RemoteStatement(
        """
        UPDATE beds SET status = ?, is_available = ?, updated_at = ?,
          last_cleaned_at = CASE WHEN status = 'cleaning' AND ? = 'available' THEN ? ELSE last_cleaned_at END
        WHERE id = ? AND coalesce(status, 'available') = ?
        """,
        [
          .text(state.rawValue), .flag(state == .available), .text(now.stored), .text(state.rawValue),
          .text(now.stored), .integer(id), .text(bed.state.rawValue),
        ]), old: ["status": bed.state.rawValue], new: ["status": state.rawValue])
    guard let record = try await database.apply(change) else {
      throw StoreError(.conflict, "the bed has another state meanwhile")
    }
    return try Bed(record)
  }
}
