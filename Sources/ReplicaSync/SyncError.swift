public import EncryptionKeys

/// Why a replica could not be synchronised, read or written, where neither storage nor remote has failed: what, and what to
/// do.
///
/// Holds no key, token or value of a row, so it is safe to log.
public struct SyncError: ReportedError, Sendable, Hashable, CustomStringConvertible {
  /// What went wrong, as far as a caller can react to it.
  public let code: Code
  /// What was found, in one sentence without a full stop.
  public let detail: String
  /// What to do about it, where something can be done.
  public let hint: String?

  package init(_ code: Code, _ detail: String, hint: String? = nil) {
    self.code = code
    self.detail = detail
    self.hint = hint
  }

  /// ``detail``.
  public var description: String { detail }
  /// ``detail``.
  public var report: String { detail }
  /// That of the code.
  public var exitCode: Int32 { code.exitCode }
}

extension SyncError {
  /// A kind of failure with its process exit code. A struct, so that kinds can be added.
  ///
  /// - Source: exit codes follow `sysexits.h`.
  public struct Code: Hashable, Sendable, CustomStringConvertible {
    /// Short name of the kind, as in `other-remote`.
    public let description: String
    /// Exit code of a program that ends with this error.
    public let exitCode: Int32

    init(_ description: String, _ exitCode: Int32) {
      self.description = description
      self.exitCode = exitCode
    }

    /// A setting is missing, unknown, or contradicts another one (64).
    public static let configuration = Code("configuration", 64)
    /// A statement that cannot be run this way (64).
    public static let statement = Code("statement", 64)
    /// The file is no replica (65).
    public static let notAReplica = Code("not-a-replica", 65)
    /// Another process synchronises this replica (75).
    public static let busy = Code("busy", 75)
    /// The replica has not reached what was written, and the time for waiting is over (75).
    public static let stale = Code("stale", 75)
    /// The replica is a copy of another database than the one at the address (76).
    public static let otherRemote = Code("other-remote", 76)
    /// A transaction of the remote is larger than what may be held in memory (76).
    public static let transactionTooLarge = Code("transaction-too-large", 76)
    /// The remote keeps changing while its image is taken (75).
    public static let restless = Code("restless", 75)
    /// The remote contradicts itself about what it has (76).
    public static let incomplete = Code("incomplete", 76)
    /// The remote speaks no protocol that is understood here (76).
    public static let unsupportedProtocol = Code("unsupported-protocol", 76)
    /// The replica is closed.
    public static let closed = Code("closed", 74)
  }
}
