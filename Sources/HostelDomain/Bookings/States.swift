/// States with the ways that lead from one to another. The raw value is what the column holds.
package protocol LifeCycle: RawRepresentable<String>, CaseIterable, Hashable, Sendable {
  /// States that can follow this one.
  var successors: Set<Self> { get }
}

extension LifeCycle {
  package func canBecome(_ next: Self) -> Bool { successors.contains(next) }

  /// States from which `next` can be reached in one step.
  package static func predecessors(of next: Self) -> [Self] { allCases.filter { $0.canBecome(next) } }
}

/// A booking: `reserved` for two hours, then confirmed or expired.
package enum BookingState: String, LifeCycle {
  case reserved, confirmed
  case checkedIn = "checked_in"
  case checkedOut = "checked_out"
  case expired, cancelled
  /// Written by the hostel's other programs only.
  case completed, deleted

  package var successors: Set<Self> {
    switch self {
    case .reserved: [.confirmed, .expired, .cancelled]
    case .confirmed: [.checkedIn, .cancelled]
    case .checkedIn: [.checkedOut, .cancelled]
    case .checkedOut: [.completed]
    case .expired, .cancelled, .completed, .deleted: []
    }
  }

  /// Whether the bed is taken. A reservation whose time has passed takes none, whatever its state is.
  package var isOpen: Bool {
    switch self {
    case .reserved, .confirmed, .checkedIn: true
    case .checkedOut, .expired, .cancelled, .completed, .deleted: false
    }
  }

  /// Seconds that a reservation is held.
  package static let reservationSeconds: Int64 = 2 * 3600
}

/// A bed as it stands in the room now. Whether it is free on other days is a question about bookings.
package enum BedState: String, LifeCycle {
  case available, reserved, occupied, cleaning, maintenance, unavailable

  package var successors: Set<Self> {
    switch self {
    case .available: [.reserved, .occupied, .cleaning, .maintenance, .unavailable]
    case .reserved: [.available, .occupied]
    case .occupied: [.cleaning]
    case .cleaning: [.available, .maintenance]
    case .maintenance: [.cleaning, .available, .unavailable]
    case .unavailable: [.available, .maintenance]
    }
  }

  /// Whether the bed can be booked at all.
  package var isBookable: Bool { self != .maintenance && self != .unavailable }

  /// Whether a guest can be given the bed now.
  package var isReady: Bool { self == .available || self == .reserved }
}

/// A payment.
package enum PaymentState: String, LifeCycle {
  case awaitingPayment = "awaiting_payment"
  case paid, failed, cancelled, refunded, deleted

  package var successors: Set<Self> {
    switch self {
    case .awaitingPayment: [.paid, .failed, .cancelled]
    case .failed: [.awaitingPayment, .cancelled]
    case .paid: [.refunded]
    case .cancelled, .refunded, .deleted: []
    }
  }
}

/// A report to the authorities.
package enum SubmissionState: String, LifeCycle {
  case pending, success, failed
  case pendingRetry = "pending_retry"
  case deleted

  package var successors: Set<Self> {
    switch self {
    case .pending, .pendingRetry: [.success, .failed, .pendingRetry]
    // With a corrected report.
    case .failed: [.pending]
    case .success, .deleted: []
    }
  }

  /// Times that a report is sent before a person has to look at it.
  package static let attemptCountMax = 3

  /// The state after an attempt that failed.
  ///
  /// - Parameter count: attempts so far, this one included.
  package static func afterFailure(_ count: Int) -> SubmissionState {
    count < attemptCountMax ? .pendingRetry : .failed
  }

  /// Seconds to wait after the failed attempt with this number, from 1: 5, 10, 20 minutes. Reports are due within a day.
  package static func pauseSeconds(afterAttempt number: Int) -> Int64 { 300 << Int64(min(max(number, 1), 8) - 1) }
}
