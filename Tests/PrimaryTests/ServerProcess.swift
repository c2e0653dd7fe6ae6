import Foundation
import TestSupport
import Testing

/// The built `albergue-primary`, run the way a user runs it: on loopback, on a port that the system chooses.
final class ServerProcess {
  static var folder: String { Executables.folder }

  /// `http://127.0.0.1:PORT`.
  let url: String
  /// The file of the store, in a folder that lives as long as this.
  let store: String
  let directory: TemporaryDirectory
  private let process = ChildProgram()

  /// The environment in which the store can be opened.
  static let environment = ["TURSO_ENCRYPTION_KEY": TestKeys.firstHex]

  /// Starts a server with a new store, and waits until it listens.
  ///
  /// - Parameters:
  ///   - folder: of a server before, whose store is there.
  ///   - withoutKey: the server gets no key.
  ///   - seconds: it is killed then, should the test itself have died.
  init(
    _ arguments: [String] = [], in folder: TemporaryDirectory? = nil, environment: [String: String] = [:],
    withoutKey: Bool = false, killedAfter seconds: Int = 180
  ) throws {
    directory = try folder ?? TemporaryDirectory(named: "albergue-server")
    store = directory.file("primary.store")
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments =
      ["timeout", "--foreground", "-s", "KILL", String(seconds), Self.folder + "/albergue-primary", "serve"]
      + ["--store", store, "--listen", "127.0.0.1:0"] + arguments
    var variables = (withoutKey ? [:] : Self.environment).merging(environment) { $1 }
    for name in ["PATH", "HOME", "LD_LIBRARY_PATH", "TMPDIR"] {
      variables[name] = ProcessInfo.processInfo.environment[name]
    }
    process.environment = variables
    process.currentDirectoryURL = URL(fileURLWithPath: directory.path)
    process.setInput(FileHandle.nullDevice)
    try Bytes.write(Data(), to: directory.file("err"))
    process.setErrors(try FileHandle(forWritingTo: URL(fileURLWithPath: directory.file("err"))))
    let output = Pipe()
    process.setOutput(output)
    try process.run()
    // The first line says where. Reading blocks until there is something, or the server has ended.
    var line = Data()
    while !line.contains(UInt8(ascii: "\n")) {
      let more = output.fileHandleForReading.availableData
      if more.isEmpty { break }
      line += more
    }
    let said = String(decoding: line, as: UTF8.self)
    let errors = String(decoding: try Bytes.read(directory.file("err")), as: UTF8.self)
    url = String(try #require(said.firstMatch(of: /http:\/\/[0-9.:]+/), "the server did not start: \(errors)").output)
  }

  /// What the server said on standard error.
  var errors: String { String(decoding: (try? Bytes.read(directory.file("err"))) ?? Data(), as: UTF8.self) }

  /// The most memory that the server has held, in MiB.
  func highestMemory() throws -> Int {
    let status = String(decoding: try Bytes.read("/proc/\(try #require(child))/status"), as: UTF8.self)
    let peak = try #require(status.firstMatch(of: /VmHWM:\s+([0-9]+) kB/)?.output.1)
    return try #require(Int(peak)) / 1024
  }

  /// The server itself: `timeout` has the signals blocked that threads of this process block.
  private var child: Int32? {
    let children = "/proc/\(process.processIdentifier)/task/\(process.processIdentifier)/children"
    let text = String(decoding: FileManager.default.contents(atPath: children) ?? Data(), as: UTF8.self)
    return text.split(separator: " ").first.flatMap { Int32($0) }
  }

  /// Asks the server to end, and waits for that. Exit code, or 128 + signal.
  func stop() -> Int32 {
    if let child { kill(child, SIGTERM) }
    process.waitUntilExit()
    return process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
  }

  /// Ends it without a chance to do anything.
  func killAtOnce() {
    if let child { kill(child, SIGKILL) }
    process.waitUntilExit()
  }

  /// The database on disk, as the client programs dump theirs. Only after `stop`.
  func dump() throws -> [String] {
    let plain = directory.file("plain.db")
    let export = try Subprocess.run(
      Self.folder + "/albergue-crypt", ["export", store, plain, "--plaintext", "--yes-write-plaintext"],
      environment: Self.environment)
    try #require(export.status == 0, "\(export.errors)")
    let dumped = try Judges.python([ClientProgram.folder + "/dump_file.py", plain])
    try #require(dumped.status == 0, "\(dumped.errors)")
    return try JSONDecoder().decode([String].self, from: Data(dumped.output.utf8))
  }

  deinit {
    if process.isRunning { _ = stop() }
  }
}
