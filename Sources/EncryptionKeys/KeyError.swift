/// What went wrong with a key, its source or a keyring.
///
/// Never contains a key, a passphrase or a part of one: a value that could not be understood may be a misplaced
/// secret, so messages give its length, position or kind, and echo only what has been validated as a name or path.
public struct KeyError: Error, Sendable, Hashable {
  /// The kind of failure; a caller reacts to this.
  public let code: Code
  /// What is wrong and where: lower case, one sentence without a full stop.
  public let message: String
  /// What to do about it, where there is something to do.
  public let hint: String?

  /// Makes an error; `message` and `hint` must not contain secret text.
  public init(_ code: Code, _ message: String, hint: String? = nil) {
    self.code = code
    self.message = message
    self.hint = hint
  }

  /// The same error with the place it happened in front: a path, a variable, a line.
  func located(at place: String) -> KeyError {
    KeyError(code, "\(place): \(message)", hint: hint)
  }
}

extension KeyError {
  /// A kind of failure with its process exit code. A struct, so that kinds can be added.
  ///
  /// - Source: exit codes follow `sysexits.h`.
  public struct Code: Hashable, Sendable, CustomStringConvertible {
    /// Short name of the kind, as in `missing`.
    public let description: String
    /// Exit code of a program that ends with this error.
    public let exitCode: Int32

    /// Arguments or options contradict each other (64).
    public static let usage = Code(description: "usage", exitCode: 64)
    /// A file, entry or program that was named does not exist (66).
    public static let missing = Code(description: "missing", exitCode: 66)
    /// Will not overwrite: the file or key identifier exists (73).
    public static let exists = Code(description: "exists", exitCode: 73)
    /// The operating system or libcrypto refused an operation (74).
    public static let io = Code(description: "io", exitCode: 74)
    /// No source names a key at all (77).
    public static let noKey = Code(description: "no-key", exitCode: 77)
    /// Another process holds the lock; try again (75).
    public static let busy = Code(description: "busy", exitCode: 75)
    /// Access is denied, or a file is open to others (77).
    public static let permission = Code(description: "permission", exitCode: 77)
    /// A key that cannot be used: malformed, ambiguous, or its source failed (77).
    public static let unusable = Code(description: "unusable", exitCode: 77)
  }
}

extension KeyError: CustomStringConvertible {
  /// The message, followed by the hint in parentheses.
  public var description: String {
    if let hint { "\(message) (\(hint))" } else { message }
  }
}
