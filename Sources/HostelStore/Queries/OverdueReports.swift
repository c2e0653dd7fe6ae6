internal import EncryptedStorage
package import HostelDomain

/// A stay whose traveller report should be with the ministry, and is not, as far as is known here.
package struct OverdueReport: Sendable, Hashable {
  package let bookingID: Int64
  package let reference: BookingReference
  package let checkIn: Day
  /// The newest report of the booking; nil when none was made.
  package let reportID: Int64?
  package let reportState: SubmissionState?

  /// When it had to be there.
  package var due: Instant { TravellerReport.due(checkIn: checkIn) }

  init(_ values: [Value]) throws(StoreError) {
    let reader = RecordReader("bookings", values)
    bookingID = try reader.integer(0)
    reference = try reader.need(1) { $0.text.flatMap { BookingReference($0) } }
    checkIn = try reader.day(2)
    reportID = values[3].integer
    reportState = values[3] == .null ? nil : try reader.code(4, default: .pending)
  }
}

extension HostelStore {
  /// Stays that have begun, within the years of the register, more than 24 hours ago, without a report that was accepted.
  private static let overdue = """
    FROM bookings r WHERE r.status IN ('checked_in', 'checked_out', 'completed') AND r.check_in_date BETWEEN ? AND ?
      AND NOT EXISTS (
        SELECT 1 FROM government_submissions s WHERE s.booking_id = r.id AND s.submission_status = 'success')
    """

  private static func limits(at now: Instant) -> [Value] {
    let last = TravellerReport.lastOverdueCheckIn(at: now)
    return [.text("\(now.day.adding(years: -Retention.registerYears))"), .text("\(last)")]
  }

  /// - Returns: in the order of the bookings' ids.
  package func overdueReports(
    after id: Int64 = 0, limit: Int = 50
  ) async throws -> HostelDatabase.Reading<Page<OverdueReport>> {
    let limits = Self.limits(at: now)
    return try await database.read { session in
      let reports = try session.query(
        """
        SELECT r.id, r.reference_number, r.check_in_date, s.id, s.submission_status
        FROM (SELECT r.id, r.reference_number, r.check_in_date \(Self.overdue) AND r.id > ? ORDER BY r.id LIMIT ?) r
        LEFT JOIN government_submissions s
          ON s.id = (SELECT max(id) FROM government_submissions WHERE booking_id = r.id)
        ORDER BY r.id
        """, limits + [.integer(id), .integer(Int64(limit) + 1)]
      ) { try OverdueReport($0.values) }
      return Page(reports, limit: limit, id: \.bookingID)
    }
  }

  /// Numbers of reports: that wait to be sent, and that are overdue.
  package func reportCounts() async throws -> (waiting: Int, overdue: Int) {
    let limits = Self.limits(at: now)
    return try await database.read { session in
      let waiting = try session.value(
        "SELECT count(*) FROM government_submissions WHERE submission_status IN ('pending', 'pending_retry')")
      let overdue = try session.value("SELECT count(*) \(Self.overdue)", limits)
      return (Int(clamping: waiting.integer ?? 0), Int(clamping: overdue.integer ?? 0))
    }.value
  }
}
