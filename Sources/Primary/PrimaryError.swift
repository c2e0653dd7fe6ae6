public import EncryptionKeys

/// Why the server cannot start, or cannot go on.
public struct PrimaryError: ReportedError, Sendable, CustomStringConvertible {
  /// One case per reaction a caller can have.
  public enum Code: String, Sendable, CaseIterable {
    /// What was asked for cannot be done, or is not safe.
    case usage
    /// The address is in use, or not of this machine.
    case address
    /// A library failed where it never should.
    case `internal`
  }

  /// What a caller can react to.
  public let code: Code
  /// What was found, in one sentence without a full stop.
  public let detail: String
  /// What to do about it.
  public let hint: String?

  /// An error; `detail` and `hint` must be free of secrets.
  public init(_ code: Code, _ detail: String, hint: String? = nil) {
    self.code = code
    self.detail = detail
    self.hint = hint
  }

  /// The detail.
  public var description: String { detail }
  /// The detail.
  public var report: String { detail }
  /// 69 for an address that cannot be had, 64 for everything else.
  public var exitCode: Int32 { code == .address ? 69 : 64 }
}
