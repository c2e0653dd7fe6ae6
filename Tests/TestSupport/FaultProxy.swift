import Foundation

/// `Servers/fault_proxy.py` before a server, in a process of its own. It ends with the last reference.
package final class FaultProxy: Sendable {
  package struct Failure: Error { package let message: String }

  private let process = ChildProgram()
  private let input: Pipe
  private let output: Pipe
  package let port: Int

  package init(before server: Int) throws {
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["python3", Judges.root + "/Tests/ReplicaSyncTests/Servers/fault_proxy.py", "\(server)"]
    input = Pipe()
    output = Pipe()
    process.setInput(input)
    process.setOutput(output)
    try process.run()
    let line = try Self.line(output)
    guard let port = line.split(separator: " ").first.flatMap({ Int($0) }) else {
      throw Failure(message: "the proxy did not start")
    }
    self.port = port
  }

  deinit {
    try? input.fileHandleForWriting.close()
    process.waitUntilExit()
  }

  package var url: String { "http://127.0.0.1:\(port)" }

  private static func line(_ output: Pipe) throws -> String {
    var text = Data()
    while text.last != UInt8(ascii: "\n") {
      let more = output.fileHandleForReading.availableData
      guard !more.isEmpty else { throw Failure(message: "the proxy has ended") }
      text += more
    }
    return String(decoding: text, as: UTF8.self)
  }

  private static func required<Value>(_ value: Value?) throws -> Value {
    guard let value else { throw Failure(message: "the proxy answered something else") }
    return value
  }

  private func command(_ text: String) throws -> [String: Any] {
    input.fileHandleForWriting.write(Data((text + "\n").utf8))
    let answer = try JSONSerialization.jsonObject(with: Data(Self.line(output).utf8))
    return try Self.required(answer as? [String: Any])
  }

  /// Replaces the rules; see the script.
  package func set(_ rules: String...) throws { _ = try command(#"{"rules": [\#(rules.joined(separator: ","))]}"#) }

  /// `METHOD path` of the requests since the last time.
  package func seen() throws -> [String] {
    let seen = try command(#"{"seen": true}"#)["seen"] as? [[String]]
    return try Self.required(seen).map { $0.joined(separator: " ") }
  }

  /// Lets the server have the requests that were held back.
  ///
  /// - Returns: status and body of each answer.
  package func release() throws -> [[String]] {
    try Self.required(try command(#"{"release": true}"#)["late"] as? [[String]])
  }

  /// Lets the answers go that were told to wait.
  package func letGo() throws { _ = try command(#"{"let_go": true}"#) }

  /// From now on some requests get one of the faults, drawn from the seed in the order in which they come.
  ///
  /// - Parameters:
  ///   - rate: how many of the requests, from 0 to 1; 0 ends it.
  ///   - faults: members of a rule, such as `"status": 503`.
  /// - Returns: how many faults were made until now.
  @discardableResult
  package func setChaos(seed: UInt64, rate: Double, faults: [String]) throws -> Int {
    let list = faults.map { "{\($0)}" }.joined(separator: ",")
    let chaos = rate > 0 ? #"{"seed": \#(seed), "rate": \#(rate), "faults": [\#(list)]}"# : "null"
    return try Self.required(try command(#"{"chaos": \#(chaos)}"#)["count"] as? Int)
  }

  /// Requests that went to another origin.
  package func foreignCount() throws -> Int { try Self.required(try command(#"{"seen": true}"#)["foreign"] as? Int) }
}
