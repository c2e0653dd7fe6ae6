import TestSupport
import Testing

/// What SeaORM 2 makes of the hostel's migrations, written out: from sea-query's rules, not from our code.
enum SeaORMDatabase {
  static let versions = [
    "m20260111_000001_users", "m20260111_000002_pilgrims", "m20260111_000003_beds", "m20260111_000004_bookings",
    "m20260111_000005_payments", "m20260111_000006_pricing", "m20260111_000007_government_submissions",
    "m20260111_000008_notifications", "m20260111_000009_audit_log", "m20260111_000010_seed_synthetic_data",
  ]

  static let tracker = """
    CREATE TABLE "seaql_migrations" ( "version" varchar NOT NULL PRIMARY KEY, "applied_at" integer NOT NULL )
    """

  /// The definitions of tables and indexes in the order in which they are made, one a line, as `sqlite_schema` shows them.
  static let schema = #"""
    CREATE TABLE "users" ( "id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "username" varchar NOT NULL UNIQUE, \#
    "password" varchar NOT NULL, "created_at" timestamp_text NULL )
    CREATE TABLE "pilgrims" ( "id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, \#
    "first_name_encrypted" text NOT NULL, "last_name1_encrypted" text NOT NULL, \#
    "last_name2_encrypted" text NULL, "birth_date_encrypted" text NOT NULL, "document_type" varchar NOT NULL, \#
    "document_number_encrypted" text NOT NULL, "document_support" varchar NULL, "gender" varchar NOT NULL, \#
    "nationality" varchar NULL, "phone_encrypted" text NOT NULL, "email_encrypted" text NULL, \#
    "address_country" varchar NOT NULL, "address_street_encrypted" text NOT NULL, \#
    "address_street2_encrypted" text NULL, "address_city_encrypted" text NOT NULL, \#
    "address_postal_code" varchar NOT NULL, "address_province" varchar NULL, \#
    "address_municipality_code" varchar NULL, "id_photo_url" varchar NULL, "language" varchar NULL, \#
    "consent_given" boolean NULL, "consent_date" timestamp_text NULL, \#
    "data_retention_until" timestamp_text NULL, "last_access_date" timestamp_text NULL, \#
    "created_at" timestamp_text NULL, "updated_at" timestamp_text NULL )
    CREATE TABLE "beds" ( "id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "bed_number" integer NOT NULL, \#
    "room_number" integer NOT NULL, "room_name" varchar NOT NULL, "room_type" varchar NULL, \#
    "price_per_night" real(10, 2) NOT NULL, "currency" varchar NULL, "is_available" boolean NULL, \#
    "status" varchar NULL, "reserved_until" timestamp_text NULL, "last_cleaned_at" timestamp_text NULL, \#
    "maintenance_notes" text NULL, "created_at" timestamp_text NULL, "updated_at" timestamp_text NULL )
    CREATE UNIQUE INDEX "idx_beds_bed_number" ON "beds" ("bed_number")
    CREATE TABLE "bookings" ( "id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "pilgrim_id" integer NOT NULL, \#
    "reference_number" varchar NOT NULL UNIQUE, "check_in_date" date_text NOT NULL, \#
    "check_out_date" date_text NOT NULL, "number_of_nights" integer NOT NULL, "number_of_persons" integer NULL, \#
    "number_of_rooms" integer NULL, "has_internet" boolean NULL, "status" varchar NULL, \#
    "bed_assignment_id" integer NULL, "estimated_arrival_time" varchar NULL, "notes" text NULL, \#
    "total_amount" real(10, 2) NOT NULL, "reservation_expires_at" timestamp_text NOT NULL, \#
    "payment_deadline" timestamp_text NOT NULL, "auto_cleanup_processed" boolean NULL, \#
    "created_at" timestamp_text NULL, "updated_at" timestamp_text NULL, \#
    FOREIGN KEY ("pilgrim_id") REFERENCES "pilgrims" ("id"), \#
    FOREIGN KEY ("bed_assignment_id") REFERENCES "beds" ("id") )
    CREATE INDEX "idx_bookings_status" ON "bookings" ("status")
    CREATE INDEX "idx_bookings_reservation_expires_at" ON "bookings" ("reservation_expires_at")
    CREATE TABLE "payments" ( "id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "booking_id" integer NOT NULL, \#
    "amount" real(10, 2) NOT NULL, "payment_type" varchar NOT NULL, "payment_status" varchar NULL, \#
    "currency" varchar NULL, "receipt_number" varchar NULL, "payment_date" timestamp_text NULL, \#
    "payment_deadline" timestamp_text NOT NULL, "transaction_id" varchar NULL, \#
    "gateway_response" json_text NULL, "created_at" timestamp_text NULL, "updated_at" timestamp_text NULL, \#
    FOREIGN KEY ("booking_id") REFERENCES "bookings" ("id") )
    CREATE INDEX "idx_payments_booking_id" ON "payments" ("booking_id")
    CREATE TABLE "pricing" ( "id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "room_type" varchar NOT NULL, \#
    "bed_type" varchar NOT NULL, "price_per_night" real(10, 2) NOT NULL, "currency" varchar NULL, \#
    "is_active" boolean NULL, "created_at" timestamp_text NULL, "updated_at" timestamp_text NULL )
    CREATE INDEX "idx_pricing_room_bed" ON "pricing" ("room_type", "bed_type")
    CREATE TABLE "government_submissions" ( "id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, \#
    "booking_id" integer NOT NULL, "xml_content" text NOT NULL, "submission_status" varchar NULL, \#
    "response_data" json_text NULL, "attempts" integer NULL, "last_attempt" timestamp_text NULL, \#
    "created_at" timestamp_text NULL, FOREIGN KEY ("booking_id") REFERENCES "bookings" ("id") )
    CREATE TABLE "notifications" ( "id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "booking_id" integer NULL, \#
    "pilgrim_id" integer NULL, "channel" varchar NOT NULL, "recipient" varchar NOT NULL, \#
    "subject" varchar NULL, "message" text NOT NULL, "status" varchar NULL, "provider_message_id" varchar NULL, \#
    "error_message" text NULL, "sent_at" timestamp_text NULL, "created_at" timestamp_text NULL, \#
    FOREIGN KEY ("booking_id") REFERENCES "bookings" ("id"), \#
    FOREIGN KEY ("pilgrim_id") REFERENCES "pilgrims" ("id") )
    CREATE INDEX "idx_notifications_booking" ON "notifications" ("booking_id")
    CREATE INDEX "idx_notifications_pilgrim" ON "notifications" ("pilgrim_id")
    CREATE TABLE "audit_log" ( "id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "table_name" varchar NOT NULL, \#
    "record_id" varchar NOT NULL, "action" varchar NOT NULL, "old_values" json_text NULL, \#
    "new_values" json_text NULL, "user_id" integer NULL, "ip_address" varchar NULL, "user_agent" text NULL, \#
    "created_at" timestamp_text NULL, FOREIGN KEY ("user_id") REFERENCES "users" ("id") )
    CREATE INDEX "idx_audit_log_record" ON "audit_log" ("table_name", "record_id")
    """#

  /// The definitions of the first migrations, up to the indexes of the last.
  static func definitions(_ migrationCount: Int) -> [String] {
    var tableCount = 0
    return schema.split(separator: "\n").map(String.init).filter { line in
      if line.hasPrefix("CREATE TABLE") { tableCount += 1 }
      return tableCount <= migrationCount
    }
  }

  /// The first migrations, as SeaORM leaves a database after them: its statements and its records, no checksums.
  static func script(_ migrationCount: Int) -> String {
    let tables = ([tracker] + definitions(migrationCount)).map {
      $0.replacing("CREATE TABLE", with: "CREATE TABLE IF NOT EXISTS") + ";"
    }
    let records = versions.prefix(migrationCount).map {
      "INSERT INTO \"seaql_migrations\" (\"version\", \"applied_at\") VALUES ('\($0)', 1700000000);"
    }
    return (tables + records).joined(separator: "\n")
  }
}
