import Foundation

/// Runs programs that judge us, and our own executables.
package struct Subprocess: Sendable {
  package let status: Int32
  package let output: String
  package let errors: String

  /// Runs `program` (looked up in PATH unless it holds a slash) to its end.
  ///
  /// - Parameter environment: replaces the test's own, except for PATH, HOME, LD_LIBRARY_PATH and the like.
  package static func run(
    _ program: String, _ arguments: [String] = [], input: String = "", environment: [String: String] = [:],
    directory: String? = nil
  ) throws -> Subprocess {
    let process = ChildProgram()
    process.executableURL = URL(fileURLWithPath: program.contains("/") ? program : "/usr/bin/env")
    process.arguments = program.contains("/") ? arguments : [program] + arguments
    var variables = environment
    for name in ["PATH", "HOME", "LD_LIBRARY_PATH", "TMPDIR", "TSAN_OPTIONS", "ASAN_OPTIONS"]
    where variables[name] == nil {
      variables[name] = ProcessInfo.processInfo.environment[name]
    }
    process.environment = variables
    if let directory { process.currentDirectoryURL = URL(fileURLWithPath: directory) }
    // Files, not pipes: no reader is needed to keep a talkative program going.
    let folder = try TemporaryDirectory(named: "albergue-io")
    for name in ["in", "out", "err"] {
      try Bytes.write(Data(name == "in" ? input.utf8 : "".utf8), to: folder.file(name))
    }
    let standardInput = try FileHandle(forReadingFrom: URL(fileURLWithPath: folder.file("in")))
    let standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: folder.file("out")))
    let standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: folder.file("err")))
    process.setInput(standardInput)
    process.setOutput(standardOutput)
    process.setErrors(standardError)
    try process.run()
    process.waitUntilExit()
    for handle in [standardInput, standardOutput, standardError] { try handle.close() }
    return Subprocess(
      status: process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus,
      output: String(decoding: try Bytes.read(folder.file("out")), as: UTF8.self),
      errors: String(decoding: try Bytes.read(folder.file("err")), as: UTF8.self))
  }
}

/// The `sqlcipher` command line: a program that is not ours.
package enum SQLCipherShell {
  /// Runs `sql` on `file`; the key goes through standard input.
  ///
  /// - Parameters:
  ///   - key: 64 hexadecimal digits, or nil for a plaintext file.
  ///   - settings: pragmas between key and first access.
  package static func run(
    _ file: String, key: String? = nil, passphrase: String? = nil, settings: String = "", _ sql: String
  ) throws -> Subprocess {
    var script = ""
    if let key { script += "PRAGMA key = \"x'\(key)'\";\n" }
    if let passphrase { script += "PRAGMA key = '\(passphrase)';\n" }
    script += settings + "\nPRAGMA temp_store=MEMORY;\n" + sql + "\n"
    return try Subprocess.run("sqlcipher", ["-batch", "-bail", file], input: script)
  }

  /// The lines that `sql` printed, without the answers to the pragmas in front.
  package static func lines(
    _ file: String, key: String? = nil, passphrase: String? = nil, settings: String = "", _ sql: String
  ) throws -> [String] {
    let marker = "----answers----"
    let result = try run(file, key: key, passphrase: passphrase, settings: settings, ".print \(marker)\n" + sql)
    guard result.status == 0 else { throw Failure(message: result.errors) }
    let lines = result.output.split(separator: "\n", omittingEmptySubsequences: true).map(String.init)
    return Array(lines.drop { $0 != marker }.dropFirst())
  }

  package struct Failure: Error { package let message: String }
}
