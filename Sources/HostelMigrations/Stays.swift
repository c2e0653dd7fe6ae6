/// Beds, who sleeps in them, what that costs, and what the ministry is told about it.
extension HostelMigrations {
  static let beds = TableDefinition(
    name: "beds",
    columns: [
      .id, .required("bed_number", .integer), .required("room_number", .integer), .required("room_name", .string),
      .optional("room_type", .string), .required("price_per_night", .money), .optional("currency", .string),
      .optional("is_available", .boolean), .optional("status", .string), .optional("reserved_until", .timestamp),
      .optional("last_cleaned_at", .timestamp), .optional("maintenance_notes", .text),
      .optional("created_at", .timestamp), .optional("updated_at", .timestamp),
    ],
    indexes: [.init(name: "idx_beds_bed_number", columns: ["bed_number"], isUnique: true)])

  static let bookings = TableDefinition(
    name: "bookings",
    columns: [
      .id, .required("pilgrim_id", .integer), .unique("reference_number", .string), .required("check_in_date", .date),
      .required("check_out_date", .date), .required("number_of_nights", .integer),
      .optional("number_of_persons", .integer), .optional("number_of_rooms", .integer),
      .optional("has_internet", .boolean), .optional("status", .string), .optional("bed_assignment_id", .integer),
      .optional("estimated_arrival_time", .string), .optional("notes", .text), .required("total_amount", .money),
      .required("reservation_expires_at", .timestamp), .required("payment_deadline", .timestamp),
      .optional("auto_cleanup_processed", .boolean), .optional("created_at", .timestamp),
      .optional("updated_at", .timestamp),
    ],
    references: [("pilgrim_id", "pilgrims"), ("bed_assignment_id", "beds")],
    indexes: [
      .init(name: "idx_bookings_status", columns: ["status"]),
      .init(name: "idx_bookings_reservation_expires_at", columns: ["reservation_expires_at"]),
    ])

  static let payments = TableDefinition(
    name: "payments",
    columns: [
      .id, .required("booking_id", .integer), .required("amount", .money), .required("payment_type", .string),
      .optional("payment_status", .string), .optional("currency", .string), .optional("receipt_number", .string),
      .optional("payment_date", .timestamp), .required("payment_deadline", .timestamp),
      .optional("transaction_id", .string), .optional("gateway_response", .json), .optional("created_at", .timestamp),
      .optional("updated_at", .timestamp),
    ],
    references: [("booking_id", "bookings")],
    indexes: [.init(name: "idx_payments_booking_id", columns: ["booking_id"])])

  static let pricing = TableDefinition(
    name: "pricing",
    columns: [
      .id, .required("room_type", .string), .required("bed_type", .string), .required("price_per_night", .money),
      .optional("currency", .string), .optional("is_active", .boolean), .optional("created_at", .timestamp),
      .optional("updated_at", .timestamp),
    ],
    indexes: [.init(name: "idx_pricing_room_bed", columns: ["room_type", "bed_type"])])

  static let governmentSubmissions = TableDefinition(
    name: "government_submissions",
    columns: [
      .id, .required("booking_id", .integer), .required("xml_content", .text), .optional("submission_status", .string),
      .optional("response_data", .json), .optional("attempts", .integer), .optional("last_attempt", .timestamp),
      .optional("created_at", .timestamp),
    ],
    references: [("booking_id", "bookings")])
}
