import Foundation
import TestSupport

/// `turso-sync` while it runs.
final class RunningSync: Sendable {
  private let process = ChildProgram()
  private let output: Pipe
  private let rest = Locked(Data())

  /// - Parameter listensToErrors: `line()` gives lines of standard error instead of standard output.
  init(_ arguments: [String], environment: [String: String], listensToErrors: Bool = false) throws {
    process.executableURL = URL(fileURLWithPath: Executables.path("turso-sync"))
    process.arguments = arguments
    var variables = environment
    for name in ["PATH", "LD_LIBRARY_PATH"] { variables[name] = ProcessInfo.processInfo.environment[name] }
    process.environment = variables
    process.setInput(FileHandle.nullDevice)
    output = Pipe()
    if listensToErrors {
      process.setOutput(FileHandle.nullDevice)
      process.setErrors(output)
    } else {
      process.setErrors(FileHandle.nullDevice)
      process.setOutput(output)
    }
    try process.run()
  }

  /// The next line; nil when the program has ended.
  func line() -> String? {
    while true {
      let found = rest.withLock { data -> String? in
        guard let end = data.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
        defer { data = Data(data[data.index(after: end)...]) }
        return String(decoding: data[..<end], as: UTF8.self)
      }
      if let found { return found }
      let more = output.fileHandleForReading.availableData
      guard !more.isEmpty else { return nil }
      rest.withLock { $0 += more }
    }
  }

  var isRunning: Bool { process.isRunning }

  func send(_ signal: Int32) { if process.isRunning { kill(process.processIdentifier, signal) } }

  /// Waits for the end. Exit code, or 128 + signal.
  func finish() -> Int32 {
    process.waitUntilExit()
    return process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
  }
}
