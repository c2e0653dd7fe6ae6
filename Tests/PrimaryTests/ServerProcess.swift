import Foundation
import TestSupport
import Testing

/// The built `albergue-primary`, run the way a user runs it: on loopback, on a port that the system chooses.
final class ServerProcess {
  /// Where the build puts the executables: beside the running test bundle.
  static let folder: String = {
    let program = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    return (program as NSString).deletingLastPathComponent
  }()

  /// `http://127.0.0.1:PORT`.
  let url: String
  /// The file of the store, in a folder that lives as long as this.
  let store: String
  let directory: TemporaryDirectory
  private let process = Process()

  /// The environment in which the store can be opened.
  static let environment = ["TURSO_ENCRYPTION_KEY": TestKeys.firstHex]

  /// Starts a server with a new store, and waits until it listens.
  ///
  /// - Parameter seconds: it is killed then, should the test itself have died.
  init(_ arguments: [String] = [], killedAfter seconds: Int = 180) throws {
    directory = try TemporaryDirectory(named: "albergue-server")
    store = directory.file("primary.store")
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments =
      ["timeout", "--foreground", "-s", "KILL", String(seconds), Self.folder + "/albergue-primary", "serve"]
      + ["--store", store, "--listen", "127.0.0.1:0"] + arguments
    var variables = Self.environment
    for name in ["PATH", "HOME", "LD_LIBRARY_PATH", "TMPDIR"] {
      variables[name] = ProcessInfo.processInfo.environment[name]
    }
    process.environment = variables
    process.currentDirectoryURL = URL(fileURLWithPath: directory.path)
    process.standardInput = FileHandle.nullDevice
    try Bytes.write(Data(), to: directory.file("err"))
    process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: directory.file("err")))
    let output = Pipe()
    process.standardOutput = output
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

  /// Asks the server to end, and waits for that. Exit code, or 128 + signal.
  func stop() -> Int32 {
    // Its own process: `timeout` has the signals blocked that threads of this process block.
    let children = "/proc/\(process.processIdentifier)/task/\(process.processIdentifier)/children"
    let text = String(decoding: FileManager.default.contents(atPath: children) ?? Data(), as: UTF8.self)
    if let child = text.split(separator: " ").first.flatMap({ Int32($0) }) { kill(child, SIGTERM) }
    process.waitUntilExit()
    return process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
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
