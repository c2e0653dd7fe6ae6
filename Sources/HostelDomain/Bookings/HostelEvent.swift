/// What has happened, as the outbox names it: `albergue.v1.booking.reserved`.
package enum HostelEvent: String, Sendable, CaseIterable {
  case bedAdded = "bed.added"
  case bedStatusChanged = "bed.status_changed"
  case pilgrimRegistered = "pilgrim.registered"
  case pilgrimErased = "pilgrim.erased"
  case bookingReserved = "booking.reserved"
  case bookingConfirmed = "booking.confirmed"
  case bookingCheckedIn = "booking.checked_in"
  case bookingCheckedOut = "booking.checked_out"
  case bookingCancelled = "booking.cancelled"
  case bookingExpired = "booking.expired"
  case companionAdded = "booking.companion_added"
  case paymentRecorded = "payment.recorded"
  case paymentRefunded = "payment.refunded"
  case reportQueued = "government.submission_queued"
  case reportSucceeded = "government.submission_succeeded"
  case reportFailed = "government.submission_failed"

  /// The name under which it is published.
  package var topic: String { "albergue.v1." + rawValue }

  /// What happened to a booking that has become `state`.
  package init?(becoming state: BookingState) {
    switch state {
    case .reserved: self = .bookingReserved
    case .confirmed: self = .bookingConfirmed
    case .checkedIn: self = .bookingCheckedIn
    case .checkedOut: self = .bookingCheckedOut
    case .cancelled: self = .bookingCancelled
    case .expired: self = .bookingExpired
    case .completed, .deleted: return nil
    }
  }
}
