/// Who uses the hostel, and what was done with their data.
extension HostelMigrations {
  static let users = TableDefinition(
    name: "users",
    columns: [
      .id, .unique("username", .string), .required("password", .string), .optional("created_at", .timestamp),
    ])

  /// What ends in `_encrypted` is encrypted by the service, one value at a time.
  static let pilgrims = TableDefinition(
    name: "pilgrims",
    columns: [
      .id, .required("first_name_encrypted", .text), .required("last_name1_encrypted", .text),
      .optional("last_name2_encrypted", .text), .required("birth_date_encrypted", .text),
      .required("document_type", .string), .required("document_number_encrypted", .text),
      .optional("document_support", .string), .required("gender", .string), .optional("nationality", .string),
      .required("phone_encrypted", .text), .optional("email_encrypted", .text), .required("address_country", .string),
      .required("address_street_encrypted", .text), .optional("address_street2_encrypted", .text),
      .required("address_city_encrypted", .text), .required("address_postal_code", .string),
      .optional("address_province", .string), .optional("address_municipality_code", .string),
      .optional("id_photo_url", .string), .optional("language", .string), .optional("consent_given", .boolean),
      .optional("consent_date", .timestamp), .optional("data_retention_until", .timestamp),
      .optional("last_access_date", .timestamp), .optional("created_at", .timestamp),
      .optional("updated_at", .timestamp),
    ])

  static let notifications = TableDefinition(
    name: "notifications",
    columns: [
      .id, .optional("booking_id", .integer), .optional("pilgrim_id", .integer), .required("channel", .string),
      .required("recipient", .string), .optional("subject", .string), .required("message", .text),
      .optional("status", .string), .optional("provider_message_id", .string), .optional("error_message", .text),
      .optional("sent_at", .timestamp), .optional("created_at", .timestamp),
    ],
    references: [("booking_id", "bookings"), ("pilgrim_id", "pilgrims")],
    indexes: [
      .init(name: "idx_notifications_booking", columns: ["booking_id"]),
      .init(name: "idx_notifications_pilgrim", columns: ["pilgrim_id"]),
    ])

  static let auditLog = TableDefinition(
    name: "audit_log",
    columns: [
      .id, .required("table_name", .string), .required("record_id", .string), .required("action", .string),
      .optional("old_values", .json), .optional("new_values", .json), .optional("user_id", .integer),
      .optional("ip_address", .string), .optional("user_agent", .text), .optional("created_at", .timestamp),
    ],
    references: [("user_id", "users")],
    indexes: [.init(name: "idx_audit_log_record", columns: ["table_name", "record_id"])])
}
