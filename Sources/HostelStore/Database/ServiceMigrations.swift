/// What the service needs beyond the hostel's ten migrations: each is one transaction, in this order.
package enum ServiceMigrations {
  package struct Migration: Sendable {
    package let name: String
    package let statements: [String]
  }

  /// The last of the ten that have to be there before.
  package static let foundation = "m20260111_000010_seed_synthetic_data"

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
  ]
}
