import Foundation
import TestSupport
import Testing

/// `albergue-crypt` while it runs: to be killed, interrupted, stopped or looked at.
final class RunningTool {
  private let process = ChildProgram()
  private let streams: TemporaryDirectory

  /// - Parameters:
  ///   - stoppingAt: a system call after which `strace` stops the process: a moment that does not depend on the speed of
  ///     the machine. Only calls that one thread makes, since strace counts them by thread.
  ///   - occurrence: which one of these calls, from 1.
  ///   - wrapper: put in front: `setpriv`.
  init(
    _ arguments: [String], environment: [String: String] = [:], directory: String, stoppingAt call: String? = nil,
    occurrence: Int = 1, wrapper: [String] = []
  ) throws {
    streams = try TemporaryDirectory(named: "albergue-io")
    var line = wrapper + [Tool.path] + arguments
    if let call {
      line =
        [
          "strace", "-f", "-qq", "-o", streams.file("trace"), "-e", "trace=\(call)",
          "-e", "inject=\(call):signal=SIGSTOP:when=\(occurrence)",
        ] + line
    }
    // Should the test itself die, nothing stays behind for long.
    line = ["timeout", "--foreground", "-s", "KILL", "600"] + line
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = line
    var variables = environment
    for name in ["PATH", "HOME", "LD_LIBRARY_PATH", "TMPDIR"] where variables[name] == nil {
      variables[name] = ProcessInfo.processInfo.environment[name]
    }
    process.environment = variables
    process.currentDirectoryURL = URL(fileURLWithPath: directory)
    process.setInput(FileHandle.nullDevice)
    for name in ["out", "err"] { try Bytes.write(Data(), to: streams.file(name)) }
    process.setOutput(try FileHandle(forWritingTo: URL(fileURLWithPath: streams.file("out"))))
    process.setErrors(try FileHandle(forWritingTo: URL(fileURLWithPath: streams.file("err"))))
    try process.run()
  }

  var isRunning: Bool { process.isRunning }

  /// The tool's own process, below `timeout` and `strace`; nil when it is not there yet or any more.
  var processID: Int32? {
    var current = process.processIdentifier
    while true {
      // Not by /proc/PID/exe: of a process that must not be dumped, only root may read it.
      let command = FileManager.default.contents(atPath: "/proc/\(current)/cmdline") ?? Data()
      if command.starts(with: Data((Tool.path + "\0").utf8)) { return current }
      let text = FileManager.default.contents(atPath: "/proc/\(current)/task/\(current)/children") ?? Data()
      guard let child = String(decoding: text, as: UTF8.self).split(separator: " ").first.flatMap({ Int32($0) }) else {
        return nil
      }
      current = child
    }
  }

  /// Looks again and again until `condition` holds or the tool has ended. Waits for an event, not for a time.
  func wait(until condition: () throws -> Bool) rethrows -> Bool {
    while process.isRunning {
      if try condition() { return true }
      sched_yield()
    }
    return try condition()
  }

  /// Waits until the tool stands still at the system call that was named.
  func waitUntilStopped() throws -> Int32 {
    let stopped = wait {
      guard let processID, let status = FileManager.default.contents(atPath: "/proc/\(processID)/status") else {
        return false
      }
      let text = String(decoding: status, as: UTF8.self)
      return text.contains("State:\tT") || text.contains("State:\tt") && traceSaysStopped
    }
    try #require(stopped, "ended before the system call: \(errors)")
    return try #require(processID)
  }

  private var traceSaysStopped: Bool {
    let trace = FileManager.default.contents(atPath: streams.file("trace")) ?? Data()
    return String(decoding: trace, as: UTF8.self).contains("stopped by SIGSTOP")
  }

  func send(_ signal: Int32) { if let processID { kill(processID, signal) } }

  var errors: String { String(decoding: (try? Bytes.read(streams.file("err"))) ?? Data(), as: UTF8.self) }
  var output: String { String(decoding: (try? Bytes.read(streams.file("out"))) ?? Data(), as: UTF8.self) }

  /// Waits for the end. Exit code, or 128 + signal.
  func finish() -> Int32 {
    process.waitUntilExit()
    return process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
  }
}
