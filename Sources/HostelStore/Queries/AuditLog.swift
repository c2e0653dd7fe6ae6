internal import EncryptedStorage
package import HostelDomain
internal import ReplicaSync

package struct AuditEntry: Sendable, Hashable {
  package let id: Int64
  package let table: String
  package let recordID: String
  package let action: String
  /// JSON objects of states, dates and numbers.
  package let old: String?
  package let new: String?
  package let userID: Int64?
  package let at: Instant?

  init(_ values: [Value]) throws(StoreError) {
    let reader = RecordReader("audit_log", values)
    id = try reader.integer(0)
    table = reader.text(1) ?? ""
    recordID = reader.text(2) ?? ""
    action = reader.text(3) ?? ""
    old = reader.text(4)
    new = reader.text(5)
    userID = values[6].integer
    at = reader.instant(7)
  }
}

extension HostelStore {
  package func audit(after id: Int64 = 0, limit: Int = 50) async throws -> HostelDatabase.Reading<Page<AuditEntry>> {
    try await database.read { session in
      let entries = try session.query(
        """
        SELECT id, table_name, record_id, action, old_values, new_values, user_id, created_at FROM audit_log
        WHERE id > ? ORDER BY id LIMIT ?
        """, [.integer(id), .integer(Int64(limit) + 1)]
      ) { try AuditEntry($0.values) }
      return Page(entries, limit: limit, id: \.id)
    }
  }

  /// Notes that somebody has read what is personal.
  ///
  /// - Throws: ``StoreError`` `.unavailable`: the caller decides whether to show it all the same.
  package func noteReading(of table: String, _ id: Int64, by actor: Actor) async throws {
    try await database.note(
      RemoteStatement(
        """
        INSERT INTO audit_log (table_name, record_id, action, user_id, created_at)
        VALUES (?, ?, 'READ', (SELECT id FROM users WHERE username = ?), ?)
        """, [.text(table), .text("\(id)"), .optional(actor.name), .text(now.stored)]))
  }
}

/// How full the house is.
package struct Occupancy: Sendable, Hashable {
  package var bedCount = 0
  /// Beds by their state.
  package var beds: [BedState: Int] = [:]
  /// Beds that somebody has for the coming night.
  package var takenTonight = 0
  package var arrivals = 0
  package var departures = 0
  package var waitingReports = 0
}

extension HostelStore {
  package func occupancy() async throws -> HostelDatabase.Reading<Occupancy> {
    let now = now
    return try await database.read { session in
      var occupancy = Occupancy()
      let states = try session.query(
        "SELECT coalesce(status, 'available'), count(*) FROM beds GROUP BY 1"
      ) { ($0[0].text.flatMap { BedState(rawValue: $0) }, Int(clamping: $0[1].integer ?? 0)) }
      for case (let state?, let count) in states { occupancy.beds[state] = count }
      occupancy.bedCount = states.reduce(0) { $0 + $1.1 }
      let today = Value.text("\(now.day)")
      func count(_ sql: String, _ values: [Value] = []) throws -> Int {
        Int(clamping: try session.value(sql, values).integer ?? 0)
      }
      occupancy.takenTonight = try count(
        """
        SELECT count(DISTINCT bed_assignment_id) FROM bookings WHERE check_in_date <= ? AND check_out_date > ?
        AND (status IN ('confirmed', 'checked_in') OR (status = 'reserved' AND reservation_expires_at > ?))
        """, [today, today, .text(now.stored)])
      occupancy.arrivals = try count(
        "SELECT count(*) FROM bookings WHERE check_in_date = ? AND status = 'confirmed'", [today])
      occupancy.departures = try count(
        "SELECT count(*) FROM bookings WHERE check_out_date = ? AND status = 'checked_in'", [today])
      occupancy.waitingReports = try count(
        "SELECT count(*) FROM government_submissions WHERE submission_status IN ('pending', 'pending_retry')")
      return occupancy
    }
  }
}
