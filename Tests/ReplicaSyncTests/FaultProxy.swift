import Foundation
import TestSupport
import Testing

/// `Servers/fault_proxy.py` before a server, in a process of its own. It ends with the last reference.
final class FaultProxy: Sendable {
  private let process = ChildProgram()
  private let input: Pipe
  private let output: Pipe
  let port: Int

  init(before server: Int) throws {
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["python3", Judges.root + "/Tests/ReplicaSyncTests/Servers/fault_proxy.py", "\(server)"]
    input = Pipe()
    output = Pipe()
    process.setInput(input)
    process.setOutput(output)
    try process.run()
    let line = try Self.line(output)
    port = try #require(line.split(separator: " ").first.flatMap { Int($0) }, "the proxy did not start")
  }

  deinit {
    try? input.fileHandleForWriting.close()
    process.waitUntilExit()
  }

  var url: String { "http://127.0.0.1:\(port)" }

  private static func line(_ output: Pipe) throws -> String {
    var text = Data()
    while text.last != UInt8(ascii: "\n") {
      let more = output.fileHandleForReading.availableData
      try #require(!more.isEmpty, "the proxy has ended")
      text += more
    }
    return String(decoding: text, as: UTF8.self)
  }

  private func command(_ text: String) throws -> [String: Any] {
    input.fileHandleForWriting.write(Data((text + "\n").utf8))
    let answer = try JSONSerialization.jsonObject(with: Data(Self.line(output).utf8))
    return try #require(answer as? [String: Any])
  }

  /// Replaces the rules; see the script.
  func set(_ rules: String...) throws { _ = try command(#"{"rules": [\#(rules.joined(separator: ","))]}"#) }

  /// `METHOD path` of the requests since the last time.
  func seen() throws -> [String] {
    let seen = try command(#"{"seen": true}"#)["seen"] as? [[String]]
    return try #require(seen).map { $0.joined(separator: " ") }
  }

  /// Lets the server have the requests that were held back.
  ///
  /// - Returns: status and body of each answer.
  func release() throws -> [[String]] { try #require(try command(#"{"release": true}"#)["late"] as? [[String]]) }

  /// Requests that went to another origin.
  func foreignCount() throws -> Int { try #require(try command(#"{"seen": true}"#)["foreign"] as? Int) }
}
