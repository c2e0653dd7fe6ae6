public import EncryptionKeys

/// Why a migration could not be read, planned or run, where neither storage nor remote has failed: what, where, and what
/// to do.
///
/// Names files, lines, migrations and tables, and may quote the text of a migration; never holds a key, a token or a value
/// of a row, so it is safe to log.
public struct MigrationError: ReportedError, Sendable, Hashable, CustomStringConvertible {
  /// What went wrong, as far as a caller can react to it.
  public let code: Code
  /// What was found, in one sentence without a full stop.
  public let detail: String
  /// What to do about it, where something can be done.
  public let hint: String?

  /// Makes an error; `detail` and `hint` must be free of secrets and of row data.
  public init(_ code: Code, _ detail: String, hint: String? = nil) {
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

extension MigrationError {
  /// A kind of failure with its process exit code. A struct, so that kinds can be added.
  ///
  /// - Source: exit codes follow `sysexits.h`.
  public struct Code: Hashable, Sendable, CustomStringConvertible {
    /// Short name of the kind, as in `invalid-script`.
    public let description: String
    /// Exit code of a program that ends with this error.
    public let exitCode: Int32

    init(_ description: String, _ exitCode: Int32) {
      self.description = description
      self.exitCode = exitCode
    }

    /// What was asked for makes no sense, or is not supported (64).
    public static let usage = Code("usage", 64)
    /// A script, or the folder of migrations, is not what it should be; nothing was run (65).
    public static let invalidScript = Code("invalid-script", 65)
    /// A statement of a migration failed; nothing of the migration was kept (65).
    public static let failed = Code("failed", 65)
    /// The migration is more than the remote does in one transaction or takes in one request; nothing of it was kept (65).
    public static let doesNotFit = Code("does-not-fit", 65)
    /// A table is there, but not as the migration would make it; nothing was changed (65).
    public static let otherShape = Code("other-shape", 65)
    /// The file is a replica, which is changed through its remote only (65).
    public static let replica = Code("replica", 65)
    /// The migration would leave rows whose parents are missing; nothing of it was kept (65).
    public static let brokenReferences = Code("broken-references", 65)
    /// A migration that is applied is not among the known ones (66).
    public static let missingMigration = Code("missing-migration", 66)
    /// A file or folder is not there (66).
    public static let missingFile = Code("missing-file", 66)
    /// The remote did not get a change, again and again; nothing of it was kept (69).
    public static let unavailable = Code("unavailable", 69)
    /// The remote cannot be asked whether a change was committed (69).
    public static let unknownOutcome = Code("unknown-outcome", 69)
    /// A file is there already (73).
    public static let exists = Code("exists", 73)
    /// A file cannot be read or written (74).
    public static let inputOutput = Code("input-output", 74)
    /// A migration was begun statement by statement, and is not finished; nothing was changed (75).
    public static let unfinished = Code("unfinished", 75)
    /// Others keep changing the tracker, or hold the lease; nothing was changed (75).
    public static let busy = Code("busy", 75)
    /// Destroys data at a remote, and that was not allowed (77).
    public static let destructive = Code("destructive", 77)
  }
}
