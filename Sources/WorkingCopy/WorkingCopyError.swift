public import EncryptionKeys

/// Why a working copy could not be pulled or pushed, where neither storage nor remote has failed: what, and what to do.
///
/// Names tables, columns and indexes; never holds a key, a token or a value of a row, so it is safe to log.
public struct WorkingCopyError: ReportedError, Sendable, Hashable, CustomStringConvertible {
  /// What went wrong, as far as a caller can react to it.
  public let code: Code
  /// What was found, in one sentence without a full stop.
  public let detail: String
  /// What to do about it, where something can be done.
  public let hint: String?

  init(_ code: Code, _ detail: String, hint: String? = nil) {
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

extension WorkingCopyError {
  /// A kind of failure with its process exit code. A struct, so that kinds can be added.
  ///
  /// - Source: exit codes follow `sysexits.h`.
  public struct Code: Hashable, Sendable, CustomStringConvertible {
    /// Short name of the kind, as in `unpushed-changes`.
    public let description: String
    /// Exit code of a program that ends with this error.
    public let exitCode: Int32

    init(_ description: String, _ exitCode: Int32) {
      self.description = description
      self.exitCode = exitCode
    }

    /// The working copy has changes that a pull would lose (1).
    public static let unpushedChanges = Code("unpushed-changes", 1)
    /// Something changed that cannot be pushed; nothing was sent (65).
    public static let unsupported = Code("unsupported", 65)
    /// The file is not a working copy, or its base is missing or another one (65).
    public static let notAWorkingCopy = Code("not-a-working-copy", 65)
    /// There is no working copy yet (66).
    public static let missing = Code("missing", 66)
    /// It is not known whether the push was committed: the remote cannot be asked (69).
    public static let unknownOutcome = Code("unknown-outcome", 69)
    /// Another run works on this working copy (75).
    public static let busy = Code("busy", 75)
    /// The remote keeps changing while it is pushed to (75). Nothing was changed.
    public static let restless = Code("restless", 75)
    /// The remote refused what succeeded in the rehearsal (76). Nothing was changed.
    public static let refused = Code("refused", 76)
    /// The remote is another database than the one that the working copy was made from (76).
    public static let otherRemote = Code("other-remote", 76)
  }
}
