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
    } catch let error as any ReportedError where error.exitCode != ExitStatus.interrupted.rawValue {
      Diagnostics(program).error(error.report, hint: error.hint)
      failures.append(Failure(file: file, error: error.report, exitCode: error.exitCode))
    }
  }

  /// - Throws: ``CommandFailure`` with the code of the first failure, if there was one.
  public func check() throws {
    if let first = failures.first { throw CommandFailure(exitCode: first.exitCode) }
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
