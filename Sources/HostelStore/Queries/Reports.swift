internal import EncryptedStorage
internal import FoundationEssentials
package import HostelDomain
internal import ReplicaSync

/// A traveller report and what became of it. The report itself is encrypted, as the columns are that it was made from.
package struct Submission: Sendable, Hashable {
  package let id: Int64
  package let bookingID: Int64
  package let state: SubmissionState
  package let attemptCount: Int64
  package let lastAttempt: Instant?
  package let created: Instant?

  static let columns = "r.id, r.booking_id, r.submission_status, r.attempts, r.last_attempt, r.created_at"

  init(_ values: [Value]) throws(StoreError) {
    let reader = RecordReader("government_submissions", values)
    id = try reader.integer(0)
    bookingID = try reader.integer(1)
    state = try reader.code(2, default: .pending)
    attemptCount = values[3].integer ?? 0
    lastAttempt = reader.instant(4)
    created = reader.instant(5)
  }

  static func xmlPlace(_ id: Int64) -> FieldPlace { FieldPlace("government_submissions", "xml_content", row: id) }

  /// When it is sent next; nil when it is not.
  package var nextAttempt: Instant? {
    switch state {
    case .pending: created
    case .pendingRetry:
      lastAttempt.map { $0.adding(seconds: SubmissionState.pauseSeconds(afterAttempt: Int(clamping: attemptCount))) }
    case .success, .failed, .deleted: nil
    }
  }
}

extension HostelStore {
  package func submissions(
    after id: Int64 = 0, limit: Int = 50
  ) async throws -> HostelDatabase.Reading<Page<Submission>> {
    try await database.read { session in
      let submissions = try session.query(
        "SELECT \(Submission.columns) FROM government_submissions r WHERE r.id > ? ORDER BY r.id LIMIT ?",
        [.integer(id), .integer(Int64(limit) + 1)]
      ) { try Submission($0.values) }
      return Page(submissions, limit: limit, id: \.id)
    }
  }

  /// The XML of a report.
  ///
  /// - Throws: ``StoreError`` `.notFound`, also for one that was forgotten.
  package func xml(of id: Int64) async throws -> String {
    let stored = try await database.read { session in
      try session.value("SELECT xml_content FROM government_submissions WHERE id = ?", [.integer(id)])
    }.value
    guard let text = stored.text, text != Retention.erasedText else {
      throw StoreError(.notFound, "there is no report with this id")
    }
    return try cipher.decrypt(text, at: Submission.xmlPlace(id))
  }

  /// Makes the traveller report of a booking and queues it.
  ///
  /// - Parameter establishment: the ministry's code.
  /// - Throws: ``StoreError``; ``InvalidReport`` when something is missing that the ministry demands.
  package func report(
    _ reference: BookingReference, establishment: String, by actor: Actor
  ) async throws -> Submission {
    let (now, cipher) = (now, cipher)
    let (booking, report) = try await database.read { session in
      let booking = try Self.booking(reference, session)
      return (booking, try Self.report(booking, establishment, session, cipher))
    }.value
    let problems = report.problems()
    guard problems.isEmpty else { throw InvalidReport(problems: problems) }
    let id = Identifier.number(at: now)
    let xml = try cipher.encrypt(try report.xml(), at: Submission.xmlPlace(id))
    let change = Change(
      .reportQueued, in: "government_submissions",
      record: ("SELECT ?", [.integer(id)]),
      columns: Submission.columns, by: actor, at: now,
      deciding: RemoteStatement(
        """
        INSERT INTO government_submissions (id, booking_id, xml_content, submission_status, attempts, created_at)
        SELECT ?, b.id, ?, 'pending', 0, ? FROM bookings b WHERE b.id = ? AND NOT EXISTS (
          SELECT 1 FROM government_submissions s
          WHERE s.booking_id = b.id AND s.submission_status IN ('pending', 'pending_retry', 'success'))
        """, [.integer(id), .text(xml), .text(now.stored), .integer(booking.id)]), new: ["submission_status": "pending"]
    )
    guard let record = try await database.apply(change) else {
      throw StoreError(.conflict, "there is a report of this booking that is on its way or was accepted")
    }
    return try Submission(record)
  }

  private static func report(
    _ booking: Booking, _ establishment: String, _ session: Session, _ cipher: FieldCipher
  ) throws -> TravellerReport {
    let companions = try session.query(
      "SELECT pilgrim_id, kinship FROM booking_companions WHERE booking_id = ? ORDER BY id", [.integer(booking.id)]
    ) { ($0[0].integer ?? 0, $0[1].text.flatMap { Kinship(rawValue: $0) }) }
    var travellers = [TravellerReport.Traveller(try pilgrim(booking.pilgrimID, session, cipher).person)]
    for (id, kinship) in companions {
      travellers.append(TravellerReport.Traveller(try pilgrim(id, session, cipher).person, kinship: kinship))
    }
    let payment = try session.query(
      """
      SELECT \(Payment.columns) FROM payments r WHERE r.booking_id = ? AND r.payment_status = 'paid' ORDER BY r.id LIMIT 1
      """, [.integer(booking.id)]
    ) { try Payment($0.values) }.first
    return TravellerReport(
      establishmentCode: establishment,
      contract: TravellerReport.Contract(
        reference: booking.reference.description, signed: booking.created?.day ?? booking.stay.checkIn,
        stay: booking.stay, personCount: Int(clamping: booking.personCount),
        roomCount: Int(clamping: booking.roomCount),
        hasInternet: booking.hasInternet, paymentMeans: payment?.means ?? .atDestination, paid: payment?.paid?.day),
      travellers: travellers)
  }

  /// Notes what the ministry said of a report.
  ///
  /// - Parameter outcome: nil when it could not be reached.
  /// - Throws: ``StoreError`` `.notFound`; `.conflict` for a report that is not on its way.
  package func note(_ outcome: ReportOutcome?, of id: Int64, by actor: Actor) async throws -> Submission {
    let now = now
    let found = try await database.read { session in
      try session.query(
        "SELECT \(Submission.columns) FROM government_submissions r WHERE r.id = ?", [.integer(id)]
      ) { try Submission($0.values) }
    }.value
    guard let former = found.first else { throw StoreError(.notFound, "there is no report with this id") }
    let count = former.attemptCount + 1
    let state: SubmissionState
    switch outcome?.isAccepted {
    case true?: state = .success
    case false?: state = .afterFailure(Int(clamping: count))
    // Not reached: an attempt that failed. At work: asked for again later.
    case nil: state = outcome == nil ? .afterFailure(Int(clamping: count)) : .pendingRetry
    }
    guard former.state.canBecome(state) else {
      throw StoreError(.conflict, "a report that is \(former.state.rawValue) cannot become \(state.rawValue)")
    }
    let change = Change(
      state == .success ? .reportSucceeded : .reportFailed, in: "government_submissions",
      record: ("SELECT ?", [.integer(id)]), columns: Submission.columns, by: actor, at: now,
      deciding: RemoteStatement(
        """
        UPDATE government_submissions SET submission_status = ?, attempts = ?, last_attempt = ?, response_data = ?
        WHERE id = ? AND coalesce(submission_status, 'pending') = ? AND coalesce(attempts, 0) = ?
        """,
        [
          .text(state.rawValue), .integer(count), .text(now.stored), .optional(outcome?.json), .integer(id),
          .text(former.state.rawValue), .integer(former.attemptCount),
        ]), old: ["submission_status": former.state.rawValue], new: ["submission_status": state.rawValue])
    guard let record = try await database.apply(change) else {
      throw StoreError(.conflict, "the report has another state meanwhile")
    }
    return try Submission(record)
  }
}

/// A report that the ministry would refuse.
package struct InvalidReport: Error, Sendable {
  package let problems: [FieldProblem]
}

extension ReportOutcome {
  /// What `response_data` holds. The codes are of letters, digits and hyphens.
  fileprivate var json: String {
    let communication = communication.map { #""\#($0)""# } ?? "null"
    return #"{"lote":"\#(lot)","codigoEstado":\#(lotState),"codigoComunicacion":\#(communication)}"#
  }
}
