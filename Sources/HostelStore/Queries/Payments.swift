internal import EncryptedStorage
package import HostelDomain
internal import ReplicaSync

package struct Payment: Sendable, Hashable {
  package let id: Int64
  package let receipt: String
  package let amount: Money
  package let means: PaymentMeans
  package let state: PaymentState
  package let paid: Instant?

  static let columns = "r.id, r.receipt_number, r.amount, r.payment_type, r.payment_status, r.payment_date"

  init(_ values: [Value]) throws(StoreError) {
    let reader = RecordReader("payments", values)
    id = try reader.integer(0)
    receipt = reader.text(1) ?? ""
    amount = try reader.money(2)
    // Other programs of the hostel have names of their own.
    means = reader.text(3).flatMap { PaymentMeans(rawValue: $0) } ?? .other
    state = try reader.code(4, default: .awaitingPayment)
    paid = reader.instant(5)
  }
}

extension HostelStore {
  /// - Throws: ``StoreError`` `.notFound`.
  package func payments(of reference: BookingReference) async throws -> HostelDatabase.Reading<[Payment]> {
    try await database.read { session in
      let booking = try Self.booking(reference, session)
      return try session.query(
        "SELECT \(Payment.columns) FROM payments r WHERE r.booking_id = ? ORDER BY r.id LIMIT 200",
        [.integer(booking.id)]
      ) { try Payment($0.values) }
    }
  }

  /// Notes that something was paid. What is paid for a booking never comes to more than its price, however many pay at once.
  ///
  /// - Throws: ``StoreError`` `.notFound`; `.conflict` when it would be more than what is left, or the booking has lapsed.
  package func pay(
    _ amount: Money, _ means: PaymentMeans, for reference: BookingReference, by actor: Actor
  ) async throws -> Payment {
    let now = now
    let booking = try await booking(reference).value
    let receipt = Value.text("R-" + Identifier.make())
    let change = Change(
      .paymentRecorded, in: "payments", record: ("SELECT id FROM payments WHERE receipt_number = ?", [receipt]),
      columns: Payment.columns, by: actor, at: now,
      deciding: RemoteStatement(
        """
        INSERT INTO payments (booking_id, amount, payment_type, payment_status, currency, receipt_number, payment_date,
          payment_deadline, created_at, updated_at)
        SELECT b.id, ?, ?, 'paid', 'EUR', ?, ?, b.payment_deadline, ?, ? FROM bookings b
        WHERE b.id = ? AND b.status IN ('reserved', 'confirmed', 'checked_in', 'checked_out')
          AND CAST(round(b.total_amount * 100) AS INTEGER) >= ? + (
            SELECT coalesce(sum(CAST(round(p.amount * 100) AS INTEGER)), 0) FROM payments p
            WHERE p.booking_id = b.id AND p.payment_status = 'paid')
        """,
        [
          .real(amount.stored), .text(means.rawValue), receipt, .text(now.stored), .text(now.stored),
          .text(now.stored), .integer(booking.id), .integer(amount.cents),
        ]),
      new: ["payment_status": "paid", "amount": "\(amount)", "payment_type": means.rawValue])
    guard let record = try await database.apply(change) else {
      throw StoreError(.conflict, "the booking has lapsed, or less is left to pay")
    }
    return try Payment(record)
  }

  /// - Throws: ``StoreError`` `.notFound`; `.conflict` when the payment is not paid.
  package func refund(_ id: Int64, of reference: BookingReference, by actor: Actor) async throws -> Payment {
    guard let payment = try await payments(of: reference).value.first(where: { $0.id == id }) else {
      throw StoreError(.notFound, "the booking has no payment with this id")
    }
    let now = now
    let states = PaymentState.predecessors(of: .refunded).map { "'\($0.rawValue)'" }.joined(separator: ", ")
    let change = Change(
      .paymentRefunded, in: "payments", record: ("SELECT ?", [.integer(id)]), columns: Payment.columns, by: actor,
      at: now,
      deciding: RemoteStatement(
        """
        UPDATE payments SET payment_status = 'refunded', updated_at = ? WHERE id = ? AND payment_status IN (\(states))
        """, [.text(now.stored), .integer(id)]),
      old: ["payment_status": payment.state.rawValue], new: ["payment_status": "refunded"])
    guard let record = try await database.apply(change) else {
      throw StoreError(.conflict, "a payment that is \(payment.state.rawValue) cannot be refunded")
    }
    return try Payment(record)
  }
}
