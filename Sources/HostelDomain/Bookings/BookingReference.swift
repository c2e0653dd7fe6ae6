/// The number that guest and hostel call a booking by: `AC-7KQ2M-9XH4T`.
///
/// Ten characters that are chosen at random, so that nobody can guess another guest's, out of an alphabet without the pairs
/// that people mix up (0 and O, 1 and I and L).
package struct BookingReference: Sendable, Hashable, CustomStringConvertible {
  package let description: String

  private static let alphabet = Array("23456789ABCDEFGHJKMNPQRSTUVWXYZ")
  private static let prefix = "AC-"

  /// A new one.
  package init(using generator: inout some RandomNumberGenerator) {
    let characters = (0..<10).map { _ in Self.alphabet.randomElement(using: &generator) ?? "2" }
    description = Self.prefix + String(characters[..<5]) + "-" + String(characters[5...])
  }

  /// Reads what somebody typed, where small letters will do, or what another program of the hostel has chosen: 1 to 50 letters,
  /// digits, points, hyphens and underscores.
  package init?(_ text: String) {
    if let own = Self.own(text) {
      description = own
    } else {
      guard (1...50).contains(text.utf8.count), text.utf8.allSatisfy(Self.isAllowed) else { return nil }
      description = text
    }
  }

  private static func isAllowed(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
      || "-._".utf8.contains(byte)
  }

  private static func own(_ text: String) -> String? {
    let upper = text.uppercased()
    let parts = upper.split(separator: "-", omittingEmptySubsequences: false)
    guard upper.utf8.count == 14, parts.count == 3, parts[0] == "AC", parts[1].count == 5, parts[2].count == 5,
      (parts[1] + parts[2]).allSatisfy({ alphabet.contains($0) })
    else { return nil }
    return upper
  }
}
