internal import EncryptedStorage
package import HostelDomain

/// Something that has happened: a row of the outbox. Names records, and holds nothing of what is in them.
package struct OutboxEvent: Sendable, Hashable {
  /// Rises with every commit: changes are made one after another where the hostel's data is.
  package let id: Int64
  /// The name of the change: a UUID.
  package let event: String
  /// `albergue.v1.booking.reserved`
  package let topic: String
  package let recordID: String
  package let at: Instant?

  init(_ values: [Value]) throws(StoreError) {
    let reader = RecordReader("outbox", values)
    id = try reader.integer(0)
    event = try reader.need(1) { $0.text }
    topic = try reader.need(2) { $0.text }
    recordID = try reader.need(3) { $0.text }
    at = reader.instant(4)
  }
}

extension HostelStore {
  /// What has happened after the event with this id, in order.
  package func events(after id: Int64 = 0, limit: Int = 50) async throws -> HostelDatabase.Reading<Page<OutboxEvent>> {
    try await database.read { session in
      let events = try session.query(
        "SELECT id, event_id, topic, record_id, created_at FROM outbox WHERE id > ? ORDER BY id LIMIT ?",
        [.integer(id), .integer(Int64(limit) + 1)]
      ) { try OutboxEvent($0.values) }
      return Page(events, limit: limit, id: \.id)
    }
  }
}
