/// What the service needs beyond the hostel's ten migrations: each is one transaction, in this order.
///
/// They are recorded in a table of their own, of the same form as SeaORM's. In SeaORM's own table they would stop every other
/// migrator of the hostel, which refuses to go on when something is applied whose file it does not have.
package enum ServiceMigrations {
  package struct Migration: Sendable {
    package let name: String
    package let statements: [String]
  }

  /// The table that says which of them are applied.
  package static let tracker = "albergue_service_migrations"
  static let trackerDefinition =
    #"CREATE TABLE IF NOT EXISTS "\#(tracker)" ( "version" varchar NOT NULL PRIMARY KEY, "applied_at" integer NOT NULL )"#

  /// The tables that the hostel's ten migrations make, and that have to be there before.
  static let foundation: Set<String> = [
    "users", "pilgrims", "beds", "bookings", "payments", "pricing", "government_submissions", "notifications",
    "audit_log",
  ]

  package static let all: [Migration] = [
    Migration(
      name: "m20261121_000001_pilgrim_lookup",
      statements: [
        #"ALTER TABLE "pilgrims" ADD COLUMN "document_hash" varchar NULL"#,
        #"ALTER TABLE "pilgrims" ADD COLUMN "phone2_encrypted" text NULL"#,
        // One record for each document; NULL for those that were erased.
        #"CREATE UNIQUE INDEX "idx_pilgrims_document_hash" ON "pilgrims" ("document_hash")"#,
      ]),
    Migration(
      name: "m20261121_000002_booking_nights",
      statements: [
        #"CREATE INDEX "idx_bookings_bed_nights" ON "bookings" ("bed_assignment_id", "check_in_date", "check_out_date")"#,
        #"CREATE INDEX "idx_bookings_pilgrim" ON "bookings" ("pilgrim_id")"#,
      ]),
    Migration(
      name: "m20261121_000003_booking_companions",
      statements: [
        #"CREATE TABLE "booking_companions" ( "id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "booking_id" integer NOT NULL, "pilgrim_id" integer NOT NULL, "kinship" varchar NULL, "created_at" timestamp_text NULL, FOREIGN KEY ("booking_id") REFERENCES "bookings" ("id"), FOREIGN KEY ("pilgrim_id") REFERENCES "pilgrims" ("id") )"#,
        #"CREATE UNIQUE INDEX "idx_booking_companions" ON "booking_companions" ("booking_id", "pilgrim_id")"#,
        #"CREATE INDEX "idx_booking_companions_pilgrim" ON "booking_companions" ("pilgrim_id")"#,
      ]),
    Migration(
      name: "m20261121_000004_outbox",
      statements: [
        #"CREATE TABLE "outbox" ( "id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "event_id" varchar NOT NULL UNIQUE, "topic" varchar NOT NULL, "record_id" varchar NOT NULL, "created_at" timestamp_text NOT NULL, "published_at" timestamp_text NULL )"#
      ]),
    Migration(
      name: "m20261121_000005_report_bookings",
      statements: [
        #"CREATE INDEX "idx_government_submissions_booking" ON "government_submissions" ("booking_id")"#
      ]),
  ]
}
