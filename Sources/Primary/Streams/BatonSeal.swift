/// Makes batons that only this process can make: which stream, which of its requests, and a MAC over both.
struct BatonSeal: Sendable {
  struct Content: Sendable, Equatable {
    let stream: UInt64
    let sequence: UInt64
  }

  enum Verdict: Sendable, Equatable {
    case genuine(Content)
    /// Of another process, perhaps of the one before a restart, or made up.
    case foreign
    case malformed
  }

  private static let contentByteCount = 16
  private let secret: ProcessSecret

  init(_ secret: ProcessSecret) { self.secret = secret }

  /// A baton, in hexadecimal digits.
  func baton(_ content: Content) -> String {
    let bytes = Self.bytes(content)
    return (bytes + (secret.mac(of: bytes) ?? [])).reduce(into: "") { text, byte in
      text += String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
    }
  }

  func open(_ baton: String) -> Verdict {
    guard let bytes = Self.bytes(digits: baton) else { return .malformed }
    let content = Array(bytes.prefix(Self.contentByteCount))
    guard secret.isMAC(Array(bytes.suffix(ProcessSecret.macByteCount)), of: content) else { return .foreign }
    return .genuine(Content(stream: Self.number(content[..<8]), sequence: Self.number(content[8...])))
  }

  private static func bytes(_ content: Content) -> [UInt8] {
    [content.stream, content.sequence].flatMap { number in
      (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * UInt64($0))) }
    }
  }

  private static func bytes(digits: String) -> [UInt8]? {
    let values = digits.utf8.prefix(256).map { digit in Character(Unicode.Scalar(digit)).hexDigitValue }
    guard values.count == 2 * (contentByteCount + ProcessSecret.macByteCount), values.allSatisfy({ $0 != nil }) else {
      return nil
    }
    return stride(from: 0, to: values.count, by: 2).map { UInt8((values[$0] ?? 0) << 4 | (values[$0 + 1] ?? 0)) }
  }

  private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
}
