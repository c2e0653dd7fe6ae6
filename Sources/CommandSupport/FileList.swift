internal import EncryptedStorage
internal import EncryptionKeys

/// Works through files one by one; one that fails does not keep the others from being looked at.
public struct FileList: Sendable {
  /// A file that could not be looked at.
  public struct Failure: Sendable, Encodable {
    /// The file as named by the caller.
    public let file: String
    /// What went wrong.
    public let error: String
    /// The exit code this alone would have ended with.
    public let exitCode: Int32
  }

  /// What failed so far, in order.
  public private(set) var failures: [Failure] = []

  /// An empty list.
  public init() {}

  /// Runs `body` for one file; an error is printed and kept, except that the command was interrupted.
  public mutating func run(_ file: String, program: String, _ body: () async throws -> Void) async throws {
    do {
      try await body()
    } catch let error as EncryptedStorageError where error.code != .cancelled {
      add(file, error.description, error.hint, ExitStatus(error), program)
    } catch let error as KeyError {
      add(file, error.message, error.hint, ExitStatus(error), program)
    }
  }

  /// - Throws: ``CommandFailure`` with the code of the first failure, if there was one.
  public func check() throws {
    if let first = failures.first { throw CommandFailure(exitCode: first.exitCode) }
  }

  private mutating func add(
    _ file: String, _ message: String, _ hint: String?, _ status: ExitStatus, _ program: String
  ) {
    Diagnostics(program).error(message, hint: hint)
    failures.append(Failure(file: file, error: message, exitCode: status.rawValue))
  }
}

/// Ends the program with a code after everything has been said.
public struct CommandFailure: Error, Sendable {
  /// The exit code.
  public let exitCode: Int32

  /// Makes a failure.
  public init(exitCode: Int32) { self.exitCode = exitCode }

  /// Ends with one of the table's codes.
  public init(_ status: ExitStatus) { exitCode = status.rawValue }
}
