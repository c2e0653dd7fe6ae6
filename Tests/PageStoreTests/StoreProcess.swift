import Foundation
import TestSupport

/// A running `store-workload`, whose lines the test reads as they come.
///
/// Reading blocks: by one thread at a time.
final class StoreProcess: Sendable {
  private struct Reading {
    var unread = Data()
    var hasEnded = false
    var lastLine: String?
    var isKilled = false

    mutating func takeLine() -> (line: String?, hasEnded: Bool) {
      guard let end = unread.firstIndex(of: UInt8(ascii: "\n")) else { return (nil, hasEnded) }
      let line = String(decoding: unread[..<end], as: UTF8.self)
      unread.removeSubrange(...end)
      lastLine = line
      return (line, false)
    }
  }

  private let process = ChildProgram()
  private let output = Pipe()
  private let errors: String
  private let reading = Locked(Reading())

  var identifier: Int32 { process.processIdentifier }

  /// The line that was read last.
  var lastLine: String? { reading.withLock { $0.lastLine } }

  /// The folder of the executables: beside the running test bundle.
  private static let program: String = {
    let bundle = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    let folder = (bundle as NSString).deletingLastPathComponent
    return (ProcessInfo.processInfo.environment["ALBERGUE_TEST_PROGRAMS"] ?? folder) + "/store-workload"
  }()

  /// - Parameter folder: for the key file and what the program says about errors.
  init(_ arguments: [String], folder: TemporaryDirectory) throws {
    let keyFile = folder.file("workload.key")
    if !Bytes.exists(keyFile) {
      try Bytes.write(Data(TestKeys.firstHex.utf8), to: keyFile)
      try Bytes.setMode(keyFile, 0o600)
    }
    errors = folder.file("errors-\(UUID().uuidString)")
    try Bytes.write(Data(), to: errors)
    process.executableURL = URL(fileURLWithPath: Self.program)
    process.arguments = arguments
    process.environment = ["TURSO_ENCRYPTION_KEY_FILE": keyFile]
    for name in ["PATH", "HOME", "LD_LIBRARY_PATH", "TMPDIR"] {
      process.environment?[name] = ProcessInfo.processInfo.environment[name]
    }
    process.setInput(FileHandle.nullDevice)
    process.setOutput(output)
    process.setErrors(try FileHandle(forWritingTo: URL(fileURLWithPath: errors)))
    try process.run()
  }

  /// The next line; nil when the program has ended.
  func line() -> String? {
    while true {
      let (line, hasEnded) = reading.withLock { $0.takeLine() }
      if line != nil || hasEnded { return line }
      let more = output.fileHandleForReading.availableData
      reading.withLock { reading in
        reading.hasEnded = more.isEmpty
        reading.unread += more
      }
    }
  }

  /// Kills the program, and reads what it has written until then.
  func kill() {
    reading.withLock { $0.isKilled = true }
    Glibc.kill(process.processIdentifier, SIGKILL)
    while line() != nil {}
    process.waitUntilExit()
  }

  /// Kills the program while another thread reads.
  func stop() {
    reading.withLock { $0.isKilled = true }
    Glibc.kill(process.processIdentifier, SIGKILL)
  }

  /// Reads to the end of the program. Nil for success, or if the test has killed it; else what it said.
  func failure() throws -> String? {
    while line() != nil {}
    process.waitUntilExit()
    let wasKilled = process.terminationReason == .uncaughtSignal && reading.withLock { $0.isKilled }
    guard !wasKilled, process.terminationReason != .exit || process.terminationStatus != 0 else { return nil }
    return "status \(process.terminationStatus): \(String(decoding: try Bytes.read(errors), as: UTF8.self))"
  }
}
