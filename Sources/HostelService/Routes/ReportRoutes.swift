internal import HTTPTypes
internal import HostelDomain
internal import HostelStore

/// Reports to the authorities, and the audit log.
struct ReportRoutes: Sendable {
  let hostel: Hostel

  var endpoints: [Endpoint] {
    [
      Endpoint(
        method: .post, path: "/v1/bookings/{reference}/traveller-report", name: "queueReport",
        summary: "Makes the traveller report of a booking for SES.Hospedajes, and queues it.", access: .writing,
        parameters: [.reference], answer: (.created, .object(Self.report), "application/json"),
        failures: [404, 409, 422]
      ) { call in
        guard let code = hostel.establishmentCode else {
          throw Problem(
            .conflict, "conflict", "It cannot be done as things are",
            detail: "the establishment has no code: set ALBERGUE_ESTABLISHMENT_CODE")
        }
        let report = try await hostel.store.report(call.reference(), establishment: code, by: call.actor)
        return Reply(Self.json(report), location: "/v1/reports/\(report.id)/xml")
      },
      Endpoint(
        method: .get, path: "/v1/reports", name: "listReports", summary: "The reports, in the order of their ids.",
        parameters: [.after, .limit],
        answer: (.ok, .object(.page("ReportPage", .object(Self.report))), "application/json")
      ) { call in
        let reading = try await hostel.store.submissions(after: call.after, limit: call.limit)
        return Reply(.page(reading.value, Self.json), age: reading.age)
      },
      Endpoint(
        method: .get, path: "/v1/overdue-reports", name: "listOverdueReports",
        summary: "Stays that began more than 24 hours ago and have no report that was accepted.",
        parameters: [.after, .limit],
        answer: (.ok, .object(.page("OverdueReportPage", .object(Self.overdue))), "application/json")
      ) { call in
        let reading = try await hostel.store.overdueReports(after: call.after, limit: call.limit)
        return Reply(.page(reading.value, Self.json), age: reading.age)
      },
      Endpoint(
        method: .get, path: "/v1/reports/{id}/xml", name: "getReportXML",
        summary: "The body of the request to the ministry, before it is compressed.", parameters: [.id],
        answer: (.ok, nil, "application/xml"), failures: [404]
      ) { call in
        let id = try call.integer("id")
        let xml = try await hostel.store.xml(of: id)
        await hostel.noteReading(of: "government_submissions", id, by: call)
        return Reply(text: xml)
      },
      Endpoint(
        method: .post, path: "/v1/reports/{id}/outcome", name: "noteOutcome",
        summary: "Notes what became of an attempt to send a report.", access: .writing, parameters: [.id],
        body: Self.outcome, answer: (.ok, .object(Self.report), "application/json"), failures: [404, 409, 422]
      ) { call in
        var outcome: ReportOutcome?
        if let lot = call.body["lot"]?.text {
          outcome = try ReportOutcome(
            lot: lot, lotState: Int(call.body["lot_state"]?.integer ?? 0),
            communication: call.body["communication"]?.text)
        } else if call.body["lot_state"] != nil || call.body["communication"] != nil {
          throw FieldProblem("/lot", "required", "a state is that of a lot")
        }
        return Reply(Self.json(try await hostel.store.note(outcome, of: call.integer("id"), by: call.actor)))
      },
      Endpoint(
        method: .get, path: "/v1/audit", name: "listAudit",
        summary: "Who did what, in the order of the ids. Holds states, dates and numbers, nothing that is personal.",
        parameters: [.after, .limit],
        answer: (.ok, .object(.page("AuditPage", .object(Self.auditEntry))), "application/json")
      ) { call in
        let reading = try await hostel.store.audit(after: call.after, limit: call.limit)
        return Reply(.page(reading.value, Self.json), age: reading.age)
      },
    ]
  }

  // MARK: - Shapes

  private static let report = ObjectShape(
    "Report",
    [
      Field("id", .integer(1...Int64.max), "the id"),
      Field("state", .choice(SubmissionState.allCases.map(\.rawValue)), "what it is now"),
      Field("attempts", .integer(0...1_000_000), "how often it was sent"),
      Field("last_attempt", .moment, optional: true, "when it was sent last"),
      Field("next_attempt", .moment, optional: true, "when it is sent next"),
      Field("created_at", .moment, optional: true, "when it was made"),
    ])

  private static let overdue = ObjectShape(
    "OverdueReport",
    [
      Field("reference", .text(1...50), "of the booking"), Field("check_in", .day, "arrival"),
      Field("due", .moment, "when the report had to be there"),
      Field("report_id", .integer(1...Int64.max), optional: true, "the newest report; null when none was made"),
      Field(
        "report_state", .choice(SubmissionState.allCases.map(\.rawValue)), optional: true, "what that report is now"),
    ])

  private static let outcome = ObjectShape(
    "ReportOutcome",
    [
      Field(
        "lot", .text(36...36, pattern: "^[0-9a-z-]{36}$"), optional: true, "null when the ministry was not reached"),
      Field("lot_state", .integer(1...6), optional: true, "as `consultaLote` gives it; only 1 is a success"),
      Field("communication", .text(36...36, pattern: "^[0-9a-z-]{36}$"), optional: true, "the code that proves it"),
    ])

  private static let auditEntry = ObjectShape(
    "AuditEntry",
    [
      Field("id", .integer(1...Int64.max), "the id"), Field("table", .text(0...100), "the table"),
      Field("record", .text(0...100), "the id of the record"),
      Field("action", .text(0...20), "CREATE, READ, UPDATE, DELETE"),
      Field("old", .anyObject, optional: true, "what was"), Field("new", .anyObject, optional: true, "what is"),
      Field("user_id", .integer(1...Int64.max), optional: true, "who"), Field("at", .moment, optional: true, "when"),
    ])

  // MARK: - Values

  private static func json(_ report: Submission) -> JSONValue {
    [
      "id": .integer(report.id), "state": .text(report.state.rawValue), "attempts": .integer(report.attemptCount),
      "last_attempt": .optional(report.lastAttempt?.description),
      "next_attempt": .optional(report.nextAttempt?.description), "created_at": .optional(report.created?.description),
    ]
  }

  private static func json(_ overdue: OverdueReport) -> JSONValue {
    [
      "reference": .text(overdue.reference.description), "check_in": .text("\(overdue.checkIn)"),
      "due": .text("\(overdue.due)"), "report_id": .optional(overdue.reportID),
      "report_state": .optional(overdue.reportState?.rawValue),
    ]
  }

  private static func json(_ entry: AuditEntry) -> JSONValue {
    func object(_ text: String?) -> JSONValue { text.flatMap { JSONValue(parsing: Array($0.utf8)) } ?? .null }
    return [
      "id": .integer(entry.id), "table": .text(entry.table), "record": .text(entry.recordID),
      "action": .text(entry.action), "old": object(entry.old), "new": object(entry.new),
      "user_id": .optional(entry.userID), "at": .optional(entry.at?.description),
    ]
  }
}
