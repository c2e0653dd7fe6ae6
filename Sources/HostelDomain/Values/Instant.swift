/// A moment, in UTC, with the resolution that stored times have.
package struct Instant: Sendable, Hashable, Comparable {
  /// Whole seconds since 1970-01-01T00:00:00Z.
  package let seconds: Int64
  /// 0 to 999,999,999.
  package let nanoseconds: Int

  /// - Parameter seconds: clamped to the years 1 to 9999.
  package init(seconds: Int64, nanoseconds: Int = 0) {
    let first = Int64(Day.range.lowerBound.number) * 86_400
    let last = Int64(Day.range.upperBound.number) * 86_400 + 86_399
    self.seconds = min(max(seconds, first), last)
    self.nanoseconds = min(max(nanoseconds, 0), 999_999_999)
  }

  /// Reads RFC 3339, with `Z` or an offset, and up to nine digits of a second.
  ///
  /// - Returns: nil for anything else, a leap second included: no clock of ours shows one.
  package init?(_ text: String) {
    let bytes = Array(text.utf8)
    guard bytes.count >= 20, let day = Day(String(decoding: bytes[0..<10], as: UTF8.self)),
      bytes[10] == UInt8(ascii: "T") || bytes[10] == UInt8(ascii: " "),
      let time = Self.time(bytes[11..<19])
    else { return nil }
    var index = 19
    var nanoseconds = 0
    if bytes[index] == UInt8(ascii: ".") {
      let digits = bytes[(index + 1)...].prefix { (0x30...0x39).contains($0) }
      guard let fraction = Digits.number(digits) else { return nil }
      nanoseconds = (0..<(9 - digits.count)).reduce(fraction) { value, _ in value * 10 }
      index += 1 + digits.count
    }
    guard let offset = Self.offset(bytes[index...]) else { return nil }
    let seconds = Int64(day.number) * 86_400 + Int64(time - offset)
    self.init(seconds: seconds, nanoseconds: nanoseconds)
    guard self.seconds == seconds else { return nil }
  }

  package static func < (one: Instant, other: Instant) -> Bool {
    (one.seconds, one.nanoseconds) < (other.seconds, other.nanoseconds)
  }

  /// The day in UTC.
  package var day: Day { Day(number: Int(seconds.floored(86_400))) ?? Day.range.lowerBound }

  /// That many seconds later.
  package func adding(seconds: Int64) -> Instant {
    let (sum, overflow) = self.seconds.addingReportingOverflow(seconds)
    return Instant(seconds: overflow ? (seconds > 0 ? .max : .min) : sum, nanoseconds: nanoseconds)
  }

  /// As SeaORM writes it: `+00:00`, and a fraction of 3, 6 or 9 digits only where there is one. Such texts sort as the moments
  /// do.
  package var stored: String { dateAndTime + fraction + "+00:00" }

  // MARK: - Parts

  /// Seconds of a day from `HH:MM:SS`.
  private static func time(_ bytes: ArraySlice<UInt8>) -> Int? {
    let start = bytes.startIndex
    guard bytes.count == 8, bytes[start + 2] == UInt8(ascii: ":"), bytes[start + 5] == UInt8(ascii: ":"),
      let hour = Digits.number(bytes[start..<start + 2]), let minute = Digits.number(bytes[start + 3..<start + 5]),
      let second = Digits.number(bytes[start + 6..<start + 8]), hour < 24, minute < 60, second < 60
    else { return nil }
    return hour * 3600 + minute * 60 + second
  }

  /// Seconds that the local time is ahead of UTC, from `Z` or `±HH:MM`.
  private static func offset(_ bytes: ArraySlice<UInt8>) -> Int? {
    if bytes.elementsEqual("Z".utf8) || bytes.elementsEqual("z".utf8) { return 0 }
    let start = bytes.startIndex
    guard bytes.count == 6, bytes[start + 3] == UInt8(ascii: ":"),
      let hour = Digits.number(bytes[start + 1..<start + 3]), let minute = Digits.number(bytes[start + 4..<start + 6]),
      hour < 24, minute < 60
    else { return nil }
    let size = hour * 3600 + minute * 60
    switch bytes[start] {
    case UInt8(ascii: "+"): return size
    case UInt8(ascii: "-"): return -size
    default: return nil
    }
  }

  private var dateAndTime: String {
    let second = Int(seconds - seconds.floored(86_400) * 86_400)
    let parts = [second / 3600, second / 60 % 60, second % 60].map { Digits.text($0, 2) }
    return "\(day)T\(parts.joined(separator: ":"))"
  }

  private var fraction: String {
    guard nanoseconds > 0 else { return "" }
    let digits = Digits.text(nanoseconds, 9)
    let count = nanoseconds % 1_000_000 == 0 ? 3 : nanoseconds % 1000 == 0 ? 6 : 9
    return "." + digits.prefix(count)
  }
}

extension Instant: CustomStringConvertible {
  /// RFC 3339 with `Z`.
  package var description: String { dateAndTime + fraction + "Z" }
}

extension Int64 {
  /// Divided and rounded down.
  fileprivate func floored(_ divisor: Int64) -> Int64 {
    let quotient = self / divisor
    return self % divisor < 0 ? quotient - 1 : quotient
  }
}
