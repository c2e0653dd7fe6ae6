public import ArgumentParser
public import EncryptionKeys
internal import Glibc

/// Runs a command line from start to exit code: arguments, hardening, cancellation, errors.
public enum Program {
  /// Parses the arguments of this process, runs the command, and ends the process.
  ///
  /// Ctrl-C and SIGTERM cancel the command, which undoes what it was doing; a second one ends the process at once.
  ///
  /// - Parameter arguments: instead of those of this process.
  public static func main<Command: AsyncParsableCommand>(
    _ type: Command.Type, arguments: [String]? = nil
  ) async -> Never {
    ProcessHardening.apply()
    let name = type._commandName
    // Not even the program's own name: without /proc the Swift runtime finds no arguments, and every command would look
    // like none.
    guard !CommandLine.arguments.isEmpty else {
      Diagnostics(name).error("the arguments of the process cannot be read", hint: "mount /proc")
      exit(ExitStatus.unavailable.rawValue)
    }
    do {
      let status = try await Interruption.cancelling {
        var command = try type.parseAsRoot(arguments)
        if var asynchronous = command as? any AsyncParsableCommand {
          try await asynchronous.run()
        } else {
          try command.run()
        }
      }
      exit(status)
    } catch {
      exit(report(error, program: name, command: type))
    }
  }

  /// Prints an error as `program: error: …` and `program: hint: …` on stderr.
  ///
  /// - Returns: the exit code.
  static func report(_ error: any Error, program: String, command: (some ParsableArguments).Type) -> Int32 {
    switch error {
    case let error as any ReportedError:
      Diagnostics(program).error(error.report, hint: error.hint)
      return error.exitCode
    case let error as CommandFailure:
      return error.exitCode
    case is CancellationError:
      Diagnostics(program).error("interrupted", hint: nil)
      return ExitStatus.interrupted.rawValue
    default:
      // Usage, help and version come from the argument parser, which knows where each is printed.
      command.exit(withError: error)
    }
  }
}

/// An error of a command itself, such as options that do not go together.
public struct CommandError: ReportedError {
  /// The exit code.
  public let status: ExitStatus
  /// One sentence, lower case, no full stop.
  public let message: String
  /// What to do.
  public let hint: String?

  /// Makes an error.
  public init(_ status: ExitStatus, _ message: String, hint: String? = nil) {
    self.status = status
    self.message = message
    self.hint = hint
  }

  /// The message.
  public var report: String { message }
  /// That of the status.
  public var exitCode: Int32 { status.rawValue }
}

/// Messages to the person at the terminal: stderr, lower case, `program: kind: text`.
public struct Diagnostics: Sendable {
  private let program: String

  /// - Parameter program: name in front of each line.
  public init(_ program: String) { self.program = program }

  /// Prints an error and what to do about it.
  public func error(_ message: String, hint: String?) {
    StandardError.write("\(program): error: \(message)\n")
    if let hint { StandardError.write("\(program): hint: \(hint)\n") }
  }

  /// Prints a warning.
  public func warning(_ message: String) { StandardError.write("\(program): warning: \(message)\n") }

  /// Prints something worth knowing.
  public func note(_ message: String) { StandardError.write("\(program): \(message)\n") }
}
