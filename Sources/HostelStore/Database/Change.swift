internal import EncryptedStorage
internal import HostelDomain
internal import ReplicaSync

/// Who asks for something.
package struct Actor: Sendable, Hashable {
  /// As the token says it (`sub`), a user of the table `users`; nil for a job of the service itself.
  package let name: String?

  package init(_ name: String?) { self.name = name }

  package static let service = Actor(nil)
}

/// A change of the hostel's data, as one transaction that can be sent in one request.
///
/// The first statement decides: it changes one row, or none if its condition does not hold. The row in the outbox follows if it
/// did; everything else only if that row is there. So a claim and its condition are one, wherever the request runs, and the
/// outbox tells afterwards whether the change took effect. The last statement gives the record as it was committed.
struct Change: Sendable {
  /// Its name, and that of its event: a UUID.
  let id: String
  let statements: [RemoteStatement]
  /// Gives the record; no row when the condition did not hold.
  let result: RemoteStatement

  /// SQL that gives the id of the record, with its arguments.
  typealias RecordID = (sql: String, values: [Value])

  /// - Parameters:
  ///   - record: is evaluated after `deciding`.
  ///   - columns: of the record, as `r.…`.
  ///   - changed: what the audit log says about it: names and states, never what is personal.
  ///   - further: statements that end with a `WHERE` clause, to which the condition is added.
  init(
    _ event: HostelEvent, in table: String, record: RecordID, columns: String, by actor: Actor, at now: Instant,
    deciding: RemoteStatement, old: AuditValues? = nil, new: AuditValues? = nil, further: [RemoteStatement] = []
  ) {
    let id = Identifier.make()
    let action = new == nil ? "DELETE" : old == nil ? "CREATE" : "UPDATE"
    let outbox = RemoteStatement(
      """
      INSERT INTO outbox (event_id, topic, record_id, created_at)
      SELECT ?, ?, CAST((\(record.sql)) AS TEXT), ? WHERE changes() > 0
      """, [.text(id), .text(event.topic)] + record.values + [.text(now.stored)])
    let audit = RemoteStatement(
      """
      INSERT INTO audit_log (table_name, record_id, action, old_values, new_values, user_id, created_at)
      SELECT ?, record_id, ?, ?, ?, (SELECT id FROM users WHERE username = ?), ? FROM outbox WHERE event_id = ?
      """,
      [
        .text(table), .text(action), .optional(old?.json), .optional(new?.json), .optional(actor.name),
        .text(now.stored), .text(id),
      ])
    let guarded = further.map { statement in
      RemoteStatement(
        statement.sql + " AND EXISTS (SELECT 1 FROM outbox WHERE event_id = ?)", statement.values + [.text(id)])
    }
    self.id = id
    result = RemoteStatement(
      """
      SELECT \(columns) FROM \(table) r
      WHERE r.id = (SELECT CAST(record_id AS INTEGER) FROM outbox WHERE event_id = ?)
      """, [.text(id)])
    statements = [deciding, outbox, audit] + guarded + [result]
  }
}

/// What the audit log says of a record: values that are not personal, by column.
struct AuditValues: Sendable, ExpressibleByDictionaryLiteral {
  let json: String

  init(dictionaryLiteral elements: (String, String)...) {
    let members = elements.map { "\(Self.quoted($0)):\(Self.quoted($1))" }
    json = "{" + members.joined(separator: ",") + "}"
  }

  /// A JSON string. Values are states, dates and numbers; anything that would need more than these escapes is dropped.
  private static func quoted(_ text: String) -> String {
    let scalars = text.unicodeScalars.filter { $0.value >= 0x20 }
      .map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : String($0) }
    return "\"" + scalars.joined() + "\""
  }
}

/// Identifiers that are chosen before the request.
enum Identifier {
  /// The id of a row whose encrypted columns are bound to it, and which therefore has to be known before the row is there: 31
  /// bits of seconds since 2020, so that ids rise with time, and 22 random bits. Below 2^53, which JSON readers keep exact.
  /// Whoever has the same one finds the key taken.
  static func number(at now: Instant) -> Int64 {
    let seconds = min(max(now.seconds - 1_577_836_800, 0), 1 << 31 - 1)
    return seconds << 22 | Int64.random(in: 1..<(1 << 22))
  }

  /// A UUID of version 4. Source: RFC 9562, section 5.4.
  static func make() -> String {
    var bytes = (0..<16).map { _ in UInt8.random(in: .min ... .max) }
    bytes[6] = bytes[6] & 0x0F | 0x40
    bytes[8] = bytes[8] & 0x3F | 0x80
    let hex = bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
    return [0..<4, 4..<6, 6..<8, 8..<10, 10..<16].map { hex[$0].joined() }.joined(separator: "-")
  }
}

extension Value {
  /// A text, or NULL.
  static func optional(_ text: String?) -> Value { text.map { .text($0) } ?? .null }

  /// What SeaORM writes for a Boolean.
  static func flag(_ value: Bool) -> Value { .integer(value ? 1 : 0) }
}
