/// An amount in euro cents.
package struct Money: Sendable, Hashable, Comparable {
  /// Cents, from 0 to ``centsMax``.
  package let cents: Int64

  /// What the column `real(10, 2)` is declared for: eight digits and two behind the point.
  package static let centsMax: Int64 = 9_999_999_999

  /// Nothing.
  package static let zero = Money(unchecked: 0)

  private init(unchecked cents: Int64) { self.cents = cents }

  /// - Returns: nil for a negative amount and one that no column holds.
  package init?(cents: Int64) {
    guard (0...Self.centsMax).contains(cents) else { return nil }
    self.cents = cents
  }

  /// From a stored number of euros, rounded to the nearest cent: 0.1 + 0.2 euros are 30 cents.
  package init?(stored euros: Double) {
    let cents = (euros * 100).rounded()
    guard cents.isFinite, (0...Double(Self.centsMax)).contains(cents) else { return nil }
    self.cents = Int64(cents)
  }

  /// In euros, for the column. Reading it again gives the same cents.
  package var stored: Double { Double(cents) / 100 }

  package static func < (one: Money, other: Money) -> Bool { one.cents < other.cents }

  /// - Returns: nil when it is more than an amount can be.
  package func times(_ count: Int) -> Money? {
    let (product, overflow) = cents.multipliedReportingOverflow(by: Int64(count))
    return overflow ? nil : Money(cents: product)
  }

  /// - Returns: nil when it is more than an amount can be.
  package func plus(_ other: Money) -> Money? { Money(cents: cents + other.cents) }

  /// What is left after `other` is taken away; nothing where that is more.
  package func minus(_ other: Money) -> Money { Money(unchecked: max(0, cents - other.cents)) }
}

extension Money: CustomStringConvertible {
  /// `15.00`
  package var description: String { "\(cents / 100).\(Digits.text(Int(cents % 100), 2))" }
}
