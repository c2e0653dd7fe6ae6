import Foundation

/// Executables of this package, as the build has made them: beside the running test bundle.
package enum Executables {
  package static let folder: String = {
    let program = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    return (program as NSString).deletingLastPathComponent
  }()

  package static func path(_ name: String) -> String { folder + "/" + name }
}

/// `albergue-primary serve` on a store of its own, in a process of its own. It ends with the last reference.
package final class RunningPrimary: Sendable {
  package struct Failure: Error { package let message: String }

  /// Variables that a program has from the test: to be found, and for the sanitizers.
  package static let inherited = ["PATH", "LD_LIBRARY_PATH", "TSAN_OPTIONS", "ASAN_OPTIONS"]

  private let process = ChildProgram()
  private let errorFile: String
  package let port: Int

  /// Starts the server and waits until it listens.
  ///
  /// - Parameters:
  ///   - store: made if it is not there.
  ///   - port: 0 for any free one.
  ///   - environment: beside what programs need to run at all.
  package init(
    store: String, keyFile: String, port: Int = 0, arguments: [String] = [], environment: [String: String] = [:]
  ) throws {
    process.executableURL = URL(fileURLWithPath: Executables.path("albergue-primary"))
    process.arguments =
      ["serve", "--store", store, "--listen", "127.0.0.1:\(port)", "--key-file", keyFile] + arguments
    process.environment = ProcessInfo.processInfo.environment.filter { Self.inherited.contains($0.key) }
      .merging(environment) { $1 }
    process.setInput(FileHandle.nullDevice)
    errorFile = store + ".server-errors"
    try Bytes.write(Data(), to: errorFile)
    let errors = try FileHandle(forWritingTo: URL(fileURLWithPath: errorFile))
    let output = Pipe()
    process.setOutput(output)
    process.setErrors(errors)
    try process.run()
    try errors.close()
    var text = Data()
    while !text.contains(UInt8(ascii: "\n")) {
      let more = output.fileHandleForReading.availableData
      guard !more.isEmpty else {
        process.waitUntilExit()
        throw Failure(message: String(decoding: (try? Bytes.read(errorFile)) ?? Data(), as: UTF8.self))
      }
      text += more
    }
    let line = String(decoding: text, as: UTF8.self)
    guard let found = line.firstMatch(of: /http:\/\/127\.0\.0\.1:(\d+)/), let number = Int(found.output.1) else {
      throw Failure(message: line)
    }
    self.port = number
  }

  package var url: String { "http://127.0.0.1:\(port)" }

  package var isRunning: Bool { process.isRunning }

  /// Ends it as an operator does, and waits.
  package func stop() {
    if process.isRunning { process.terminate() }
    process.waitUntilExit()
  }

  /// Ends it as a power cut does.
  package func kill() {
    if process.isRunning { Foundation.kill(process.processIdentifier, SIGKILL) }
    process.waitUntilExit()
  }

  deinit {
    if process.isRunning { Foundation.kill(process.processIdentifier, SIGKILL) }
    process.waitUntilExit()
  }
}
