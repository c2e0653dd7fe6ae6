internal import HTTPTypes
internal import HostelDomain
internal import HostelStore

struct BookingRoutes: Sendable {
  let hostel: Hostel

  var endpoints: [Endpoint] {
    [
      Endpoint(
        method: .get, path: "/v1/bookings", name: "listBookings", summary: "The bookings, in the order of their ids.",
        parameters: [
          Endpoint.Parameter(name: "state", shape: Self.state, meaning: "only those that were left in this state"),
          .after,
          .limit,
        ], answer: (.ok, .object(.page("BookingPage", .object(Self.booking))), "application/json")
      ) { call in
        let state = call.text("state").flatMap { BookingState(rawValue: $0) }
        let reading = try await hostel.store.bookings(in: state, after: call.after, limit: call.limit)
        return Reply(.page(reading.value) { json($0) }, age: reading.age)
      },
      Endpoint(
        method: .post, path: "/v1/bookings", name: "book",
        summary: "Books a bed. Of all who ask for a night of a bed at a time, one gets it; it is held for two hours.",
        access: .writing, body: Self.newBooking, answer: (.created, .object(Self.booking), "application/json"),
        failures: [404, 409, 422]
      ) { call in try await book(call) },
      Endpoint(
        method: .get, path: "/v1/bookings/{reference}", name: "getBooking", summary: "A booking.",
        parameters: [.reference], answer: (.ok, .object(Self.booking), "application/json"), failures: [404]
      ) { call in
        let reading = try await hostel.store.booking(call.reference())
        return Reply(json(reading.value), age: reading.age)
      },
      moving("confirm", to: .confirmed, "confirmBooking", "Confirms a reservation, while it is held."),
      moving("check-in", to: .checkedIn, "checkIn", "The guest is here and gets the bed, if it is ready."),
      moving("check-out", to: .checkedOut, "checkOut", "The guest leaves; the bed has to be cleaned."),
      moving("cancel", to: .cancelled, "cancelBooking", "Gives the bed back."),
      Endpoint(
        method: .post, path: "/v1/bookings/{reference}/companions", name: "addCompanion",
        summary: "Adds somebody who shares the booking.", access: .writing, parameters: [.reference],
        body: Self.companion, answer: (.ok, .object(Self.booking), "application/json"), failures: [404, 409]
      ) { call in
        let kinship = call.body["kinship"]?.text.flatMap { Kinship(rawValue: $0) }
        let booking = try await hostel.store.addCompanion(
          call.body["pilgrim_id"]?.integer ?? 0, kinship: kinship, to: call.reference(), by: call.actor)
        return Reply(json(booking))
      },
      Endpoint(
        method: .get, path: "/v1/bookings/{reference}/payments", name: "listPayments",
        summary: "What was paid for a booking.", parameters: [.reference],
        answer: (.ok, .object(Self.payments), "application/json"), failures: [404]
      ) { call in
        let reading = try await hostel.store.payments(of: call.reference())
        return Reply(["items": .array(reading.value.map(Self.json))], age: reading.age)
      },
      Endpoint(
        method: .post, path: "/v1/bookings/{reference}/payments", name: "recordPayment",
        summary: "Notes that something was paid, up to the price of the booking.", access: .writing,
        parameters: [.reference], body: Self.newPayment, answer: (.created, .object(Self.payment), "application/json"),
        failures: [404, 409]
      ) { call in
        guard let amount = call.body["amount_cents"]?.integer.flatMap({ Money(cents: $0) }),
          let means = call.body["means"]?.text.flatMap({ PaymentMeans(rawValue: $0) })
        else { throw FieldProblem("", "format", "an amount and how it was paid") }
        return Reply(Self.json(try await hostel.store.pay(amount, means, for: call.reference(), by: call.actor)))
      },
      Endpoint(
        method: .post, path: "/v1/bookings/{reference}/payments/{id}/refund", name: "refundPayment",
        summary: "Notes that a payment was given back.", access: .writing, parameters: [.reference, .id],
        answer: (.ok, .object(Self.payment), "application/json"), failures: [404, 409]
      ) { call in
        Reply(Self.json(try await hostel.store.refund(call.integer("id"), of: call.reference(), by: call.actor)))
      },
    ]
  }

  private func moving(_ verb: String, to state: BookingState, _ name: String, _ summary: String) -> Endpoint {
    Endpoint(
      method: .post, path: "/v1/bookings/{reference}/\(verb)", name: name, summary: summary, access: .writing,
      parameters: [.reference], answer: (.ok, .object(Self.booking), "application/json"), failures: [404, 409]
    ) { call in
      Reply(json(try await hostel.store.move(call.reference(), to: state, by: call.actor)))
    }
  }

  private func book(_ call: Call) async throws -> Reply {
    let stay = try BedRoutes.stay(call.body["check_in"]?.text, call.body["check_out"]?.text)
    try stay.checkBookable(on: hostel.store.today)
    var generator = SystemRandomNumberGenerator()
    let reference = BookingReference(using: &generator)
    let new = NewBooking(
      pilgrimID: call.body["pilgrim_id"]?.integer ?? 0, bedID: call.body["bed_id"]?.integer ?? 0, stay: stay,
      hasInternet: call.body["has_internet"]?.bool ?? false)
    do {
      let booking = try await hostel.store.book(new, as: reference, by: call.actor)
      return Reply(json(booking), location: "/v1/bookings/\(reference)")
    } catch let error as StoreError where error.code == .outcomeUnknown {
      var problem = Problem(error)
      problem.reference = reference.description
      throw problem
    }
  }

  // MARK: - Shapes

  private static let state = Shape.choice(BookingState.allCases.map(\.rawValue))

  private static let newBooking = ObjectShape(
    "NewBooking",
    [
      Field("pilgrim_id", .integer(1...Int64.max), "who books"), Field("bed_id", .integer(1...Int64.max), "which bed"),
      Field("check_in", .day, "the day of arrival, today or later"),
      Field("check_out", .day, "the day of departure, which is free again"),
      Field("has_internet", .boolean, optional: true, "default false"),
    ])

  private static let companion = ObjectShape(
    "Companion",
    [
      Field("pilgrim_id", .integer(1...Int64.max), "who comes along"),
      Field(
        "kinship", .choice(Kinship.allCases.map(\.rawValue)), optional: true,
        "by its code in SES.Hospedajes; demanded for minors"),
    ])

  private static let booking = ObjectShape(
    "Booking",
    [
      Field("reference", .text(1...50), "what guest and hostel call it by"),
      Field("pilgrim_id", .integer(1...Int64.max), "who booked"),
      Field("bed_id", .integer(1...Int64.max), optional: true, "the bed"), Field("check_in", .day, "arrival"),
      Field("check_out", .day, "departure"), Field("nights", .integer(1...Int64(Stay.nightCountMax)), "how many"),
      Field("persons", .integer(1...1000), "how many"), Field("state", state, "what it is now"),
      Field("held_until", .moment, "until when a reservation is held"),
      Field("total_cents", .integer(0...Money.centsMax), "the price, in euro cents"),
      Field("created_at", .moment, optional: true, "when it was made"),
    ])

  private static let means = Shape.choice(PaymentMeans.allCases.map(\.rawValue))

  private static let newPayment = ObjectShape(
    "NewPayment",
    [
      Field("amount_cents", .integer(1...1_000_000), "in euro cents"),
      Field("means", means, "by its code in SES.Hospedajes"),
    ])

  private static let payment = ObjectShape(
    "Payment",
    [
      Field("id", .integer(1...Int64.max), "the id"), Field("receipt", .text(0...100), "the number of the receipt"),
      Field("amount_cents", .integer(0...Money.centsMax), "in euro cents"),
      Field("means", means, "by its code in SES.Hospedajes"),
      Field("state", .choice(PaymentState.allCases.map(\.rawValue)), "what it is now"),
      Field("paid_at", .moment, optional: true, "when it was paid"),
    ])

  private static let payments = ObjectShape(
    "PaymentList", [Field("items", .list(.object(payment), countMax: 200), "the payments")])

  // MARK: - Values

  private func json(_ booking: Booking) -> JSONValue {
    [
      "reference": .text(booking.reference.description), "pilgrim_id": .integer(booking.pilgrimID),
      "bed_id": .optional(booking.bedID), "check_in": .text("\(booking.stay.checkIn)"),
      "check_out": .text("\(booking.stay.checkOut)"), "nights": .integer(Int64(booking.stay.nightCount)),
      "persons": .integer(booking.personCount), "state": .text(booking.state(at: hostel.store.now).rawValue),
      "held_until": .text("\(booking.expires)"), "total_cents": .integer(booking.total.cents),
      "created_at": .optional(booking.created?.description),
    ]
  }

  private static func json(_ payment: Payment) -> JSONValue {
    [
      "id": .integer(payment.id), "receipt": .text(payment.receipt), "amount_cents": .integer(payment.amount.cents),
      "means": .text(payment.means.rawValue), "state": .text(payment.state.rawValue),
      "paid_at": .optional(payment.paid?.description),
    ]
  }
}
