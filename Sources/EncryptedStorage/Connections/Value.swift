/// A value of SQLite: one of its five storage classes. Source: https://www.sqlite.org/datatype3.html
public enum Value: Sendable, Hashable {
  case null
  case integer(Int64)
  case real(Double)
  case text(String)
  case blob([UInt8])
}

extension Value: ExpressibleByNilLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
  ExpressibleByStringLiteral
{
  /// `NULL`.
  public init(nilLiteral: ()) { self = .null }
  /// An `INTEGER`.
  public init(integerLiteral value: Int64) { self = .integer(value) }
  /// A `REAL`.
  public init(floatLiteral value: Double) { self = .real(value) }
  /// A `TEXT`.
  public init(stringLiteral value: String) { self = .text(value) }
}

extension Value {
  /// The number, when this is an `INTEGER`.
  public var integer: Int64? { if case .integer(let value) = self { value } else { nil } }
  /// The string, when this is a `TEXT`.
  public var text: String? { if case .text(let value) = self { value } else { nil } }
  /// The number, when this is a `REAL` or an `INTEGER`.
  public var real: Double? {
    switch self {
    case .real(let value): value
    case .integer(let value): Double(value)
    default: nil
    }
  }
  /// The bytes, when this is a `BLOB`.
  public var blob: [UInt8]? { if case .blob(let value) = self { value } else { nil } }
}
